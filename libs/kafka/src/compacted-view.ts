import type { Topic } from '#contracts/topics.js';
import type { KafkaClient } from './client.js';
import { asError } from './errors.js';
import type { KafkaLogger } from './logger.js';
import type { ConsumedRecord } from './record.js';
import { TopicReader } from './topic-reader.js';

export interface CompactedViewOptions<T> {
  topic: Topic;
  /** Throws where the record cannot be read: it is skipped, counted and logged, and the key keeps its last value. */
  decode(value: Buffer, key: string, record: ConsumedRecord): T;
  logger?: KafkaLogger;
}

/** The newest value of each key of one compacted topic, in memory. */
export class CompactedView<T> {
  /** Resolves once the view holds everything that the topic held at its start. Never rejects. */
  readonly ready: Promise<void>;
  private readonly reader: TopicReader;
  private readonly entriesByKey = new Map<string, T>();
  private readonly listeners = new Set<(key: string, value: T | undefined) => void>();
  private readonly logger: KafkaLogger;
  private undecodableRecords = 0;

  constructor(
    private readonly client: KafkaClient,
    private readonly options: CompactedViewOptions<T>,
  ) {
    this.logger = options.logger ?? client.logger;
    this.reader = new TopicReader(client, {
      topics: [options.topic],
      logger: this.logger,
      onRecords: (records) => records.forEach((record) => this.take(record)),
    });
    this.ready = this.reader.caughtUp;
  }

  /** Resolves once reading has begun; see {@link ready}. */
  start(): Promise<void> {
    return this.reader.start();
  }

  /** Resolves once the view holds everything that the topic holds now. Throws `BrokerUnavailable`. */
  async upToNow(): Promise<void> {
    const { topic } = this.options;
    await this.reader.reached(topic, await this.client.endOffsets(topic));
  }

  isReady(): boolean {
    return this.reader.isCaughtUp();
  }

  /** Partitions are assigned and Kafka answers: changes arrive. */
  isConnected(): boolean {
    return this.reader.isConnected();
  }

  get lastError(): Error | undefined {
    return this.reader.lastError;
  }

  get(key: string): T | undefined {
    return this.entriesByKey.get(key);
  }

  has(key: string): boolean {
    return this.entriesByKey.has(key);
  }

  keys(): IterableIterator<string> {
    return this.entriesByKey.keys();
  }

  values(): IterableIterator<T> {
    return this.entriesByKey.values();
  }

  entries(): IterableIterator<[string, T]> {
    return this.entriesByKey.entries();
  }

  get size(): number {
    return this.entriesByKey.size;
  }

  /** Records skipped since the start because `decode` threw or they had no key. */
  get undecodable(): number {
    return this.undecodableRecords;
  }

  /** Called after each change, undefined where the key was removed; also while catching up. Returns what ends it. */
  onChange(listener: (key: string, value: T | undefined) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** partition → the next offset to be read. */
  positions(): Record<number, string> {
    return this.reader.positions()[this.options.topic] ?? {};
  }

  close(): Promise<void> {
    return this.reader.close();
  }

  private take(record: ConsumedRecord): void {
    const key = record.key?.toString('utf8');
    let value: T | undefined;
    try {
      if (key === undefined) throw new Error('the record has no key');
      value = record.value === null ? undefined : this.options.decode(record.value, key, record);
    } catch (error) {
      this.undecodableRecords++;
      const { topic, partition, offset } = record;
      this.logger.error(
        { topic, partition, offset, key, error: asError(error).message },
        'record skipped: it cannot be read',
      );
      return;
    }
    if (value === undefined) this.entriesByKey.delete(key);
    else this.entriesByKey.set(key, value);
    for (const listener of this.listeners) this.notify(listener, key, value);
  }

  private notify(listener: (key: string, value: T | undefined) => void, key: string, value: T | undefined): void {
    try {
      listener(key, value);
    } catch (error) {
      this.logger.error(
        { topic: this.options.topic, key, error: asError(error).message },
        'a listener of the view threw',
      );
    }
  }
}
