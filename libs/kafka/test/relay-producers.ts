import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { FencedProducer, type FencedProducerOptions } from '#kafka/fenced-producer.js';
import { ensureTopics } from '#kafka/topics.js';
import { type Broker, clientOf, ownBroker } from './kafka.js';
import { readAll } from './read-all.js';

/** A broker of the test file's own, topics of each test's own, and producers that are closed after it. */
export function relayProducers() {
  const own = {} as { broker: Broker; client: KafkaClient };
  const producers: FencedProducer[] = [];
  const topics = [TOPICS.revocations, TOPICS.revocationState, TOPICS.identityProviders];
  beforeAll(async () => {
    own.broker = await ownBroker();
  });
  beforeEach(async () => {
    own.client = clientOf(own.broker.brokers);
    await ensureTopics(own.client);
  });
  afterEach(async () => {
    await Promise.all(producers.splice(0).map((producer) => producer.close()));
  });
  afterAll(() => own.broker.stop());
  return {
    own,
    producerOf(given: Partial<FencedProducerOptions> = {}): FencedProducer {
      const producer = new FencedProducer(own.client, { transactionalId: 'relay', topics, ...given });
      producers.push(producer);
      return producer;
    },
    records: (...values: string[]) =>
      values.map((value) => ({ topic: TOPICS.revocationState, key: value, value: Buffer.from(value) })),
    valuesOf: async () => (await readAll(own.client, TOPICS.revocationState)).map(({ value }) => String(value)).sort(),
  };
}
