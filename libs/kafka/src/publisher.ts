import type { Topic } from '#contracts/topics.js';
import type { KafkaClient } from './client.js';
import type { OutgoingRecord } from './record.js';

export interface BatchPublisherOptions {
  deliveryTimeoutMs?: number;
  maxBatchBytes?: number;
  maxQueuedRecords?: number;
  maxQueuedBytes?: number;
  onBatch?: (batch: { records: number; bytes: number; durationMs: number }) => void;
  onFailure?: (failure: { records: number; error: Error }) => void;
}

export declare class BatchPublisher {
  constructor(client: KafkaClient, options?: BatchPublisherOptions);
  /** Optional: connects ahead of the first `publish`. Never throws; Kafka may come later. */
  start(): Promise<void>;
  publish(topic: Topic, record: OutgoingRecord): Promise<void>;
  isHealthy(): boolean;
  readonly lastError: Error | undefined;
  close(): Promise<void>;
}
