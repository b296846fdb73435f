import { pino } from 'pino';
import { Registry } from 'prom-client';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { rowsOf } from '#platform/sql.js';
import { eventually } from '#testing/eventually.js';
import { WorkOSApi } from '#workos/api-client.js';
import { readEvidence } from '../../apps/grants/src/completeness/completeness.sql.js';
import { CompletenessMetrics } from '../../apps/grants/src/completeness/metrics.js';
import { Tail } from '../../apps/grants/src/tail/tail.js';
import { follow, ownTopics } from '../../apps/grants/test/kafka.js';
import { all, ownDatabase } from '../../apps/grants/test/support.js';
import { type Sandbox, startSandbox } from '../../tools/workos-sandbox/src/sandbox.js';
import {
  type Body,
  providerOf,
  publishProvider,
  publishWebhook,
  type RunningGrants,
  startGrants,
} from './running-grants.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
let client: KafkaClient;
let publisher: BatchPublisher;
let grants: RunningGrants;
/** A WorkOS that knows no webhook endpoint: it never tells us anything by itself. */
let sandbox: Sandbox;
let events: Awaited<ReturnType<typeof follow>>;
const PROVIDER = 'idp_silent';

beforeAll(async () => {
  own = await ownDatabase();
  client = await ownTopics();
  publisher = new BatchPublisher(client);
  sandbox = await startSandbox();
  await publishProvider(publisher, providerOf(sandbox, PROVIDER));
  events = await follow(client, TOPICS.workosEvents);
  grants = await startGrants(own.url, client);
});
const others: Sandbox[] = [];
async function anotherSandbox(options: Parameters<typeof startSandbox>[0] = {}): Promise<Sandbox> {
  const started = await startSandbox(options);
  others.push(started);
  return started;
}
afterAll(async () => {
  for (const other of others) await other.close();
  await grants?.close();
  await events.close();
  await publisher.close();
  await client.close();
  await sandbox.close();
  await own.drop();
});

async function workos(method: string, path: string, body?: object, { url, apiKey } = sandbox): Promise<Body> {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${apiKey}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  return text === '' ? {} : JSON.parse(text);
}
let people = 0;
const newUser = async (at = sandbox): Promise<string> =>
  (await workos('POST', '/user_management/users', { email: `p${++people}@example.test` }, at)).id as string;
const deleteUser = (id: string, at = sandbox): Promise<Body> =>
  workos('DELETE', `/user_management/users/${id}`, undefined, at);
const lastEvent = (at = sandbox) => at.world.events.list({ types: [], limit: 100_000 }).data.at(-1)!;
const certificate = async (id = PROVIDER): Promise<Body> =>
  (await grants.call('GET', '/v1/completeness')).body.data.find((one: Body) => one.provider_id === id);
const missed = async (id = PROVIDER): Promise<Body[]> =>
  (await grants.call('GET', `/v1/missed-webhooks?provider_id=${id}`)).body.data;
const isApplied = async (id: string): Promise<boolean> =>
  (await all(own.database, 'select 1 from receipts where event_id = $1', [id])).length > 0;
const countOf = (id: string): number => events.records.filter(({ value }) => String(value).includes(`"${id}"`)).length;

test('a webhook that never came is repaired, named, and certified', async () => {
  const user = await newUser();
  const grant = await grants.call('POST', '/v1/grants', {
    provider_id: PROVIDER,
    user_id: user,
    resource: 'vault',
    scopes: ['read'],
  });
  expect(grant.status).toBe(201);
  await deleteUser(user);
  const { id, createdAtMs } = lastEvent();
  await eventually(async () => (await grants.call('GET', `/v1/grants/${grant.body.id}`)).body.status === 'revoked', {
    what: 'the grant is revoked',
  });
  expect((await grants.call('GET', `/v1/grants/${grant.body.id}`)).body.revocation).toMatchObject({
    reason: 'user_deprovisioned',
    source_event_id: id,
  });

  const [newest] = await missed();
  expect(newest).toMatchObject({ event_id: id, type: 'user.deleted', user_id: user, webhook_arrived_at: null });
  expect(newest.late_by_ms).toBe(Date.parse(newest.repaired_at) - createdAtMs);
  const certified = await eventually(async () => {
    const said = await certificate();
    return Date.parse(said.complete_up_to) >= createdAtMs && said;
  });
  expect(certified.status).toBe('complete');
});

