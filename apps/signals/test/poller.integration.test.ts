import { randomBytes } from 'node:crypto';
import { generateKeyPair } from 'jose';
import pg from 'pg';
import { Registry } from 'prom-client';
import { decodeWorkOSRecord } from '#contracts/workos-event.js';
import { BrokerUnavailable } from '#kafka/errors.js';
import { Database } from '#platform/database.js';
import { createLogger } from '#platform/logging.js';
import type { EncryptionKeys } from '#providers/sealing.js';
import { seal } from '#providers/sealing.js';
import { type TestDatabase, testDatabase } from '#testing/database.js';
import { deferred } from '#testing/deferred.js';
import { eventually } from '#testing/eventually.js';
import { Intake } from '../src/sources/intake.js';
import { Poller } from '../src/sources/poller.js';
import { SignalsMetrics } from '../src/signals-metrics.js';
import { SIGNALS_SCHEMA } from '../src/signals-schema.js';
import { SourceKeys } from '../src/sources/source-keys.js';
import {
  changePoll,
  deleteSource,
  insertSource,
  type PollSettings,
  readPollAges,
  readSource,
  sourceSecretOwner,
  type SourceRow,
} from '../src/sources/sources.sql.js';
import { type Misbehaviour, PollTransmitter } from './poll-transmitter.js';
import { PROVIDER, USERS_ISSUER } from './records.js';

/**
 * The poller against a transmitter that behaves badly, over real HTTP and a real Postgres. Kafka alone is played, since it has to fail and
 * to take its time at a word; `polled.integration.test.ts` has the real one.
 */

const RISC = 'https://schemas.openid.net/secevent/risc/event-type/';
const SSF = 'https://schemas.openid.net/secevent/ssf/event-type/';
const encryption: EncryptionKeys = [{ id: 'k1', key: randomBytes(32) }];
const logger = createLogger('test', 'fatal');
const purged = (user: string): object => ({
  sub_id: { format: 'iss_sub', iss: USERS_ISSUER, sub: user },
  events: { [`${RISC}account-purged`]: {} },
});

let postgres: TestDatabase;
let database: Database;
let transmitter: PollTransmitter;
let source: SourceRow;
let registry: Registry;
let stop: (() => Promise<void>) | undefined;
/** Ids of the users that were ended on `workos.events`, in the order in which Kafka has them. */
let published: string[];
/** Their own ids. */
let events: string[];
let publish: () => Promise<void>;

beforeAll(async () => {
  postgres = await testDatabase();
  database = new Database({ url: postgres.url, poolSize: 4, timeoutMs: 10_000 }, SIGNALS_SCHEMA);
  await database.start();
}, 120_000);
afterAll(async () => {
  await database?.close();
  await postgres?.drop();
});

beforeEach(async () => {
  transmitter = await PollTransmitter.start();
  published = [];
  events = [];
  publish = () => Promise.resolve();
  source = await addSource({});
});
afterEach(async () => {
  await stop?.();
  stop = undefined;
  await database.transaction((tx) => deleteSource(tx, source.id));
  await transmitter.close();
});

const pollOf = (id: string, more: Partial<PollSettings> = {}, secret = 'Bearer of-the-stream'): PollSettings => ({
  endpoint_url: `${transmitter.issuer}/poll`,
  token_url: null,
  client_id: null,
  scope: null,
  secret: seal(secret, sourceSecretOwner(id), encryption),
  ...more,
});

async function addSource(more: Partial<PollSettings>, secret?: string): Promise<SourceRow> {
  const id = `source_${randomBytes(8).toString('hex')}`;
  const row = await database.transaction((tx) =>
    insertSource(tx, {
      id,
      name: id,
      issuer: transmitter.issuer,
      audience: transmitter.audience,
      jwks_uri: null,
      provider_id: PROVIDER,
      subject_issuers: [USERS_ISSUER],
      sha256: '0'.repeat(64),
      created_by: 'test',
      poll: pollOf(id, more, secret),
    }),
  );
  return row!;
}

