import { TOPICS } from '#contracts/topics.js';
import { BrokerUnavailable, Fenced } from '#kafka/errors.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { readAll } from './read-all.js';
import { relayProducers } from './relay-producers.js';
import { eventually } from '#testing/eventually.js';

const { own, producerOf, records, valuesOf } = relayProducers();

test('writes all records of a call, over several topics and partitions, or none', async () => {
  const producer = producerOf();
  await producer.acquire();
  const values = Array.from({ length: 100 }, (_, i) => `value-${i}`);
  const places = await producer.sendAll([
    ...records(...values),
    { topic: TOPICS.revocations, key: 'k', value: Buffer.from('told') },
  ]);
  expect(await valuesOf()).toEqual(values.sort());
  expect((await readAll(own.client, TOPICS.revocations)).map(({ value }) => String(value))).toEqual(['told']);
  const found = await readAll(own.client, TOPICS.revocationState);
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
  const values = (await readAll(own.client, TOPICS.identityProviders)).map(({ value }) => Number(String(value)));
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
  const topic = own.client.topic(TOPICS.revocationState);
  const kafka = own.client.open();
  const transactionalId = `${own.client.config.topicPrefix}relay`;
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
  const producer = producerOf({ metadataMaxAgeMs: 50 });
  expect(() => producer.partitionsOf(TOPICS.revocationState)).toThrow(BrokerUnavailable);
  await producer.acquire();
  expect(producer.partitionsOf(TOPICS.revocationState)).toBe(6);
  const topicPartitions = [{ topic: own.client.topic(TOPICS.revocationState), count: 12 }];
  await own.client.withAdmin((admin) => admin.createPartitions({ topicPartitions }));
  let sent = 0;
  await eventually(async () => {
    await producer.sendAll(records(`${sent++}`));
    const written = Math.max(...(await readAll(own.client, TOPICS.revocationState)).map(({ partition }) => partition));
    const counted = producer.partitionsOf(TOPICS.revocationState);
    expect(counted).toBeGreaterThan(written);
    return counted === 12;
  });
});

test('whoever acquires writes a marker into each partition, so that what a crash left open there ends', async () => {
  const producer = producerOf();
  await producer.acquire();
  // The coordinator has taken the commit; the partitions, in which nothing else has ever been written, get it a moment later.
  await eventually(async () => {
    const ends = Object.values(await own.client.endOffsets(TOPICS.revocations));
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
  const producer = producerOf({ deliveryTimeoutMs: 1_000 });
  await producer.acquire();
  await own.broker.pause();
  await expect(producer.sendAll(records('hung'))).rejects.toThrow(BrokerUnavailable);
  own.broker.resume();
  const successor = producerOf();
  await eventually(() =>
    successor.acquire().then(
      () => true,
      () => false,
    ),
  );
  await successor.sendAll(records('next'));
  const seen: string[] = [];
  const reader = new TopicReader(own.client, {
    topics: [TOPICS.revocationState],
    onRecords: (batch) => void seen.push(...batch.map(({ value }) => String(value))),
  });
  await reader.start();
  await eventually(() => seen.includes('next'));
  await reader.close();
});
