import type { Topic } from '#contracts/topics.js';
import type { KafkaClient } from './client.js';
import type { KafkaLogger } from './logger.js';
import type { ConsumedRecord } from './record.js';

export interface TopicReaderOptions {
  topics: Topic[];
  onRecords(records: ConsumedRecord[]): void | Promise<void>;
  startAt?: (topic: Topic, partition: number) => Promise<string | undefined> | string | undefined;
  logger?: KafkaLogger;
}

export declare class TopicReader {
  constructor(client: KafkaClient, options: TopicReaderOptions);
  /** Resolves once partitions are assigned; throws `BrokerUnavailable` if that takes longer than `timeoutMs`. */
  start(timeoutMs?: number): Promise<void>;
  readonly caughtUp: Promise<void>;
  isCaughtUp(): boolean;
  /** topic → partition → next offset to be handled. */
  positions(): Record<string, Record<number, string>>;
  isConnected(): boolean;
  readonly lastError: Error | undefined;
  close(): Promise<void>;
}