/** Begins to poll, as a leader does. */
async function start(settings: { sourcePollIntervalMs?: number; sourcePollTimeoutMs?: number } = {}): Promise<void> {
  registry = new Registry();
  const metrics = new SignalsMetrics(
    registry,
    () => Promise.resolve(undefined),
    () => database.read(readPollAges),
    () => Promise.resolve(undefined),
  );
  const intake = new Intake({
    database,
    keys: new SourceKeys({ allowLocalHosts: true, timeoutMs: 3_000 }),
    publisher: {
      async publish(_topic, { value }) {
        await publish();
        const { event } = decodeWorkOSRecord(value as Buffer);
        published.push((event as { data: { user_id: string } }).data.user_id);
        events.push(event.id);
      },
    },
    providers: { get: () => undefined },
    metrics,
    logger,
  });
  const poller = new Poller({
    database,
    intake,
    encryption,
    settings: {
      allowLocalHosts: true,
      deliveryTimeoutMs: 10_000,
      retry: { firstMs: 20, longestMs: 50 },
      sourcePollIntervalMs: 20,
      sourcePollTimeoutMs: 60_000,
      ...settings,
    },
    metrics,
    logger,
  });
  const connection = new pg.Client({ connectionString: postgres.url });
  await connection.connect();
  await connection.query(`set search_path = ${SIGNALS_SCHEMA.name}`);
  const ending = new AbortController();
  const ended = poller.lead(connection, ending.signal);
  stop = async () => {
    ending.abort();
    await ended;
    await connection.end();
  };
}

const standing = async (): Promise<SourceRow> => (await database.read((tx) => readSource(tx, source.id)))!;
const say = async (jti: string, claims = purged(jti), header?: object): Promise<void> =>
  transmitter.say(jti, await transmitter.sign(jti, claims, header));
const settled = (...jtis: string[]): Promise<boolean> =>
  eventually(() => jtis.every((jti) => transmitter.isSettled(jti)), { what: `${jtis.join(', ')} settled` });

test('what waits is taken and acknowledged, and what comes later is heard of over a request that is held', async () => {
  await say('a');
  await say('b');
  await start();
  await settled('a', 'b');
  await eventually(() => transmitter.open === 1, { what: 'a request that is held' });
  const before = transmitter.requests.length;
  await say('c');
  await settled('c');
  expect(published.toSorted()).toEqual(['a', 'b', 'c']);
  // The one that was held brought it, and the next one acknowledged it.
  expect(transmitter.requests.slice(before).map(({ body }) => body.ack)).toEqual([['c']]);
  expect(transmitter.requests[0]).toMatchObject({
    authorization: 'Bearer of-the-stream',
    body: { maxEvents: 100, returnImmediately: false },
  });
  await eventually(async () => (await standing()).poll!.polled_at !== null);
  expect((await standing()).poll).toMatchObject({ failures: 0, last_error: null });
  const metrics = await eventually(async () => {
    const text = await registry.metrics();
    return text.includes(`rescind_signals_polls_total{source="${source.name}",outcome="answered"}`) && text;
  });
  expect(metrics).toContain(`rescind_signals_poll_age_seconds{source="${source.name}"}`);
  expect(metrics).toContain(`rescind_signals_source_interrupted{source="${source.name}"} 0`);
});

test('nothing is acknowledged before Kafka holds it', async () => {
  const { promise, resolve } = deferred<void>();
  publish = () => promise;
  await say('a');
  await start();
  await eventually(() => transmitter.requests.length === 1);
  // Not even over another stream of the same poller, which goes on meanwhile.
  const other = await addSource({});
  await eventually(() => transmitter.requests.length > 1, { what: 'another source is polled' });
  expect(transmitter.acknowledged.size).toBe(0);
  resolve();
  await settled('a');
  await database.transaction((tx) => deleteSource(tx, other.id));
});

test('while Kafka is away nothing is acknowledged or lost, and it is said so', async () => {
  publish = () => Promise.reject(new BrokerUnavailable('away'));
  await say('a');
  await start();
  await eventually(async () => (await standing()).poll!.failures > 1, { what: 'two failures' });
  expect((await standing()).poll!.last_error).toBe('Kafka does not answer, so that its SETs wait');
  expect(transmitter.requests.flatMap(({ body }) => body.ack ?? [])).toEqual([]);
  publish = () => Promise.resolve();
  await settled('a');
  expect(published).toEqual(['a']);
  await eventually(async () => (await standing()).poll!.failures === 0);
  expect(await registry.metrics()).toContain(`rescind_signals_polls_total{source="${source.name}",outcome="failed"}`);
});

test('while the keys cannot be had it is not known who signed: nothing is acknowledged or refused', async () => {
  transmitter.keysAreAway = true;
  await say('a');
  await start();
  await eventually(async () => (await standing()).poll!.last_error?.startsWith('the keys of its issuer'));
  expect([transmitter.acknowledged.size, transmitter.refused.size]).toEqual([0, 0]);
  transmitter.keysAreAway = false;
  await settled('a');
});