test('what a webhook brings is not published again; one that comes late after all is noted', async () => {
  const user = await newUser();
  const created = lastEvent();
  await publishWebhook(publisher, PROVIDER, created.body);
  await eventually(() => isApplied(created.id));
  await eventually(async () => Date.parse((await certificate()).complete_up_to) > created.createdAtMs + 1_500);
  expect(countOf(created.id)).toBeLessThanOrEqual(2); // twice only where the tail was in between

  await deleteUser(user);
  const deleted = lastEvent();
  await eventually(async () => (await missed()).some(({ event_id }) => event_id === deleted.id));
  await publishWebhook(publisher, PROVIDER, deleted.body);
  await eventually(async () =>
    (await missed()).some(({ event_id, webhook_arrived_at }) => event_id === deleted.id && webhook_arrived_at !== null),
  );
  // Read again and again by the overlap, and never published again.
  const settled = countOf(deleted.id);
  const { complete_up_to } = await certificate();
  await eventually(async () => Date.parse((await certificate()).complete_up_to) > Date.parse(complete_up_to) + 3_000);
  expect(countOf(deleted.id)).toBe(settled);
});

/** The tail by itself, a round at a time. */
function tailOf(publish: (key: string) => Promise<void>, overlapMs = 300_000): Tail {
  return new Tail({
    database: own.database,
    providers: { all: () => [], onChange: () => () => undefined },
    publisher: { publish: (_topic, { key }) => publish(String(key)) },
    apiOf: () => new WorkOSApi({ apiKey: sandbox.apiKey, baseUrl: sandbox.url }),
    settings: { normalMs: 1, fastMs: 1, holdBackMs: 0, overlapMs },
    metrics: new CompletenessMetrics(new Registry()),
    logger: pino({ level: 'silent' }),
  });
}
const cursorOf = async (id: string): Promise<string | null | undefined> =>
  (
    await all<{ cursor_id: string | null }>(
      own.database,
      'select cursor_id from tail_readings where provider_id = $1',
      [id],
    )
  )[0]?.cursor_id;
const { signal } = new AbortController();

test('a cursor that WorkOS does not know any more: it goes on by time, and nothing is lost', async () => {
  const provider = providerOf(sandbox, 'idp_old_cursor');
  const published: string[] = [];
  const tail = tailOf(async (key) => void published.push(key));
  await tail.readToEnd(provider, false, signal);
  await own.database.transaction((tx) =>
    tx.query(`update tail_readings set cursor_id = 'event_thrown_away' where provider_id = $1`, [provider.id]),
  );
  const user = await newUser();
  published.length = 0;
  await tail.readToEnd(provider, false, signal);
  expect(published).toEqual([user]);
  expect(await cursorOf(provider.id)).toBe(lastEvent().id);
});

test('WorkOS away: the certificate says so and keeps what is true; afterwards nothing is missing', async () => {
  const { complete_up_to } = await eventually(async () => {
    const said = await certificate();
    return said.status === 'complete' && said;
  });
  await workos('POST', '/_sandbox/outages', { api: 'error' });
  const away = await eventually(async () => {
    const said = await certificate();
    return said.problem !== undefined && said;
  });
  expect(away.problem).toBe('/events answered 503');
  expect(Date.parse(away.complete_up_to)).toBeGreaterThanOrEqual(Date.parse(complete_up_to));
  await workos('POST', '/_sandbox/outages', { api: 'none' });
  await deleteUser(await newUser());
  await eventually(() => isApplied(lastEvent().id));
  await eventually(async () => (await certificate()).problem === undefined);
});

