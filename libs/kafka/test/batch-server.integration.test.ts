import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TOPICS } from '#contracts/topics.js';
import { BatchContext, KafkaBatchServer, type KafkaBatchServerOptions } from '#kafka/batch-server.js';
import type { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { ensureTopics } from '#kafka/topics.js';
import { eventually } from '#testing/eventually.js';
import { clientOf, ownBroker, shared } from './kafka.js';

interface Delivery {
  partition: number;
  attempt: number;
  values: string[];
}

let client: KafkaClient;
let publisher: BatchPublisher;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  client = clientOf(shared());
  await ensureTopics(client);
  publisher = new BatchPublisher(client);
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

afterAll(async () => {
  await publisher.close();
});

type Handler = (records: ConsumedRecord[], context: BatchContext) => unknown;

async function serve(handler: Handler, options: Partial<KafkaBatchServerOptions> = {}) {
  const deliveries: Delivery[] = [];

  @Controller()
  class TestConsumer {
    @EventPattern<string>(TOPICS.workosEvents)
    async handle(@Payload() records: ConsumedRecord[], @Ctx() context: BatchContext): Promise<void> {
      const { partition, attempt } = context;
      deliveries.push({ partition, attempt, values: records.map(({ value }) => String(value)) });
      await handler(records, context);
    }
  }

  @Module({ controllers: [TestConsumer] })
  class TestModule {}

  const server = new KafkaBatchServer({ client, groupId: `group-${closers.length}-${Date.now()}`, ...options });
  const app = await NestFactory.create(TestModule, new FastifyAdapter(), { logger: false });
  app.connectMicroservice({ strategy: server });
  expect(server.problem()).toMatch(/^has not begun to consume/);
  await app.startAllMicroservices();
  closers.push(() => app.close());
  return { server, app, deliveries, received: () => deliveries.flatMap(({ values }) => values) };
}

let sequence = 0;
const publish = async (count: number, name: string): Promise<string[]> => {
  const values = Array.from({ length: count }, (_, i) => `${name}-${i}`);
  await Promise.all(
    values.map((value) =>
      publisher.publish(TOPICS.workosEvents, { key: `key-${sequence++}`, value: Buffer.from(value) }),
    ),
  );
  return values;
};

/** Of one test alone; what is published there comes into one partition. */
async function ownTopics() {
  const own = clientOf(shared());
  await ensureTopics(own);
  const ownPublisher = new BatchPublisher(own);
  closers.push(() => ownPublisher.close());
  const publishOwn = (value: string) =>
    ownPublisher.publish(TOPICS.workosEvents, { key: 'k', value: Buffer.from(value) });
  return { own, publishOwn };
}

/** Only what this test has published: the topic keeps the records of the others. */
const named = (values: string[], name: string): string[] => values.filter((value) => value.startsWith(`${name}-`));
const total = (lag: Record<string, Record<number, bigint>>): bigint =>
  Object.values(lag[TOPICS.workosEvents] ?? {}).reduce((sum, behind) => sum + behind, 0n);

test('hands over each record and commits the offset after a batch that resolved', async () => {
  const { server, received } = await serve(() => undefined);
  const values = await publish(200, 'commit');
  await eventually(() => named(received(), 'commit').length === 200);
  expect(named(received(), 'commit').sort()).toEqual(values.sort());
  await eventually(async () => total(await server.lag()) === 0n);
  expect(server.problem()).toBeUndefined();
  expect(server.assignment()[TOPICS.workosEvents]).toHaveLength(6);
});

test('a batch that throws comes again, the same records, and its offset has not moved', async () => {
  let failures = 3;
  const { server, deliveries } = await serve((records) => {
    if (records.some(({ value }) => String(value) === 'again-0') && failures-- > 0) throw new Error('not yet');
  });
  await publish(1, 'again');
  const deliveriesOfIt = () => deliveries.filter(({ values }) => values.includes('again-0'));
  await eventually(() => deliveriesOfIt().length === 2);
  const { partition } = deliveriesOfIt()[0]!;
  expect((await server.lag())[TOPICS.workosEvents]![partition]).toBeGreaterThan(0n);
  expect(server.lastError).toBeDefined();

  await eventually(() => deliveriesOfIt().length === 4);
  expect(new Set(deliveriesOfIt().map(({ values }) => values.join()))).toHaveProperty('size', 1);
  expect(deliveriesOfIt().map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
  await eventually(async () => total(await server.lag()) === 0n);
  expect(server.lastError).toBeUndefined();
});

test('after several records more are gathered, and a stop does not wait for it', async () => {
  const hours = 3_600_000;
  const { own, publishOwn } = await ownTopics();
  await Promise.all(['pair-0', 'pair-1'].map(publishOwn));
  const asked: number[] = [];
  const { app, received } = await serve(() => undefined, {
    client: own,
    gatherMs: (records) => {
      asked.push(records);
      return hours;
    },
    closeTimeoutMs: hours,
  });
  await eventually(() => received().length === 2);
  await publishOwn('later');
  await app.close();
  expect(received()).toEqual(['pair-0', 'pair-1']);
  expect(asked).toEqual([2]);
});

test('nobody gathers who is behind', async () => {
  const { own, publishOwn } = await ownTopics();
  // A fetch holds two of these, and a part of the third.
  const large = Array.from({ length: 6 }, (_, index) => `large-${index}`.padEnd(400_000, '.'));
  for (const value of large) await publishOwn(value);
  const { received } = await serve(() => undefined, { client: own, gatherMs: () => 3_600_000 });
  await eventually(() => received().length === 6);
});

test('after one that came alone nothing is gathered', async () => {
  const { own, publishOwn } = await ownTopics();
  const { received } = await serve(() => undefined, { client: own, gatherMs: () => 3_600_000 });
  for (const value of ['alone-0', 'alone-1']) {
    await publishOwn(value);
    await eventually(() => received().includes(value));
  }
});

test('a partition whose batch always throws does not hold up the others', async () => {
  let poisoned: number | undefined;
  const { server, received, deliveries } = await serve((records) => {
    if (records.some(({ value }) => String(value) === 'poison-0')) poisoned = records[0]!.partition;
    if (records[0]!.partition === poisoned) throw new Error('poison');
  });
  await eventually(() => server.isConnected());
  await publish(1, 'poison');
  await eventually(() => poisoned !== undefined);

  await publish(300, 'healthy');
  await eventually(() => Object.values(server.assignment()).flat().length === 6);
  const elsewhere = () => deliveries.filter(({ partition }) => partition !== poisoned).flatMap(({ values }) => values);
  await eventually(async () => {
    const { [poisoned!]: stuck, ...others } = (await server.lag())[TOPICS.workosEvents]!;
    return stuck! > 0n && Object.values(others).every((behind) => behind === 0n);
  });
  expect(named(elsewhere(), 'healthy').length).toBeGreaterThan(150);
  const before = deliveries.filter(({ partition }) => partition === poisoned).length;
  await eventually(() => deliveries.filter(({ partition }) => partition === poisoned).length > before);
  expect(received()).toContain('poison-0');
});

test('splits a fetch into batches of at most maxRecordsPerBatch, each committed for itself', async () => {
  await publish(500, 'split');
  const { deliveries, received, server } = await serve(() => undefined, { maxRecordsPerBatch: 7 });
  await eventually(() => named(received(), 'split').length === 500);
  expect(Math.max(...deliveries.map(({ values }) => values.length))).toBe(7);
  await eventually(async () => total(await server.lag()) === 0n);
});

test('stays in its group during a batch that takes longer than the session', async () => {
  let slow = true;
  const { server, deliveries } = await serve(
    async (records) => {
      if (!slow || !records.some(({ value }) => String(value) === 'slow-0')) return;
      slow = false;
      await new Promise((resolve) => setTimeout(resolve, 9_000));
    },
    { sessionTimeout: 6_000 },
  );
  await publish(1, 'slow');
  await eventually(async () => total(await server.lag()) === 0n && !slow);
  expect(deliveries.filter(({ values }) => values.includes('slow-0'))).toHaveLength(1);
});

test('closing finishes the batch in hand and commits it', async () => {
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const groupId = `closing-${Date.now()}`;
  const { app, deliveries } = await serve(
    async (records) => {
      if (records.some(({ value }) => String(value) === 'closing-0')) await released;
    },
    { groupId },
  );
  await publish(1, 'closing');
  await eventually(() => deliveries.some(({ values }) => values.includes('closing-0')));
  const closed = app.close();
  release();
  await closed;
  closers.pop();

  const lag = await client.lagOf(groupId, [TOPICS.workosEvents]);
  const { partition } = deliveries.find(({ values }) => values.includes('closing-0'))!;
  expect(lag[TOPICS.workosEvents]![partition]).toBe(0n);
});

test('closing does not wait for a handler that never ends', async () => {
  const aborted: boolean[] = [];
  const { app, deliveries } = await serve(
    (_, { signal }) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          aborted.push(true);
          resolve();
        });
      }),
    { closeTimeoutMs: 500 },
  );
  await publish(1, 'endless');
  await eventually(() => deliveries.length > 0);
  await app.close();
  closers.pop();
  expect(aborted.length).toBeGreaterThan(0);
});

