import { randomBytes } from 'node:crypto';
import type { Topic } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { ensureTopics } from '#kafka/topics.js';
import { kafkaBrokers } from './servers.js';

/** Topics of its own for a test file. */
export async function ownTopics(): Promise<KafkaClient> {
  const client = new KafkaClient({
    brokers: await kafkaBrokers(),
    clientId: 'test',
    topicPrefix: `t${randomBytes(5).toString('hex')}.`,
  });
  await ensureTopics(client, { partitions: 2, replicationFactor: 1 });
  return client;
}

/** Everything that is in a topic now, and what comes; of one key in its order. */
export async function follow(
  client: KafkaClient,
  topic: Topic,
): Promise<{ records: ConsumedRecord[]; close(): Promise<void> }> {
  const records: ConsumedRecord[] = [];
  const reader = new TopicReader(client, {
    topics: [topic],
    onRecords: (read) => void records.push(...read),
  });
  await reader.start();
  await reader.caughtUp;
  return { records, close: () => reader.close() };
}