test('an event that cannot be applied holds the certificate up, and nothing else', async () => {
  const stuck = await anotherSandbox();
  await publishProvider(publisher, providerOf(stuck, 'idp_stuck'));
  await workos('POST', '/_sandbox/events', { event: 'user.deleted', data: { nobody: true } }, stuck);
  const unreadable = lastEvent(stuck);
  await deleteUser(await newUser(stuck), stuck);
  const behind = lastEvent(stuck);
  await eventually(() => isApplied(behind.id));
  await eventually(
    async () => (await grants.call('GET', '/v1/set-aside?status=waiting')).body.data[0]?.reason === 'event_malformed',
  );
  // Everything has been read by now, and still:
  await eventually(async () => {
    const [row] = await all<{ read_up_to: number }>(
      own.database,
      `select read_up_to from tail_readings where provider_id = 'idp_stuck'`,
    );
    return row !== undefined && row.read_up_to > behind.createdAtMs;
  });
  expect(Date.parse((await certificate('idp_stuck')).complete_up_to)).toBeLessThan(unreadable.createdAtMs);
});

test('where one provider is asked to wait, the others go on, and it comes back itself', async () => {
  const limited = await anotherSandbox();
  limited.world.switches.rateLimit = { path: '/events', remaining: 1, retry_after_seconds: 1 };
  await publishProvider(publisher, providerOf(limited, 'idp_limited'));
  await deleteUser(await newUser());
  await eventually(() => isApplied(lastEvent().id));
  await deleteUser(await newUser(limited), limited);
  await eventually(() => isApplied(lastEvent(limited).id));
  expect(limited.world.switches.rateLimit.remaining).toBe(0);
});

test('the cursor stays where it is until Kafka has acknowledged', async () => {
  const provider = providerOf(sandbox, 'idp_unacknowledged');
  const published: string[] = [];
  let isAway = true;
  const tail = tailOf(async (key) => {
    if (isAway) throw new Error('Kafka is away');
    published.push(key);
  });
  const user = await newUser();
  await expect(tail.readToEnd(provider, false, signal)).rejects.toThrow('Kafka is away');
  expect(await cursorOf(provider.id)).toBeNull();
  isAway = false;
  await tail.readToEnd(provider, false, signal);
  expect(published).toContain(user);
  expect(await cursorOf(provider.id)).toBe(lastEvent().id);
});

test('whenever it says "everything up to T", everything up to T has been applied', async () => {
  const heldMs = 300;
  const held = await anotherSandbox({ eventsHoldBackMs: heldMs });
  await publishProvider(publisher, providerOf(held, 'idp_held'));
  let claimed = 0;
  await eventually(
    async () => {
      await newUser(held);
      const happened = held.world.events.all();
      // Both of one moment: what is claimed, and what is applied.
      const [evidence, receipts] = await own.database.source.transaction('REPEATABLE READ', async (tx) => [
        (await readEvidence(tx)).get('idp_held'),
        await rowsOf<{ event_id: string }>(tx, `select event_id from receipts where provider_id = 'idp_held'`),
      ]);
      const applied = new Set(receipts.map(({ event_id }) => event_id));
      // These grants were told that nothing is held back; an installation says it by TAIL_HOLD_BACK_MS.
      const upTo = Math.min((evidence?.readUpTo ?? -Infinity) - heldMs, (evidence?.firstPendingAt ?? Infinity) - 1);
      const lost = happened.filter(({ id, createdAtMs }) => createdAtMs <= upTo && !applied.has(id));
      claimed = happened.filter(({ createdAtMs }) => createdAtMs <= upTo).length;
      if (lost.length > 0) claimed = -1;
      return lost.length > 0 || claimed > 40;
    },
    { everyMs: 25 },
  );
  expect(claimed).toBeGreaterThan(40);
});
