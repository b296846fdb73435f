import { randomBytes } from 'node:crypto';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { BrokerUnavailable, RecordRefused } from '#kafka/errors.js';
import { BatchPublisher, type BatchPublisherOptions } from '#kafka/publisher.js';
import type { OutgoingRecord } from '#kafka/record.js';
import { ensureTopics } from '#kafka/topics.js';
import { type Broker, clientOf, ownBroker } from './kafka.js';
import { readAll } from './read-all.js';
import { eventually } from '#testing/eventually.js';

let broker: Broker;
let client: KafkaClient;
const publishers: BatchPublisher[] = [];

beforeAll(async () => {
  broker = await ownBroker();
});

beforeEach(async () => {
  client = clientOf(broker.brokers);
  await ensureTopics(client, { partitions: 3 });
});

afterEach(async () => {
  await Promise.all(publishers.splice(0).map((publisher) => publisher.close()));
});

afterAll(async () => {
  await broker.stop();
});

function publisherOf(options: BatchPublisherOptions = {}): BatchPublisher {
  const publisher = new BatchPublisher(client, options);
  publishers.push(publisher);
  return publisher;
}

const record = (key: string, value = key) => ({ key, value: Buffer.from(value), headers: { 'content-type': 'text' } });
const valuesOf = async (): Promise<string[]> =>
  (await readAll(client, TOPICS.workosEvents)).map(({ value }) => String(value));

/** A broker that is busy, or has just started, may take longer than an impatient publisher waits. */
const stored = (publisher: BatchPublisher, one: OutgoingRecord): Promise<true> =>
  eventually(() =>
    publisher.publish(TOPICS.workosEvents, one).then(
      () => true,
      () => false,
    ),
  );

test('concurrent records travel together, and each is stored once, in the order of its key', async () => {
  const batches: number[] = [];
  const publisher = publisherOf({ onBatch: ({ records }) => batches.push(records) });
  await Promise.all(
    Array.from({ length: 3_000 }, (_, i) => publisher.publish(TOPICS.workosEvents, record(`key-${i % 10}`, `${i}`))),
  );
  expect(batches.length).toBeLessThan(100);

  const records = await readAll(client, TOPICS.workosEvents);
  expect(records).toHaveLength(3_000);
  for (let key = 0; key < 10; key++) {
    const ofKey = records.filter((one) => String(one.key) === `key-${key}`).map(({ value }) => Number(String(value)));
    expect(ofKey).toEqual(Array.from({ length: 300 }, (_, i) => i * 10 + key));
  }
  expect(String(records[0]!.headers['content-type'])).toBe('text');
});

test('what was acknowledged is there after the broker was killed and came back', async () => {
  const publisher = publisherOf({ deliveryTimeoutMs: 20_000 });
  const acknowledged = new Set<string>();
  let stop = false;
  const writers = Array.from({ length: 16 }, async (_, writer) => {
    for (let i = 0; !stop; i++) {
      const value = `${writer}-${i}`;
      const stored = await publisher.publish(TOPICS.workosEvents, record(`w${writer}`, value)).then(
        () => true,
        () => false,
      );
      if (stored) acknowledged.add(value);
    }
  });
  for (let round = 0; round < 2; round++) {
    const before = acknowledged.size;
    await eventually(() => acknowledged.size > before + 500);
    await broker.kill();
    await broker.start();
  }
  const before = acknowledged.size;
  await eventually(() => acknowledged.size > before + 500);
  stop = true;
  await Promise.all(writers);
  expect(publisher.isHealthy()).toBe(true);

  const values = await valuesOf();
  const stored = new Set(values);
  expect([...acknowledged].filter((value) => !stored.has(value))).toEqual([]);
});

