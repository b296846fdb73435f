import { isDeepStrictEqual } from 'node:util';
import pg from 'pg';
import { Registry } from 'prom-client';
import { pino } from 'pino';
import { decodeStateRecord, HEARTBEAT_KEY, type HeartbeatData } from '#contracts/revocation.js';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { Fenced } from '#kafka/errors.js';
import { EndOffsets, type Ends } from '#kafka/end-offsets.js';
import { FencedProducer } from '#kafka/fenced-producer.js';
import { eventually } from '#testing/eventually.js';
import type { OutboxRecord } from '../src/domain/announcements.js';
import { GrantsMetrics } from '../src/grants-metrics.js';
import { Leader } from '#platform/leader.js';
import { RELAY_LOCK } from '../src/grants-schema.js';
import { enqueue, movePosition } from '../src/outbox/outbox.sql.js';
import { Relay, RELAYED_TOPICS, type RelaySettings } from '../src/outbox/relay.js';
import { follow, ownTopics } from './kafka.js';
import { all, ownDatabase } from './support.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
let client: KafkaClient;
beforeAll(async () => {
  own = await ownDatabase();
  client = await ownTopics();
});
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(async () => {
  await client.close();
  await own.drop();
});

const logger = pino({ level: 'silent' });
const state = (key: string, version: number): OutboxRecord => ({
  topic: TOPICS.revocationState,
  key: Buffer.from(key),
  value: Buffer.from(JSON.stringify({ version })),
  headers: {},
});
const put = (...records: OutboxRecord[]): Promise<void> => own.database.transaction((tx) => enqueue(tx, records));
const isEmpty = async (): Promise<boolean> => (await all(own.database, 'select 1 from outbox limit 1')).length === 0;

/** Longer than a test runs. */
const NEVER_MS = 600_000;

function relayOf(
  producer: Pick<FencedProducer, 'acquire' | 'sendAll' | 'partitionsOf'>,
  settings: Partial<RelaySettings> = {},
  endOffsets: Pick<EndOffsets, 'newest'> = endOffsetsOf(client),
): Leader {
  const metrics = new GrantsMetrics(new Registry());
  const relay = new Relay(producer, endOffsets, { heartbeatIntervalMs: 200, chunk: 50, ...settings }, metrics);
  const leader = new Leader(own.url, RELAY_LOCK, logger, (connection, signal) => relay.lead(connection, signal));
  leader.start();
  closers.push(() => leader.stop());
  return leader;
}

function endOffsetsOf(of: KafkaClient): EndOffsets {
  const endOffsets = new EndOffsets(of, TOPICS.workosEvents);
  closers.push(() => endOffsets.close());
  return endOffsets;
}

const producerOf = (transactionalId: string): FencedProducer => {
  const producer = new FencedProducer(client, {
    transactionalId,
    topics: RELAYED_TOPICS,
  });
  closers.push(() => producer.close());
  return producer;
};

const versionsOf = (records: { key: Buffer | null; value: Buffer | null }[], key: string): number[] =>
  records
    .filter((record) => String(record.key) === key)
    .map((record) => (JSON.parse(String(record.value)) as { version: number }).version);

const beatsIn = (records: readonly { key: Buffer | null; value: Buffer | null }[]): HeartbeatData[] =>
  records
    .filter(({ key }) => String(key) === HEARTBEAT_KEY)
    .map(({ value }) => decodeStateRecord(value).data as HeartbeatData);

test('everything is published in its order, then deleted, and the heartbeat says how far we are', async () => {
  const { records, close } = await follow(client, TOPICS.revocationState);
  closers.push(close);
  for (let version = 0; version < 150; version++) await put(state('a/user:1', version), state('a/user:2', version));
  await own.database.transaction((tx) => movePosition(tx, TOPICS.workosEvents, 1, '42'));
  relayOf(producerOf('relay-order'));
  await eventually(isEmpty, { what: 'the outbox is empty' });
  await eventually(() => records.length >= 300, { what: 'all is read' });

  const expected = Array.from({ length: 150 }, (_, version) => version);
  expect(versionsOf(records, 'a/user:1')).toEqual(expected);
  expect(versionsOf(records, 'a/user:2')).toEqual(expected);
  await eventually(() => beatsIn(records).some(({ applied }) => applied['1'] === '42'), { what: 'a heartbeat' });
});

