import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TOPICS, type Topic } from '#contracts/topics.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { eventually } from '#testing/eventually.js';
import { Browser } from './browser.js';
import { API_KEY, newPlace, type Place, type Portal, startPortal } from './portal.js';

let place: Place;
let portal: Portal;
let publisher: BatchPublisher;
/** Answers with the trips of the guard. */
let grants: Server;
let trips: object[] = [];
beforeAll(async () => {
  place = await newPlace();
  grants = createServer((_request, response) => response.end(JSON.stringify({ data: trips })));
  await new Promise<void>((resolve) => grants.listen(0, '127.0.0.1', resolve));
  const grantsUrl = `http://127.0.0.1:${(grants.address() as AddressInfo).port}`;
  portal = await startPortal(place, { GRANTS_URL: grantsUrl, GRANTS_API_KEY: 'rsk_of_the_portal' });
  publisher = new BatchPublisher(place.client);
});
afterAll(async () => {
  await publisher.close();
  await portal.close();
  await place.leave();
  grants.closeAllConnections();
  await new Promise((resolve) => grants.close(resolve));
});

const publish = (topic: Topic, key: string, event: object | string) =>
  publisher.publish(topic, {
    key,
    value: Buffer.from(typeof event === 'string' ? event : JSON.stringify(event)),
  });

const deleted = (eventId: string, userId: string) =>
  publish(TOPICS.workosEvents, userId, {
    specversion: '1.0',
    id: eventId,
    source: '/identity-providers/idp_1',
    type: 'com.workos.user.deleted',
    datacontenttype: 'application/json',
    providerid: 'idp_1',
    receivedat: '2026-11-28T10:00:00.000Z',
    data: {
      id: eventId,
      event: 'user.deleted',
      created_at: '2026-11-28T09:59:59.000Z',
      data: { id: userId, email: 'a@b.c' },
    },
  });

const revoked = (eventId: string, userId: string) =>
  publish(TOPICS.revocations, userId, {
    specversion: '1.0',
    id: `revocation_${eventId}`,
    source: '/grants',
    type: 'io.rescind.revocation.v1',
    time: '2026-11-28T10:00:00.250Z',
    datacontenttype: 'application/json',
    data: {
      scope: `idp_1/user:${userId}`,
      provider_id: 'idp_1',
      user_id: userId,
      closed_at: 'infinity',
      opened_at: null,
      tokens_before: null,
      reason: 'user_deprovisioned',
      source_event_id: eventId,
      occurred_at: '2026-11-28T09:59:59.000Z',
      revoked_grant_ids: ['grant_1'],
    },
  });

interface Told {
  id: string;
  event: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever is told
  data: any;
}

/** Follows as an EventSource does. */
async function follow(headers: Record<string, string>) {
  const abort = new AbortController();
  const response = await fetch(`${portal.url}/api/feed`, { headers, signal: abort.signal });
  const told: Told[] = [];
  let text = '';
  let ended = false;
  void (async () => {
    try {
      for await (const chunk of response.body!) {
        text += Buffer.from(chunk).toString();
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const fields = new Map(
            text
              .slice(0, end)
              .split('\n')
              .map((line) => line.split(/: ?(.*)/s, 2) as [string, string]),
          );
          text = text.slice(end + 2);
          if (fields.has('data')) {
            told.push({ id: fields.get('id')!, event: fields.get('event')!, data: JSON.parse(fields.get('data')!) });
          }
        }
      }
    } catch {
      // hung up
    }
    ended = true;
  })();
  return { response, told, isOver: () => ended, hangUp: () => abort.abort() };
}

const bearer = { authorization: `Bearer ${API_KEY}` };
const of = (told: readonly Told[], eventId: string) => told.filter(({ data }) => data.event_id === eventId);

test('what happens is told at once, with how long it took, and without what WorkOS says of a person', async () => {
  const feed = await follow(bearer);
  expect(feed.response.headers.get('content-type')).toContain('text/event-stream');
  await publish(TOPICS.workosEvents, 'x', 'no JSON at all');
  await deleted('event_1', 'user_1');
  await eventually(() => of(feed.told, 'event_1').length === 1, { what: 'the webhook' });
  await revoked('event_1', 'user_1');
  const told = await eventually(() => of(feed.told, 'event_1').length === 3 && of(feed.told, 'event_1'));
  expect(told).toMatchObject([
    {
      event: 'webhook',
      data: { type: 'user.deleted', provider_id: 'idp_1', user_id: 'user_1', at: '2026-11-28T10:00:00.000Z' },
    },
    { event: 'applied', data: { latency_ms: 250, at: '2026-11-28T10:00:00.250Z' } },
    { event: 'revoked', data: { scope: 'idp_1/user:user_1', reason: 'user_deprovisioned', grant_ids: ['grant_1'] } },
  ]);
  expect(JSON.stringify(feed.told)).not.toContain('a@b.c');
  feed.hangUp();
});

test('a provider that changes is told', async () => {
  const feed = await follow(bearer);
  const made = await portal.call('POST', '/v1/identity-providers', {
    name: 'Acme',
    kind: 'oidc',
    issuers: ['https://issuer.example.com'],
    jwks_uri: 'https://issuer.example.com/jwks',
    audience: 'acme',
    audience_policy: 'required',
  });
  expect(made.status).toBe(201);
  await eventually(() =>
    feed.told.some(({ event, data }) => event === 'provider' && data.provider_id === made.body.id),
  );
  feed.hangUp();
});

test('a guard that trips, and what is decided of it, is told to whoever is there', async () => {
  const feed = await follow(bearer);
  const trip = { id: 'trip_0', provider_id: 'idp_1', status: 'paused', tripped_at: '2026-11-28T10:00:00.000Z' };
  // Whatever was there when the first one began to follow is no news, so it may take another one.
  const told = await eventually(
    () => {
      trips = [{ ...trip, id: `trip_${trips.length + 1}`, decided_at: null }, ...trips].slice(0, 50);
      return feed.told.find(({ event }) => event === 'guard');
    },
    { everyMs: 500 },
  );
  expect(told.data).toMatchObject({ type: 'guard_paused', provider_id: 'idp_1', at: trip.tripped_at });
  const decided_at = '2026-11-28T10:05:00.000Z';
  trips = trips.map((known) => ({ ...known, status: 'confirmed', decided_at }));
  await eventually(() => feed.told.some(({ data }) => data.type === 'guard_confirmed' && data.at === decided_at));
  feed.hangUp();
});

test('who comes back goes on behind what they have seen', async () => {
  await deleted('event_2', 'user_2');
  const first = await follow(bearer);
  const seen = await eventually(() => of(first.told, 'event_2')[0]);
  first.hangUp();
  await deleted('event_3', 'user_3');
  const second = await follow({ ...bearer, 'last-event-id': seen.id });
  await eventually(() => of(second.told, 'event_3').length === 1);
  expect(of(second.told, 'event_2')).toEqual([]);
  second.hangUp();
});

test('only who is signed in follows; and whoever follows is let go when the portal stops', async () => {
  expect((await fetch(`${portal.url}/api/feed`)).status).toBe(401);
  const more = await startPortal(place);
  const browser = new Browser(more.url);
  await browser.signIn();
  const response = await fetch(`${more.url}/api/feed`, { headers: { cookie: browser.cookieHeader() } });
  expect(response.status).toBe(200);
  const over = response.text().then(
    () => true,
    () => true,
  );
  await more.close();
  expect(await over).toBe(true);
});