test('while Kafka is away each record is refused; afterwards the publisher recovers by itself', async () => {
  const failures: number[] = [];
  const publisher = publisherOf({ deliveryTimeoutMs: 1_500, onFailure: ({ records }) => failures.push(records) });
  await stored(publisher, record('before'));
  expect(publisher.isHealthy()).toBe(true);
  await broker.kill();

  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, (_, i) => publisher.publish(TOPICS.workosEvents, record(`away-${i}`))),
  );
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(BrokerUnavailable) as unknown });
  }
  expect(failures.reduce((sum, records) => sum + records, 0)).toBe(50);
  expect(publisher.isHealthy()).toBe(false);
  expect(publisher.lastError).toBeDefined();

  await broker.start();
  await eventually(() => publisher.isHealthy());
  await stored(publisher, record('after'));
  expect(publisher.lastError).toBeUndefined();
  expect(await valuesOf()).toEqual(expect.arrayContaining(['before', 'after']));
});

test('a broker that hangs in the middle of a request costs time, not records', async () => {
  const publisher = publisherOf({ deliveryTimeoutMs: 1_000 });
  await stored(publisher, record('key', 'one'));
  await broker.pause();
  await expect(publisher.publish(TOPICS.workosEvents, record('key', 'two'))).rejects.toThrow(BrokerUnavailable);
  broker.resume();
  await eventually(() => publisher.isHealthy());
  // As many records as were given up, to the same partition: with the old sequence numbers Kafka would drop them.
  await stored(publisher, record('key', 'three'));
  const values = await valuesOf();
  expect(values.at(-1)).toBe('three');
  expect(values[0]).toBe('one');
});

test('refuses at once what exceeds the bounded queue', async () => {
  const publisher = publisherOf({ maxQueuedRecords: 10, deliveryTimeoutMs: 3_000 });
  const first = Array.from({ length: 10 }, (_, i) => publisher.publish(TOPICS.workosEvents, record(`${i}`)));
  let acknowledged = 0;
  for (const one of first) void one.then(() => acknowledged++);
  await expect(publisher.publish(TOPICS.workosEvents, record('one too many'))).rejects.toThrow('too many records');
  expect(acknowledged).toBe(0);
  await Promise.all(first);
  await publisher.publish(TOPICS.workosEvents, record('room again'));
});

test('a record that the broker will never take fails alone', async () => {
  const publisher = publisherOf();
  const huge = publisher.publish(TOPICS.workosEvents, { key: 'huge', value: randomBytes(3 * 1024 * 1024) });
  const others = Array.from({ length: 20 }, (_, i) => publisher.publish(TOPICS.workosEvents, record(`fine-${i}`)));
  await expect(huge).rejects.toThrow(RecordRefused);
  await Promise.all(others);
  // A webhook of 1 MiB with its envelope fits.
  await publisher.publish(TOPICS.workosEvents, { key: 'large', value: randomBytes(1_100_000) });
});

test('of records sent together only the one that the broker refuses fails', async () => {
  const publisher = publisherOf();
  // A compacted topic takes no record without a key.
  const outcomes = await Promise.allSettled(
    ['a', 'b', null, 'c'].map((key) => publisher.publish(TOPICS.identityProviders, { key, value: Buffer.from('x') })),
  );
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  expect(outcomes[2]).toMatchObject({ reason: expect.any(RecordRefused) as unknown });
});

test('closing waits for what it has taken, and takes no more', async () => {
  const publisher = publisherOf();
  const taken = Array.from({ length: 500 }, (_, i) => publisher.publish(TOPICS.workosEvents, record(`taken-${i}`)));
  await publisher.close();
  await Promise.all(taken);
  await expect(publisher.publish(TOPICS.workosEvents, record('late'))).rejects.toThrow(BrokerUnavailable);
  expect((await valuesOf()).length).toBe(500);
});

test('needs no Kafka to start, and publishes once there is one', async () => {
  await broker.kill();
  const publisher = publisherOf({ deliveryTimeoutMs: 500 });
  await publisher.start();
  expect(publisher.isHealthy()).toBe(false);
  await broker.start();
  await eventually(() => publisher.isHealthy());
  await stored(publisher, record('first'));
});
