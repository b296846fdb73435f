import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { BrokerUnavailable } from '#kafka/errors.js';
import { FencedProducer } from '#kafka/fenced-producer.js';
import { ensureTopics } from '#kafka/topics.js';
import { type Broker, clientOf, ownBroker } from './kafka.js';
import { readAll } from './read-all.js';
import { until } from './until.js';

let broker: Broker;
let client: KafkaClient;
const producers: FencedProducer[] = [];

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
  const producer = new FencedProducer(client, { transactionalId: 'relay', deliveryTimeoutMs });
  producers.push(producer);
  return producer;
}

const records = (...values: string[]) =>
  values.map((value) => ({ topic: TOPICS.revocationState, key: value, value: Buffer.from(value) }));
const valuesOf = async () => (await readAll(client, TOPICS.revocationState)).map(({ value }) => String(value)).sort();

// Once in four runs beside other suites it waited for the records in vain; the cause is not known yet, so it is run by itself:
// npm run test:brokers
test('while Kafka is away it says so in time; after acquiring again it writes again', async () => {
  const producer = producerOf(1_500);
  await producer.acquire();
  await producer.sendAll(records('before'));
  await broker.kill();
  const startedAt = performance.now();
  await expect(producer.sendAll(records('away'))).rejects.toThrow(BrokerUnavailable);
  expect(performance.now() - startedAt).toBeLessThan(3_500);
  expect(producer.isAcquired()).toBe(false);
  await expect(producer.acquire()).rejects.toThrow(BrokerUnavailable);

  await broker.start();
  // It must not come back by itself: somebody else may lead by now.
  await expect(producer.sendAll(records('not acquired'))).rejects.toThrow(BrokerUnavailable);
  await until(() =>
    producer.acquire().then(
      () => true,
      () => false,
    ),
  );
  await producer.sendAll(records('after'));
  const values = await valuesOf();
  expect(values).toEqual(expect.arrayContaining(['before', 'after']));
  expect(values).not.toContain('not acquired');
}, 300_000);