test('a heartbeat says where the events end, and has a partition that was added at once', async () => {
  const { records, close } = await follow(client, TOPICS.revocationState);
  closers.push(close);
  relayOf(producerOf('relay-ends'));
  const isSaid = async (): Promise<boolean> => {
    const ends = await client.endOffsets(TOPICS.workosEvents);
    return beatsIn(records).some((beat) => isDeepStrictEqual(beat.ends, ends));
  };
  await eventually(isSaid, { what: 'the ends of the events' });
  const topic = client.topic(TOPICS.workosEvents);
  const added = Object.keys(await client.endOffsets(TOPICS.workosEvents)).length;
  await client.withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic, count: added + 1 }] }));
  await eventually(() => beatsIn(records).some(({ ends }) => ends[added] !== undefined), { what: 'the added one' });
});

test('of a moment of which nobody knows where the events ended there is no heartbeat, and the outbox goes on', async () => {
  const { records, close } = await follow(client, TOPICS.revocationState);
  closers.push(close);
  const known = { at: new Date(), offsets: { 0: '4711' } };
  let asked = 0;
  const newest = async (): Promise<Ends> => {
    asked += 1;
    return known;
  };
  relayOf(producerOf('relay-silent'), {}, { newest });
  for (let version = 0; version < 3; version++) {
    await eventually(() => asked > version + 1, { what: 'the next beat is due' });
    await put(state('silent/user:1', version));
    await eventually(() => versionsOf(records, 'silent/user:1').includes(version), { what: 'published' });
  }
  const beats = beatsIn(records).filter(({ ends }) => ends['0'] === '4711');
  expect(new Set(beats.map(({ at }) => at))).toEqual(new Set([known.at.toISOString()]));
  // One for each partition.
  expect(beats).toHaveLength(2);
});

test('a new row is published at once, not at the next look', async () => {
  const { records, close } = await follow(client, TOPICS.revocationState);
  closers.push(close);
  const leader = relayOf(producerOf('relay-quick'), { heartbeatIntervalMs: NEVER_MS, pollMs: NEVER_MS });
  await eventually(() => leader.state === 'leader', { what: 'leads' });
  for (let version = 0; version < 3; version++) {
    await put(state('quick/user:1', version));
    await eventually(() => versionsOf(records, 'quick/user:1').includes(version), { what: 'published' });
  }
});

test('a former leader that does not know it yet cannot write what is older after what is newer', async () => {
  const { records, close } = await follow(client, TOPICS.revocationState);
  closers.push(close);
  const former = producerOf('relay-fenced');
  const successor = producerOf('relay-fenced');
  let held: (() => void) | undefined;
  let refusal: unknown;
  relayOf({
    acquire: () => former.acquire(),
    partitionsOf: (topic) => former.partitionsOf(topic),
    sendAll: async (batch) => {
      if (batch.some(({ key }) => String(key) === 'fenced/user:1') && held === undefined) {
        await new Promise<void>((resolve) => (held = resolve)); // paused between reading and sending
      }
      return former.sendAll(batch).catch((error: unknown) => {
        refusal ??= error;
        throw error;
      });
    },
  });
  await put(state('fenced/user:1', 1));
  await eventually(() => held, { what: 'the former leader is about to send' });

  // What the database does to a leader that has been silent for too long.
  await all(
    own.database,
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rescind-grants-relay'`,
  );
  relayOf(successor);
  await put(state('fenced/user:1', 2));
  await eventually(isEmpty, { what: 'the successor has published' });
  await eventually(() => versionsOf(records, 'fenced/user:1').includes(2), { what: 'the newer one is read' });

  held!();
  await eventually(() => refusal !== undefined, { what: 'the former leader is refused' });
  expect(refusal).toBeInstanceOf(Fenced);
  await put(state('fenced/user:1', 3));
  await eventually(() => versionsOf(records, 'fenced/user:1').includes(3), { what: 'the newest one is read' });
  expect(versionsOf(records, 'fenced/user:1')).toEqual([1, 2, 3]);
});

test('there is one leader, and another one as soon as its connection is gone', async () => {
  const leaders = [relayOf(producerOf('relay-one')), relayOf(producerOf('relay-one'))];
  const leading = () => leaders.filter(({ state }) => state === 'leader');
  await eventually(() => leading().length === 1, { what: 'one leads' });
  await eventually(() => leaders.some(({ state }) => state === 'follower'), { what: 'one follows' });
  const [first] = leading();
  await first!.stop();
  await eventually(() => leaders.find((leader) => leader !== first)!.state === 'leader', {
    what: 'the other one leads',
  });
});

test('the database puts down a leader that says nothing any more', async () => {
  let silent: pg.Client | undefined;
  const leader = new Leader(own.url, RELAY_LOCK, logger, async (connection, signal) => {
    silent = connection;
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  });
  leader.start();
  closers.push(() => leader.stop());
  await eventually(() => silent, { what: 'leads' });
  const { rows } = await silent!.query<{ idle_session_timeout: string }>('show idle_session_timeout');
  expect(rows[0]!.idle_session_timeout).toBe('3s');
});
