import type { Consumer } from 'kafkajs';
import { type Topic, TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { FencedProducer } from '#kafka/fenced-producer.js';
import { BatchPublisher } from '#kafka/publisher.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { ensureTopics } from '#kafka/topics.js';
import { TopicReader, type TopicReaderOptions } from '#kafka/topic-reader.js';
import { type Broker, clientOf, ownBroker } from './kafka.js';
import { eventually } from '#testing/eventually.js';

const TOPIC = TOPICS.revocationState;
let broker: Broker;
let client: KafkaClient;
let publisher: BatchPublisher;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  broker = await ownBroker();
});

beforeEach(async () => {
  client = clientOf(broker.brokers);
  await ensureTopics(client, { partitions: 3 });
  publisher = new BatchPublisher(client, { deliveryTimeoutMs: 20_000 });
  closers.push(() => publisher.close());
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

afterAll(async () => {
  await broker.stop();
});

function readerOf(options: Partial<TopicReaderOptions> = {}) {
  const records: ConsumedRecord[] = [];
  const reader = new TopicReader(client, {
    topics: [TOPIC],
    onRecords: (batch) => void records.push(...batch),
    ...options,
  });
  closers.push(() => reader.close());
  return { reader, records, values: () => records.map(({ value }) => String(value)) };
}

/** The consumers that it opens from now on. */
function openedBy(client: KafkaClient): Consumer[] {
  const consumers: Consumer[] = [];
  const open = client.open.bind(client);
  client.open = (options) => {
    const kafka = open(options);
    const create = kafka.consumer.bind(kafka);
    kafka.consumer = (config) => {
      const consumer = create(config);
      consumers.push(consumer);
      return consumer;
    };
    return kafka;
  };
  return consumers;
}

const publish = (values: string[], topic: Topic = TOPIC) =>
  Promise.all(values.map((value) => publisher.publish(topic, { key: value, value: Buffer.from(value) })));
const numbered = (count: number, name: string) => Array.from({ length: count }, (_, i) => `${name}-${i}`);

test('is caught up at once on empty topics, and gets what comes later', async () => {
  const { reader, values } = readerOf({ topics: [TOPIC, TOPICS.identityProviders] });
  await reader.start();
  await reader.caughtUp;
  expect(reader.isConnected()).toBe(true);
  expect(values()).toEqual([]);
  await publish(['later']);
  await eventually(() => values().includes('later'));
});

test('is caught up only when everything that was there is handled', async () => {
  await publish(numbered(5_000, 'there'));
  const handled: string[] = [];
  const { reader } = readerOf({
    onRecords: async (records) => {
      await new Promise((resolve) => setImmediate(resolve));
      handled.push(...records.map(({ value }) => String(value)));
    },
  });
  await reader.start();
  await reader.caughtUp;
  expect(handled).toHaveLength(5_000);
  const positions = Object.values(reader.positions()[TOPIC]!).map(Number);
  expect(positions.reduce((sum, position) => sum + position, 0)).toBe(5_000);
});

test('each reader reads everything for itself', async () => {
  await publish(numbered(100, 'both'));
  const first = readerOf();
  const second = readerOf();
  await Promise.all([first.reader.start(), second.reader.start()]);
  await Promise.all([first.reader.caughtUp, second.reader.caughtUp]);
  expect(first.values()).toHaveLength(100);
  expect(second.values()).toHaveLength(100);
});

test('transaction markers and aborted records at the end do not keep it from being caught up', async () => {
  const producer = new FencedProducer(client, { transactionalId: 'writer', topics: [TOPIC] });
  closers.push(() => producer.close());
  await producer.acquire();
  await producer.sendAll(numbered(10, 'committed').map((key) => ({ topic: TOPIC, key, value: Buffer.from(key) })));

  const doomed = client.open().producer({ transactionalId: `${client.config.topicPrefix}aborts` });
  await doomed.connect();
  const transaction = await doomed.transaction();
  await transaction.send({
    topic: client.topic(TOPIC),
    messages: numbered(30, 'aborted').map((value) => ({ key: value, value })),
  });
  await transaction.abort();
  await doomed.disconnect();

  const { reader, values } = readerOf();
  await reader.start();
  await reader.caughtUp;
  expect(values().sort()).toEqual(numbered(10, 'committed').sort());
});

test('compaction leaves gaps, and they do not hold it up', async () => {
  const topic = client.topic(TOPIC);
  await client.withAdmin(async (admin) => {
    await admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: 2,
          name: topic,
          configEntries: Object.entries({
            'cleanup.policy': 'compact',
            'segment.ms': '50',
            'segment.bytes': '1048576',
            'min.cleanable.dirty.ratio': '0.01',
            'delete.retention.ms': '0',
          }).map(([name, value]) => ({ name, value })),
        },
      ],
    });
  });
  const one = (value: string) => publisher.publish(TOPIC, { key: 'one', value: Buffer.from(value) });
  const countOf = async () => {
    const { reader, records } = readerOf();
    await reader.start();
    await reader.caughtUp;
    await reader.close();
    return records.length;
  };
  for (let i = 0; i < 200; i++) await one(`${i}`);
  await publisher.publish(TOPIC, { key: 'gone', value: Buffer.from('gone') });
  await publisher.publish(TOPIC, { key: 'gone', value: null });
  // A segment is closed only by the next record that comes.
  await eventually(
    async () => {
      await one('last');
      return (await countOf()) < 50;
    },
    { timeoutMs: 300_000 },
  );

  const { reader, values } = readerOf();
  await reader.start();
  await reader.caughtUp;
  expect(values().at(-1)).toBe('last');
  await one('after');
  await eventually(() => values().includes('after'));
}, 300_000);

