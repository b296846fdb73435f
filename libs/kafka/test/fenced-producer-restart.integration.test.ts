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

test('while Kafka is away it says so; after acquiring again it writes again', async () => {
  const producer = producerOf(1_500);
  await producer.acquire();
  await producer.sendAll(records('before'));
  await broker.kill();
  // Also where nobody sends anything: somebody has to acquire again, since the last commit may need it.
  await until(() => !producer.isAcquired());
  await expect(producer.sendAll(records('away'))).rejects.toThrow(BrokerUnavailable);
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
});
