import { API_KEY_TYPE } from '#contracts/api-key.js';
import { SCOPE_STATE_TYPE } from '#contracts/revocation.js';
import { TOPICS } from '#contracts/topics.js';
import { sha256 } from '#platform/api-key.guard.js';
import { eventually } from '#testing/eventually.js';
import { eventsOf, eventsUntil, scopesIn, type StreamEvent } from './event-stream.js';
import { makeIssuer, providerOf } from './issuer.js';
import { recordOf } from './record-of.js';
import { API_KEY, RunningService } from './running-service.js';

const ours = makeIssuer('client_01STREAM', 'key_1');
const providerId = providerOf(ours).id;
let service: RunningService;

beforeAll(async () => {
  service = await RunningService.start({
    keys: { ours: [ours.jwk] },
    providers: (keysUrl) => [providerOf(ours, { jwks_uri: `${keysUrl}/ours` })],
    env: { MAX_STALENESS_MS: '3000' },
  });
});

afterAll(() => service?.close());

const url = (): string => `${service.url}/v1/revocations/stream`;
const bearer = (key = API_KEY): Record<string, string> => ({ authorization: `Bearer ${key}` });
const until = (last: string, more: Record<string, string> = {}): Promise<StreamEvent[]> =>
  eventually(() => eventsUntil(last, url(), { ...bearer(), ...more }));
const problemOf = async (headers: Record<string, string>): Promise<[number, string]> => {
  const answer = await fetch(url(), { headers });
  return [answer.status, ((await answer.json()) as { code: string }).code];
};
const closes = (scope: string): Promise<void> =>
  service.publish(
    TOPICS.revocationState,
    scope,
    recordOf(SCOPE_STATE_TYPE, {
      scope,
      provider_id: providerId,
      closed_at: 'infinity',
      opened_at: null,
      tokens_before: null,
      reason: 'user_deprovisioned',
      source_event_id: 'event_1',
      occurred_at: new Date().toISOString(),
    }),
  );

/** Reads on until one of the states is this scope's, and leaves the stream. */
async function untilScope(stream: AsyncGenerator<StreamEvent>, scope: string): Promise<StreamEvent> {
  for await (const event of stream) if (scopesIn([event]).includes(scope)) return event;
  throw new Error('the stream ended');
}

test('nothing is streamed before the view is known, and to nobody without a key', async () => {
  expect(await problemOf(bearer())).toEqual([503, 'view_stale']);
  expect(await problemOf({})).toEqual([401, 'api_key_invalid']);
});

test('what came by the topic of states and what came by an event alone: both, then each change at once', async () => {
  service.startBeating();
  await closes(`${providerId}/user:user_state`);
  await service.happens(providerId, 'user.deleted', { id: 'user_event' });
  await eventually(async () => {
    const seen = scopesIn(await until('ready'));
    return [`${providerId}/user:user_state`, `${providerId}/user:user_event`].every((scope) => seen.includes(scope));
  });
  const stream = eventsOf(url(), bearer());
  await service.happens(providerId, 'session.revoked', { id: 'session_live' });
  const { data } = await untilScope(stream, `${providerId}/session:session_live`);
  expect(data.states!.at(-1)).toMatchObject({ closed_at: 'infinity', reason: 'session_revoked' });
});

/** Resolves when the stream that was open says that it does not know, and another one is refused. */
async function becomesStale(takeProofAway: () => Promise<void>): Promise<void> {
  const before = Date.now();
  const lastProof = (seen: StreamEvent[]): number => Date.parse(seen.at(-1)!.data.as_of!);
  await eventually(async () => lastProof(await until('heartbeat')) >= before);
  const stream = await eventually(async () => {
    const opened = eventsOf(url(), bearer());
    return (await opened.next()).value ? opened : undefined;
  });
  await takeProofAway();
  for await (const { event } of stream) if (event === 'stale') break;
  expect(await problemOf(bearer())).toEqual([503, 'view_stale']);
}

test('heartbeats prove the view as long as the relay does; when it is silent they stop, and it is said', async () => {
  await becomesStale(async () => service.stopBeating());
  service.startBeating();
  await until('heartbeat');
});

test('they prove what verify would: no events that Kafka has and that are not read here', async () => {
  let transaction!: Awaited<ReturnType<RunningService['openTransaction']>>;
  await becomesStale(async () => {
    transaction = await service.openTransaction(TOPICS.workosEvents, 1);
    service.ends = await service.endOffsets(TOPICS.workosEvents);
  });
  await transaction.abort();
  await until('heartbeat');
});

test('the providers, by what their tokens are checked and without a secret; and again when one is changed', async () => {
  const known = (await until('ready'))[0]!.data.providers!;
  expect(known).toMatchObject([{ id: providerId, issuers: [ours.issuer], jwks_uri: `${service.keysUrl}/ours` }]);
  expect(Object.keys(known[0]!).filter((name) => /secret|api_key|webhook|sealed/.test(name))).toEqual([]);
  const stream = eventsOf(url(), bearer());
  await stream.next();
  await service.publishProvider(providerOf(ours, { jwks_uri: `${service.keysUrl}/ours`, audience: ['api://new'] }));
  for await (const { event, data } of stream) {
    if (event === 'providers' && String(data.providers![0]!['audience']) === 'api://new') return;
  }
  throw new Error('the stream has ended');
});

test('with the last event id it goes on, and a service that was started again tells everything anew', async () => {
  const { id } = (await until('ready')).at(-1)!;
  await service.happens(providerId, 'user.deleted', { id: 'user_since' });
  await eventually(async () => {
    const seen = await until('ready', { 'last-event-id': id! });
    expect(seen.at(-1)!.data.resumed).toBe(true);
    return scopesIn(seen).join() === `${providerId}/user:user_since`;
  });
  await service.stopService();
  await service.startService();
  const anew = await until('ready', { 'last-event-id': id! });
  expect(anew.at(-1)!.data.resumed).toBe(false);
  expect(scopesIn(anew)).toEqual(
    expect.arrayContaining(['user_state', 'user_event', 'user_since'].map((user) => `${providerId}/user:${user}`)),
  );
});

test('the keys of the portal: verify may, grants:write may not, and one that is revoked is shown out', async () => {
  const issue = (id: string, key: string, scopes: string[]): Promise<void> =>
    service.publish(TOPICS.apiKeys, id, recordOf(API_KEY_TYPE, { id, name: id, scopes, sha256: sha256(key) }));
  await issue('key_stream', 'secret-stream', ['verify']);
  await issue('key_other', 'secret-other', ['grants:write']);
  await eventually(async () => (await problemOf(bearer('secret-other')))[1] === 'permission_missing');
  const stream = await eventually(async () => {
    const opened = eventsOf(url(), bearer('secret-stream'));
    return (await opened.next()).value ? opened : undefined;
  });
  await service.remove(TOPICS.apiKeys, 'key_stream');
  for await (const _ of stream);
  expect(await problemOf(bearer('secret-stream'))).toEqual([401, 'api_key_invalid']);
});

test('no more than so many, and none to a HEAD', async () => {
  await eventually(async () => (await fetch(url(), { method: 'HEAD', headers: bearer() })).status === 200);
  await service.stopService();
  await service.startService({ STREAMS_MAX: '1' });
  const stream = await eventually(async () => {
    const opened = eventsOf(url(), bearer());
    return (await opened.next()).value ? opened : undefined;
  });
  await eventually(async () => (await problemOf(bearer()))[1] === 'streams_full');
  await stream.return();
  await until('ready');
});
