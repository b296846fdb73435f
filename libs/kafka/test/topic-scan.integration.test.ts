import kafkajs from 'kafkajs';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ensureTopics } from '#kafka/topics.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { scanTopic } from '#kafka/topic-scan.js';
import { clientOf, shared } from './kafka.js';

const TOPIC = TOPICS.revocationState;
const COUNT = 3_000;
let client: KafkaClient;

beforeEach(async () => {
  client = clientOf(shared());
  await ensureTopics(client, { partitions: 4 });
});

/** Everything that a scan and the reader after it bring, as they are used together. */
async function scanAndRead(onScanned: (value: string) => void = () => undefined) {
  const scanned: string[] = [];
  const positions = await scanTopic(
    client,
    TOPIC,
    (_partition, bytes, start, end) => {
      const value = bytes.toString('latin1', start, end);
      onScanned(value);
      scanned.push(value);
    },
    new AbortController().signal,
  );
  const read: string[] = [];
  const reader = new TopicReader(client, {
    topics: [TOPIC],
    startAt: (_topic, partition) => positions[partition],
    onRecords: (records) => void read.push(...records.map(({ value }) => String(value))),
  });
  await reader.start();
  await reader.caughtUp;
  await reader.close();
  return { scanned, read };
}

const publish = async (values: string[]): Promise<void> => {
  const publisher = new BatchPublisher(client, { deliveryTimeoutMs: 60_000 });
  for (let start = 0; start < values.length; start += 2_000) {
    const wave = values.slice(start, start + 2_000);
    await Promise.all(wave.map((value) => publisher.publish(TOPIC, { key: value, value: Buffer.from(value) })));
  }
  await publisher.close();
};
const sorted = (values: readonly string[]): string[] => [...values].sort();
const numbered = (count: number, length = 0): string[] =>
  Array.from({ length: count }, (_, index) => `${index} ${'.'.repeat(length)}`);

test('a topic of several fetches a partition is read whole, and the reader has nothing left to do', async () => {
  const values = numbered(COUNT, 4_000);
  await publish(values);
  const { scanned, read } = await scanAndRead();
  expect(read).toEqual([]);
  expect(sorted(scanned)).toEqual(sorted(values));
});

test('what was aborted is not read; what was committed after it is', async () => {
  const producer = client.open().producer({ transactionalId: `${client.config.topicPrefix}t`, maxInFlightRequests: 1 });
  await producer.connect();
  const send = async (word: string, end: 'commit' | 'abort'): Promise<void> => {
    const transaction = await producer.transaction();
    const messages = Array.from({ length: 20 }, (_, index) => ({ key: `${word} ${index}`, value: `${word} ${index}` }));
    await transaction.send({ topic: client.topic(TOPIC), messages });
    await transaction[end]();
  };
  await send('first', 'commit');
  await send('never', 'abort');
  await send('second', 'commit');
  await producer.disconnect();
  const { scanned, read } = await scanAndRead();
  const all = [...scanned, ...read];
  expect(all.filter((value) => value.startsWith('never'))).toEqual([]);
  expect(new Set(all).size).toBe(40);
  expect(all).toHaveLength(40);
});

test('what is compressed is left to the reader, with all that comes after it', async () => {
  await publish(numbered(200));
  const producer = client.open().producer();
  await producer.connect();
  await producer.send({
    topic: client.topic(TOPIC),
    compression: kafkajs.CompressionTypes.GZIP,
    messages: Array.from({ length: 50 }, (_, index) => ({ key: `g${index}`, value: `compressed ${index}` })),
  });
  await producer.disconnect();
  await publish(['last']);
  const { scanned, read } = await scanAndRead();
  expect(scanned.filter((value) => value.startsWith('compressed'))).toEqual([]);
  expect(new Set([...scanned, ...read]).size).toBe(251);
});

test('where the taker throws, the rest of that batch and all after it come from the reader', async () => {
  const values = numbered(1_000);
  await publish(values);
  let taken = 0;
  const { scanned, read } = await scanAndRead(() => {
    taken += 1;
    if (taken === 300) throw new Error('enough');
  });
  expect(scanned.length).toBeLessThan(1_000);
  expect(new Set([...scanned, ...read])).toEqual(new Set(values));
});

test('where Kafka cannot be reached, or it is over already, it ends with nothing read', async () => {
  const away = clientOf(['127.0.0.1:1']);
  let taken = 0;
  const take = (): void => void (taken += 1);
  expect(await scanTopic(away, TOPIC, take, new AbortController().signal)).toEqual({});
  await publish(['there']);
  expect(await scanTopic(client, TOPIC, take, AbortSignal.abort())).toEqual({});
  expect(taken).toBe(0);
});

test('whenever it is stopped it ends, and goes no further', async () => {
  await publish(numbered(COUNT, 4_000));
  const stop = new AbortController();
  let taken = 0;
  const positions = await scanTopic(
    client,
    TOPIC,
    () => {
      taken += 1;
      stop.abort();
    },
    stop.signal,
  );
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(COUNT / 2);
  // What had come by then was read whole.
  expect(Object.values(positions).reduce((sum, next) => sum + Number(next), 0)).toBe(taken);

  const atTheEnds = new AbortController();
  const { endOffsets } = client;
  client.endOffsets = async (topic) => {
    const ends = await endOffsets.call(client, topic);
    atTheEnds.abort();
    return ends;
  };
  taken = 0;
  expect(await scanTopic(client, TOPIC, () => void (taken += 1), atTheEnds.signal)).toEqual({});
  expect(taken).toBe(0);
});
