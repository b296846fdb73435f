import type { Topic } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { TopicReader } from '#kafka/topic-reader.js';

/** Everything that is committed in a topic. */
export async function readAll(client: KafkaClient, topic: Topic): Promise<ConsumedRecord[]> {
  const all: ConsumedRecord[] = [];
  const reader = new TopicReader(client, { topics: [topic], onRecords: (records) => void all.push(...records) });
  await reader.start();
  await reader.caughtUp;
  await reader.close();
  return all;
}