test('misses no record when the broker is killed and comes back while records flow', async () => {
  const { reader, values } = readerOf();
  await reader.start();
  const acknowledged: string[] = [];
  let stop = false;
  const writing = (async () => {
    for (let i = 0; !stop; i++) {
      const some = numbered(20, `flow-${i}`);
      const outcomes = await Promise.allSettled(
        some.map((value) => publisher.publish(TOPIC, { key: value, value: Buffer.from(value) })),
      );
      some.forEach((value, at) => outcomes[at]!.status === 'fulfilled' && acknowledged.push(value));
    }
  })();
  for (let round = 0; round < 2; round++) {
    const before = acknowledged.length;
    await eventually(() => acknowledged.length > before + 1_000);
    await broker.kill();
    await eventually(() => !reader.isConnected());
    await broker.start();
  }
  const before = acknowledged.length;
  await eventually(() => acknowledged.length > before + 1_000);
  stop = true;
  await writing;
  await eventually(
    () => new Set(values()).size >= new Set(acknowledged).size && values().includes(acknowledged.at(-1)!),
    { timeoutMs: 60_000 },
  );
  const seen = new Set(values());
  expect(acknowledged.filter((value) => !seen.has(value))).toEqual([]);
  expect(reader.isConnected()).toBe(true);
}, 300_000);

test('goes on where it was: after a restart of the broker it does not read everything again', async () => {
  await publish(numbered(2_000, 'old'));
  const { reader, values } = readerOf();
  await reader.start();
  await reader.caughtUp;
  await broker.kill();
  await broker.start();
  await publish(['new']);
  await eventually(() => values().includes('new'));
  expect(values().length).toBeLessThan(2_100);
}, 300_000);

test('starts where it is told to', async () => {
  await publish(numbered(10, 'told'), TOPICS.identityProviders);
  const asked: [string, number][] = [];
  const { reader, values } = readerOf({
    topics: [TOPICS.identityProviders],
    startAt: async (topic, partition) => {
      asked.push([topic, partition]);
      return Promise.resolve('7');
    },
  });
  await reader.start();
  await reader.caughtUp;
  expect(values()).toEqual(['told-7', 'told-8', 'told-9']);
  expect(asked).toEqual([[TOPICS.identityProviders, 0]]);
});

test('joins its group while it is not known yet where to start, and reads nothing before that', async () => {
  await publish(numbered(10, 'held'), TOPICS.identityProviders);
  let tell!: (offset: string) => void;
  const told = new Promise<string>((resolve) => (tell = resolve));
  const { reader, values } = readerOf({ topics: [TOPICS.identityProviders], startAt: () => told });
  const consumers = openedBy(client);
  const started = reader.start();
  await eventually(() => reader.isConnected());
  const held = consumers.length;
  expect(consumers[held - 1]!.paused()).toHaveLength(1);
  // Another reader, which has begun after it, has read all of it by now.
  const other = readerOf({ topics: [TOPICS.identityProviders] });
  await other.reader.start();
  await other.reader.caughtUp;
  expect(other.values()).toHaveLength(10);
  expect(values()).toEqual([]);
  tell('7');
  await started;
  // By itself, and not by another consumer that replaces one from which nothing was heard.
  expect(consumers[held - 1]!.paused()).toEqual([]);
  await reader.caughtUp;
  expect(values()).toEqual(['held-7', 'held-8', 'held-9']);
});

test('closes also while it is not known where to start', async () => {
  const { reader } = readerOf({ startAt: () => new Promise(() => undefined) });
  const started = reader.start();
  await eventually(() => reader.isConnected());
  await reader.close();
  await started;
});

test('begins again at the earliest record where the topic was deleted and made anew', async () => {
  await publish(numbered(50, 'first'), TOPICS.identityProviders);
  const { reader, values } = readerOf({ topics: [TOPICS.identityProviders] });
  await reader.start();
  await reader.caughtUp;
  await client.withAdmin((admin) => admin.deleteTopics({ topics: [client.topic(TOPICS.identityProviders)] }));
  await eventually(
    async () =>
      !(await client.withAdmin((admin) => admin.listTopics())).includes(client.topic(TOPICS.identityProviders)),
  );
  await ensureTopics(client, { partitions: 3 });
  await publish(numbered(5, 'second'), TOPICS.identityProviders);
  await eventually(() => values().filter((value) => value.startsWith('second')).length === 5);
}, 300_000);

test('records whose handling throws come again, and none is skipped', async () => {
  let failures = 2;
  const handled: string[] = [];
  const { reader } = readerOf({
    onRecords: (records) => {
      if (failures-- > 0) throw new Error('not now');
      handled.push(...records.map(({ value }) => String(value)));
    },
  });
  await publish(numbered(20, 'again'));
  await reader.start();
  await reader.caughtUp;
  expect(handled.sort()).toEqual(numbered(20, 'again').sort());
});

test('waits for Kafka, and starts once it is there', async () => {
  await publish(['before']);
  await broker.kill();
  const { reader, values } = readerOf();
  const started = reader.start();
  await eventually(() => reader.lastError !== undefined);
  expect(reader.isConnected()).toBe(false);
  await broker.start();
  await started;
  await reader.caughtUp;
  expect(values()).toEqual(['before']);
}, 300_000);
