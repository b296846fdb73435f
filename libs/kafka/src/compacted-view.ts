import type { Topic } from '#contracts/topics.js';
import type { KafkaClient } from './client.js';
import type { KafkaLogger } from './logger.js';
import type { ConsumedRecord } from './record.js';

export interface CompactedViewOptions<T> {
  topic: Topic;
  decode(value: Buffer, key: string, record: ConsumedRecord): T;
  logger?: KafkaLogger;
}

export declare class CompactedView<T> {
  constructor(client: KafkaClient, options: CompactedViewOptions<T>);
  start(timeoutMs?: number): Promise<void>;
  /** Resolves once the view holds everything that was in the topic at its start. */
  readonly ready: Promise<void>;
  isReady(): boolean;
  isConnected(): boolean;
  get(key: string): T | undefined;
  has(key: string): boolean;
  keys(): IterableIterator<string>;
  values(): IterableIterator<T>;
  entries(): IterableIterator<[string, T]>;
  readonly size: number;
  readonly undecodable: number;
  /** Returns what ends the subscription. */
  onChange(listener: (key: string, value: T | undefined) => void): () => void;
  positions(): Record<number, string>;
  close(): Promise<void>;
}
