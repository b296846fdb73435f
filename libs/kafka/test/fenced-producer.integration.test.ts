import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { BrokerUnavailable, Fenced } from '#kafka/errors.js';
import { FencedProducer } from '#kafka/fenced-producer.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { ensureTopics } from '#kafka/topics.js';
import { type Broker, clientOf, ownBroker } from './kafka.js';
import { readAll } from './read-all.js';
import { until } from './until.js';

let broker: Broker;
let client: KafkaClient;
const producers: FencedProducer[] = [];
const topics = [TOPICS.revocations, TOPICS.revocationState, TOPICS.identityProviders];

beforeAll(async () => {
  broker = await ownBroker();
});

beforeEach(async () => {
  client = clientOf(broker.brokers);
  await ensureTopics(client);
});

afterEach(async () => {
  await Promise.all(producers.splice(0).map((producer) => producer.close()));
});

afterAll(async () => {
  await broker.stop();
});

function producerOf(deliveryTimeoutMs = 5_000): FencedProducer {
  const producer = new FencedProducer(client, { transactionalId: 'relay', topics, deliveryTimeoutMs });
  producers.push(producer);
  return producer;
}

const records = (...values: string[]) =>
  values.map((value) => ({ topic: TOPICS.revocationState, key: value, value: Buffer.from(value) }));
const valuesOf = async () => (await readAll(client, TOPICS.revocationState)).map(({ value }) => String(value)).sort();

test('writes all records of a call, over several topics and partitions, or none', async () => {
  const producer = producerOf();
  await producer.acquire();
  const values = Array.from({ length: 100 }, (_, i) => `value-${i}`);
  const places = await producer.sendAll([
    ...records(...values),
    { topic: TOPICS.revocations, key: 'k', value: Buffer.from('told') },
  ]);
  expect(await valuesOf()).toEqual(values.sort());
  expect((await readAll(client, TOPICS.revocations)).map(({ value }) => String(value))).toEqual(['told']);
  const found = await readAll(client, TOPICS.revocationState);
  values.forEach((_, i) => {
    const { partition, offset } = found.find(({ key }) => String(key) === `value-${i}`)!;
    expect(places[i]).toEqual({ partition, offset });
  });
});

test('calls in a row keep their order, and calls at the same time queue up', async () => {
  const producer = producerOf();
  await producer.acquire();
  const one = (i: number) => ({ topic: TOPICS.identityProviders, key: 'k', value: Buffer.from(`${i}`) });
  await Promise.all(Array.from({ length: 50 }, (_, i) => producer.sendAll([one(i)])));
  const values = (await readAll(client, TOPICS.identityProviders)).map(({ value }) => Number(String(value)));
  expect(values).toEqual(Array.from({ length: 50 }, (_, i) => i));
});

test('the older holder is fenced, and readers never see what it sends', async () => {
  const older = producerOf();
  const newer = producerOf();
  await older.acquire();
  await older.sendAll(records('older-before'));
  await newer.acquire();
  await expect(older.sendAll(records('older-after'))).rejects.toThrow(Fenced);
  await newer.sendAll(records('newer'));
  await expect(older.sendAll(records('older-again'))).rejects.toThrow(Fenced);
  expect(older.isAcquired()).toBe(false);
  expect(await valuesOf()).toEqual(['newer', 'older-before']);
});

test('a holder that was overtaken in the middle of its transaction commits nothing', async () => {
  const topic = client.topic(TOPICS.revocationState);
  const kafka = client.open();
  const transactionalId = `${client.config.topicPrefix}relay`;
  const paused = kafka.producer({ transactionalId, transactionTimeout: 30_000 });
  await paused.connect();
  const transaction = await paused.transaction();
  await transaction.send({ topic, messages: [{ key: 'paused', value: 'paused' }] });

  const successor = producerOf();
  await successor.acquire();
  await successor.sendAll(records('successor'));
  await expect(transaction.commit()).rejects.toThrow('old epoch');
  await paused.disconnect();
  expect(await valuesOf()).toEqual(['successor']);
});

test('knows of an added partition before a reader can find a record there', async () => {
  const producer = new FencedProducer(client, { transactionalId: 'relay', topics, metadataMaxAgeMs: 50 });
  producers.push(producer);
  expect(() => producer.partitionsOf(TOPICS.revocationState)).toThrow(BrokerUnavailable);
  await producer.acquire();
  expect(producer.partitionsOf(TOPICS.revocationState)).toBe(6);
  const topicPartitions = [{ topic: client.topic(TOPICS.revocationState), count: 12 }];
  await client.withAdmin((admin) => admin.createPartitions({ topicPartitions }));
  let sent = 0;
  await until(async () => {
    await producer.sendAll(records(`${sent++}`));
    const written = Math.max(...(await readAll(client, TOPICS.revocationState)).map(({ partition }) => partition));
    const counted = producer.partitionsOf(TOPICS.revocationState);
    expect(counted).toBeGreaterThan(written);
    return counted === 12;
  });
});

test('whoever acquires writes a marker into each partition, so that what a crash left open there ends', async () => {
  const producer = producerOf();
  await producer.acquire();
  // The coordinator has taken the commit; the partitions, in which nothing else has ever been written, get it a moment later.
  await until(async () => {
    const ends = Object.values(await client.endOffsets(TOPICS.revocations));
    return ends.every((end) => BigInt(end) > 0n);
  });
  await producer.sendAll(records('first'));
  expect(await valuesOf()).toEqual(['first']);
});

test('sends nothing before it has acquired', async () => {
  await expect(producerOf().sendAll(records('too early'))).rejects.toThrow(BrokerUnavailable);
  expect(await valuesOf()).toEqual([]);
});

test('a broker that hangs leaves nothing open that holds up readers', async () => {
  const producer = producerOf(1_000);
  await producer.acquire();
  broker.pause();
  await expect(producer.sendAll(records('hung'))).rejects.toThrow(BrokerUnavailable);
  broker.resume();
  const successor = producerOf();
  await until(() =>
    successor.acquire().then(
      () => true,
      () => false,
    ),
  );
  await successor.sendAll(records('next'));
  const seen: string[] = [];
  const reader = new TopicReader(client, {
    topics: [TOPICS.revocationState],
    onRecords: (batch) => void seen.push(...batch.map(({ value }) => String(value))),
  });
  await reader.start();
  await until(() => seen.includes('next'));
  await reader.close();
});