test('a second member takes over part of the partitions, and nothing is lost on the way', async () => {
  const groupId = `sharing-${Date.now()}`;
  const first = await serve(() => undefined, { groupId });
  await eventually(() => first.server.isConnected());
  const second = await serve(() => undefined, { groupId });
  const publishing = publish(1_000, 'sharing');
  await eventually(() => Object.values(second.server.assignment()).flat().length === 3);
  await publishing;
  const seen = () => new Set(named([...first.received(), ...second.received()], 'sharing'));
  await eventually(() => seen().size === 1_000);
  await eventually(async () => total(await first.server.lag()) === 0n);
});

test('a partition that is added is read from its beginning', async () => {
  const { received } = await serve(() => undefined);
  const values = await publish(10, 'before-adding');
  await eventually(() => values.every((value) => received().includes(value)));
  const topic = client.topic(TOPICS.workosEvents);
  const added = Object.keys(await client.endOffsets(TOPICS.workosEvents)).length;
  await client.withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic, count: added + 1 }] }));
  const producer = client.open().producer();
  closers.push(() => producer.disconnect());
  await producer.connect();
  await producer.send({ topic, messages: [{ partition: added, value: 'added-0' }] });
  await eventually(() => received().includes('added-0'));
});

test('goes on after the broker was killed and came back: every record is handled', async () => {
  const broker = await ownBroker();
  closers.push(() => broker.stop());
  const own = clientOf(broker.brokers);
  await ensureTopics(own, { partitions: 3 });
  const ownPublisher = new BatchPublisher(own, { deliveryTimeoutMs: 20_000 });
  closers.push(() => ownPublisher.close());
  const { server, received } = await serve(() => undefined, { client: own });

  const sent: string[] = [];
  const send = async (count: number) => {
    const values = Array.from({ length: count }, () => `survivor-${sent.length}-${Math.random()}`);
    sent.push(...values);
    await Promise.all(
      values.map((value) => ownPublisher.publish(TOPICS.workosEvents, { key: value, value: Buffer.from(value) })),
    );
  };
  for (let round = 0; round < 2; round++) {
    await send(500);
    await broker.kill();
    await eventually(() => server.problem() === 'no partitions yet');
    await broker.start();
    await send(500);
  }
  await eventually(() => new Set(received()).size >= sent.length);
  const handled = new Set(received());
  expect(sent.filter((value) => !handled.has(value))).toEqual([]);
  await eventually(async () => total(await server.lag()) === 0n);
  expect(server.isConnected()).toBe(true);
}, 300_000);