test('an acknowledgement that may not have arrived is said again', async () => {
  const set = await transmitter.sign('a', purged('a'));
  transmitter.misbehaviours.push(
    (_, response) => void response.end(JSON.stringify({ sets: { a: set } })),
    (_, response) => void response.destroy(),
  );
  await start();
  await eventually(() => transmitter.acknowledged.has('a'));
  expect(transmitter.requests.slice(0, 3).map(({ body }) => body.ack)).toEqual([undefined, ['a'], ['a']]);
});

test('bad SETs are refused each by its jti with the words of RFC 8936; the good ones beside them are taken', async () => {
  const { privateKey: another } = await generateKeyPair('RS256');
  await say('good');
  await say('of somebody else', purged('x'), { key: another });
  await say('for somebody else', { ...purged('x'), aud: 'https://other.example.com' });
  await say('of another issuer', { ...purged('x'), iss: 'https://other.example.com' });
  await say('an access token', purged('x'), { typ: 'at+jwt' });
  await say('with exp', { ...purged('x'), exp: Math.floor(Date.now() / 1000) + 60 });
  transmitter.say('under another jti', await transmitter.sign('other', purged('x')));
  transmitter.say('no text', { a: 1 });
  transmitter.say('nonsense', 'nonsense');
  await start();
  await settled('good', 'nonsense');
  await eventually(async () => (await standing()).poll!.polled_at !== null);
  expect(Object.fromEntries(transmitter.refused)).toEqual({
    'of somebody else': 'invalid_key',
    'for somebody else': 'invalid_audience',
    'of another issuer': 'invalid_issuer',
    'an access token': 'invalid_request',
    'with exp': 'invalid_request',
    'under another jti': 'invalid_request',
    'no text': 'invalid_request',
    nonsense: 'invalid_request',
  });
  expect(published).toEqual(['good']);
  const telling = transmitter.requests.find(({ body }) => body.setErrs)!;
  expect(telling.contentLanguage).toBe('en');
  expect(Object.values(telling.body.setErrs!).every(({ description }) => description.length > 10)).toBe(true);
  const { refused, last_refusal } = await standing();
  expect([Number(refused), last_refusal]).toEqual([8, expect.stringMatching(/^invalid_\w+: .+\.$/)]);
});

test('a key that is new since the last answer is fetched before a SET is refused for it', async () => {
  await say('a');
  await start();
  await settled('a');
  await transmitter.rotate();
  await say('b');
  await say('c');
  await settled('b', 'c');
  expect([transmitter.refused.size, published.toSorted(), transmitter.keySets]).toEqual([0, ['a', 'b', 'c'], 2]);
});

test('what comes again although it was acknowledged is the same event, and the transmitter is not asked without a rest', async () => {
  const set = await transmitter.sign('a', purged('a'));
  const deaf: Misbehaviour = (_, response) => void response.end(JSON.stringify({ sets: { a: set } }));
  transmitter.misbehaviours.push(deaf, deaf);
  await start({ sourcePollIntervalMs: 3_600_000 });
  await eventually(() => published.length === 2);
  await database.transaction((tx) => changePoll(tx, source.id, pollOf(source.id)));
  await eventually(() => transmitter.open === 1);
  expect(transmitter.requests.map(({ body }) => body.ack)).toEqual([undefined, ['a'], undefined]);
  expect(new Set(events).size).toBe(1);
});

test('it is not asked before it says (Retry-After)', async () => {
  transmitter.misbehaviours.push((_, response) => void response.writeHead(429, { 'retry-after': '3600' }).end());
  await start();
  await eventually(async () => (await standing()).poll!.last_error === 'it answered 429: it is asked too often');
  // As it is now it is asked at once: the next request, and the first one with this header.
  await database.transaction((tx) => changePoll(tx, source.id, pollOf(source.id, {}, 'Bearer another')));
  await eventually(() => transmitter.requests.at(-1)!.authorization === 'Bearer another');
  expect(transmitter.requests).toHaveLength(2);
});

