import { type Topic, TOPICS } from '#contracts/topics.js';
import { pause } from '#kafka/backoff.js';
import type { KafkaClient } from '#kafka/client.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { TopicReader } from '#kafka/topic-reader.js';
import type { Logger } from '#platform/logging.js';
import { FeedEntries, type FeedEntry } from './feed-entries.js';

const FEED_TOPICS: Topic[] = [TOPICS.workosEvents, TOPICS.revocations, TOPICS.identityProviders, TOPICS.refusals];
/** Of each partition, when the portal starts. */
const HISTORY_RECORDS = 200;
/** That are kept in memory; of records as well, while nobody watches. */
const KEPT_ENTRIES = 2_000;
/** While nobody watches, so long nothing is fetched after a few records: a fetch costs here and in Kafka whatever it brings. */
const REST_MS = 100;
const FEW_RECORDS = 100;

/** One thing that happened, at its place in Kafka. */
export interface PlacedEntry extends FeedEntry {
  /** `<topic's number>.<partition>`: everything there up to the offset was told. */
  place: string;
  offset: bigint;
  /** All places so far, as the `id:` of server-sent events. */
  id: string;
}

export type Listener = (entry: PlacedEntry) => void;

/**
 * What happens, read from Kafka once for all who watch. Places are offsets, so that whoever comes back, also to another
 * replica, goes on behind what they have seen.
 */
export class Feed {
  private readonly reader: TopicReader;
  private readonly entries = new FeedEntries();
  private readonly kept: PlacedEntry[] = [];
  /** Came while nobody watched: to read them takes as long as to apply them, so they are read for who comes. */
  private unread: ConsumedRecord[] = [];
  private readonly told = new Map<string, bigint>();
  private readonly listeners = new Set<Listener>();
  private readonly endings = new Set<() => void>();
  /** Aborted when somebody comes to watch. */
  private unwatched = new AbortController();

  constructor(
    private readonly client: KafkaClient,
    logger: Logger,
    private readonly rest: typeof pause = pause,
  ) {
    this.reader = new TopicReader(client, {
      topics: FEED_TOPICS,
      startAt: (topic, partition) => this.startAt(topic, partition),
      onRecords: (records) => this.takeAll(records),
      logger,
    });
  }

  /** Resolves once reading has begun. */
  start(): Promise<void> {
    return this.reader.start();
  }

  /** Everything of before that is behind `lastId`, then what comes. Returns what ends it. */
  follow(lastId: string | undefined, listener: Listener, onEnd: () => void): () => void {
    const seen = readId(lastId);
    this.unwatched.abort();
    this.unwatched = new AbortController();
    this.readUp();
    for (const entry of this.kept) if (entry.offset > (seen.get(entry.place) ?? -1n)) listener(entry);
    this.listeners.add(listener);
    this.endings.add(onEnd);
    return () => {
      this.listeners.delete(listener);
      this.endings.delete(onEnd);
    };
  }

  /** What is not on Kafka; whoever follows later is not told of it. */
  tell(entry: FeedEntry): void {
    for (const listener of this.listeners) listener({ ...entry, place: '', offset: 0n, id: writeId(this.told) });
  }

  get followers(): number {
    return this.listeners.size;
  }

  /** Ends all who follow, so that the process can end. */
  endAll(): void {
    for (const end of [...this.endings]) end();
  }

  close(): Promise<void> {
    this.unwatched.abort();
    return this.reader.close();
  }

  private async startAt(topic: Topic, partition: number): Promise<string> {
    const ends = await this.client.endOffsets(topic);
    const from = BigInt(ends[partition] ?? '0') - BigInt(HISTORY_RECORDS);
    return (from > 0n ? from : 0n).toString();
  }

  private async takeAll(records: readonly ConsumedRecord[]): Promise<void> {
    for (const record of records) {
      // Of its own: what was fetched is one piece of memory with others.
      this.unread.push({ ...record, value: record.value && Buffer.from(record.value) });
    }
    if (this.listeners.size > 0) return this.readUp();
    if (this.unread.length > 2 * KEPT_ENTRIES) this.unread = this.unread.slice(-KEPT_ENTRIES);
    if (records.length < FEW_RECORDS) await this.rest(REST_MS, this.unwatched.signal);
  }

  private readUp(): void {
    for (const record of this.unread.splice(0)) this.take(record);
  }

  private take(record: ConsumedRecord): void {
    const place = `${FEED_TOPICS.indexOf(record.topic as Topic)}.${record.partition}`;
    const offset = BigInt(record.offset);
    if (offset <= (this.told.get(place) ?? -1n)) return;
    this.told.set(place, offset);
    for (const entry of this.entries.of(record)) {
      const placed = { ...entry, place, offset, id: writeId(this.told) };
      this.kept.push(placed);
      if (this.kept.length > KEPT_ENTRIES) this.kept.shift();
      for (const listener of this.listeners) listener(placed);
    }
  }
}

const writeId = (places: ReadonlyMap<string, bigint>): string =>
  [...places].map(([place, offset]) => `${place}:${offset}`).join(',');

/** What is no id of ours says nothing. */
function readId(id: string | undefined): Map<string, bigint> {
  const places = (id ?? '').slice(0, 10_000).matchAll(/(\d+\.\d+):(\d{1,19})/g);
  return new Map([...places].map(([, place, offset]) => [place!, BigInt(offset!)]));
}