test.each<[string, (response: { writeHead(s: number, h?: object): { end(text?: string): void } }) => void, string]>([
  [
    'no JSON',
    (response) => response.writeHead(200).end('<html>'),
    'it answered something that is not as RFC 8936 says',
  ],
  ['no sets', (response) => response.writeHead(200).end('{}'), 'it answered something that is not as RFC 8936 says'],
  [
    'a redirect',
    (response) => response.writeHead(302, { location: '/' }).end(),
    'it answered with a redirect, which is not followed',
  ],
  ['an error', (response) => response.writeHead(500).end(), 'it answered 500'],
  ['no stream', (response) => response.writeHead(404).end(), 'it answered 404: it has no such stream'],
  [
    'too much',
    (response) => response.writeHead(200).end(`"${'x'.repeat(2 ** 21)}"`),
    'its answer was larger than 2 MiB',
  ],
])('an answer that is %s is said in words, and does no harm', async (_, misbehave, words) => {
  await say('a');
  const seen = deferred<SourceRow | undefined>();
  transmitter.misbehaviours.push(
    (_request, response) => misbehave(response),
    (_request, response) => {
      void standing()
        .catch(() => undefined)
        .then(seen.resolve)
        .then(() => response.writeHead(500).end());
    },
  );
  await start();
  expect((await seen.promise)?.poll).toMatchObject({ failures: 1, last_error: words });
  await settled('a');
  await eventually(async () => (await standing()).poll!.failures === 0);
});

test('after an answer that was too large fewer are asked for, and more again', async () => {
  transmitter.misbehaviours.push((_, response) => void response.end(`"${'x'.repeat(2 ** 21)}"`));
  await say('a');
  await start();
  await settled('a');
  expect(transmitter.requests.slice(0, 3).map(({ body }) => body.maxEvents)).toEqual([100, 50, 100]);
});

test('a request that is held for longer than we wait is no failure; that nobody is there is one', async () => {
  const hangs = (): void => undefined;
  transmitter.misbehaviours.push(hangs);
  await say('a');
  await start({ sourcePollTimeoutMs: 50 });
  await settled('a');
  expect(transmitter.requests.slice(0, 2).map(({ body }) => body.returnImmediately)).toEqual([false, true]);
  expect((await standing()).poll!.failures).toBe(0);
});

test('at the end a request that is held is let go at once', async () => {
  await start({ sourcePollTimeoutMs: 3_600_000 });
  await eventually(() => transmitter.open === 1);
  let isOver = false;
  void stop!().then(() => (isOver = true));
  stop = undefined;
  // With a limit: a poller that waits for its request would wait for an hour.
  await eventually(() => isOver, { what: 'the poller ends' });
  await eventually(() => transmitter.open === 0);
});

test('a source that is deleted is asked no more; a changed one as it is now', async () => {
  await start({ sourcePollTimeoutMs: 3_600_000 });
  await eventually(() => transmitter.open === 1);
  transmitter.authorization = 'Bearer another';
  await database.transaction((tx) => changePoll(tx, source.id, pollOf(source.id, {}, 'Bearer another')));
  await eventually(() => transmitter.requests.at(-1)!.authorization === 'Bearer another');
  await eventually(() => transmitter.open === 1);
  await database.transaction((tx) => deleteSource(tx, source.id));
  await eventually(() => transmitter.open === 0);
});

test('a token is got for the secret of a client, kept, and got anew when it is not taken any more', async () => {
  await database.transaction((tx) => deleteSource(tx, source.id));
  source = await addSource({ token_url: `${transmitter.issuer}/token`, client_id: 'rescind' }, 's:cret');
  await say('a');
  await start();
  await settled('a');
  await eventually(() => transmitter.open === 1);
  expect(transmitter.tokens).toBe(1);
  transmitter.authorization = 'Bearer nobody has it';
  await say('b');
  await settled('b');
  expect([transmitter.tokens, published]).toEqual([2, ['a', 'b']]);
});

test('what it says of its stream is seen: verified, paused, enabled again; the later word counts', async () => {
  const stream = { sub_id: { format: 'opaque', id: 'stream_1' } };
  const updated = (status: string, toe: number, reason?: string) => ({
    ...stream,
    toe,
    events: { [`${SSF}stream-updated`]: { status, ...(reason ? { reason } : {}) } },
  });
  await say('v', { ...stream, events: { [`${SSF}verification`]: { state: 'abc' } } });
  await say('paused', updated('paused', 1_000, 'Licence expired'));
  await start();
  await settled('v', 'paused');
  expect(await standing()).toMatchObject({
    verified_at: expect.any(Date),
    stream_status: 'paused',
    stream_reason: 'Licence expired',
  });
  expect(await registry.metrics()).toContain(`rescind_signals_source_interrupted{source="${source.name}"} 1`);
  await say('enabled', updated('enabled', 3_000));
  await settled('enabled');
  await say('late', updated('disabled', 2_000));
  await settled('late');
  expect(await standing()).toMatchObject({ stream_status: 'enabled', stream_reason: null });
  expect(published).toEqual([]);
});
