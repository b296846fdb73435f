import { randomUUID } from 'node:crypto';
import type { Topic } from '#contracts/topics.js';
import type { Consumer, EachBatchPayload } from 'kafkajs';
import { backoffMs, pause } from './backoff.js';
import type { KafkaClient } from './client.js';
import { type Assignment, ConsumerLoop, type Session } from './consumer-session.js';
import { asError } from './errors.js';
import type { KafkaLogger } from './logger.js';
import { type ConsumedRecord, toConsumedRecord } from './record.js';

export interface TopicReaderOptions {
  topics: Topic[];
  /** Called with the records of one partition, in order, one call at a time. Where it throws, they come again. */
  onRecords(records: ConsumedRecord[]): void | Promise<void>;
  /**
   * The first offset to read; the earliest where undefined. Asked once for each partition. It may take its time: the group is
   * joined meanwhile, and nothing is read until all have answered.
   */
  startAt?: (topic: Topic, partition: number) => Promise<string | undefined> | string | undefined;
  /** Everything before `position` is handled: at the start, and whenever it moves. */
  onPosition?(topic: Topic, partition: number, position: bigint): void;
  logger?: KafkaLogger;
}

interface Partition {
  topic: Topic;
  partition: number;
  /** The next offset to be handled. */
  position: bigint;
  /** Caught up at this position; undefined once it was reached. */
  goal: bigint | undefined;
}

const RECHECK_MS = 5_000;

/**
 * Reads whole topics, in every process for itself: nothing is shared with other readers and nothing is committed. Only
 * committed transactions are read.
 *
 * Kafka may go away and come back: reading goes on at the record after the last one handled. Records may come a second
 * time; none is skipped. Where Kafka no longer holds the position, it begins again at the earliest record there is.
 */
export class TopicReader {
  /** Resolves once everything is handled that the topics held at the start. Never rejects. */
  readonly caughtUp: Promise<void>;
  private readonly partitions = new Map<string, Partition>();
  private readonly loop: ConsumerLoop;
  private readonly logger: KafkaLogger;
  private readonly stopped = new AbortController();
  private started: Promise<void> | undefined;
  private readonly onAdvance = new Set<() => void>();
  /** Where to start is known of every partition. */
  private isPlaced = false;
  private isUpToDate = false;
  private startError: Error | undefined;
  private recheck: NodeJS.Timeout | undefined;
  private resolveCaughtUp!: () => void;
  private resolveAssigned!: () => void;

  constructor(
    private readonly client: KafkaClient,
    private readonly options: TopicReaderOptions,
  ) {
    this.logger = options.logger ?? client.logger;
    this.caughtUp = new Promise((resolve) => (this.resolveCaughtUp = resolve));
    this.loop = new ConsumerLoop({
      client,
      // A new group each time, so that there is no vanished member of the old one to wait for.
      groupId: () => `${client.config.topicPrefix}${client.config.clientId}-reader-${randomUUID()}`,
      topics: () => options.topics.map(client.topic),
      fromBeginning: true,
      partitionsConsumedConcurrently: 1,
      eachBatchAutoResolve: true,
      consumer: {
        sessionTimeout: 30_000,
        heartbeatInterval: 3_000,
        maxWaitTimeInMs: 250,
        minBytes: 1,
        // A partition that was added is read after this time at most.
        metadataMaxAge: 5_000,
      },
      eachBatch: (payload, session) => this.eachBatch(payload, session),
      onAssigned: (assignment, { consumer }) => this.takeUp(assignment, consumer),
      isHeld: () => !this.isPlaced,
      onBatchEnd: (topic, partition, next) => this.advance(topic, partition, next),
    });
  }

  /** Resolves once partitions are assigned; until Kafka can be reached it goes on trying. Also resolves when closed. */
  start(): Promise<void> {
    this.started ??= this.begin();
    return this.started;
  }

  isCaughtUp(): boolean {
    return this.isUpToDate;
  }

  /** topic → partition → the next offset to be handled. */
  positions(): Record<string, Record<number, string>> {
    const positions: Record<string, Record<number, string>> = {};
    for (const { topic, partition, position } of this.partitions.values()) {
      (positions[topic] ??= {})[partition] = position.toString();
    }
    return positions;
  }

  /** Resolves once everything before these offsets (partition → offset) is handled, or when closed. */
  async reached(topic: Topic, offsets: Record<number, string>): Promise<void> {
    const isBehind = ([partition, offset]: [string, string]): boolean =>
      (this.partitions.get(keyOf(this.client.topic(topic), Number(partition)))?.position ?? 0n) < BigInt(offset);
    while (!this.stopped.signal.aborted && Object.entries(offsets).some(isBehind)) {
      await new Promise<void>((resolve) => this.onAdvance.add(resolve));
    }
  }

  /** Partitions are assigned and Kafka answers. */
  isConnected(): boolean {
    return this.loop.isConnected();
  }

  get lastError(): Error | undefined {
    return this.startError ?? this.loop.lastError;
  }

  async close(): Promise<void> {
    this.stopped.abort();
    clearTimeout(this.recheck);
    await this.loop.close(5_000);
    this.resolveAssigned?.();
    for (const resolve of this.onAdvance) resolve();
  }

  private async begin(): Promise<void> {
    const assigned = new Promise<void>((resolve) => (this.resolveAssigned = resolve));
    await Promise.race([this.place(), assigned]);
    await assigned;
  }

  private async place(): Promise<void> {
    for (let attempt = 1; !this.stopped.signal.aborted; attempt++) {
      try {
        await this.findPositions();
        this.startError = undefined;
        break;
      } catch (error) {
        this.startError = asError(error);
        this.logger.warn({ topics: this.options.topics, error: this.startError.message }, 'cannot read yet');
        await pause(backoffMs(attempt, 100, 2_000), this.stopped.signal);
      }
    }
    if (this.stopped.signal.aborted) return;
    this.isPlaced = true;
    const { assignment, consumer } = this.loop;
    if (consumer && Object.keys(assignment).length > 0) this.takeUp(assignment, consumer);
    this.checkCaughtUp();
  }

  private async findPositions(): Promise<void> {
    const { startAt, topics } = this.options;
    const offsets = await Promise.all(
      topics.map(async (topic) => (await this.offsetsOf(topic)).map((found) => ({ topic, ...found }))),
    );
    // The topics are there. To join a group takes as long as to find out where to start, or longer.
    this.loop.start();
    for (const { topic, partition, low, high } of offsets.flat()) {
      const asked = await startAt?.(topic, partition);
      const position = asked !== undefined && BigInt(asked) > BigInt(low) ? BigInt(asked) : BigInt(low);
      const key = keyOf(this.client.topic(topic), partition);
      this.partitions.set(key, { topic, partition, position, goal: BigInt(high) });
      this.options.onPosition?.(topic, partition, position);
    }
  }

  private offsetsOf(topic: Topic): Promise<{ partition: number; low: string; high: string }[]> {
    return this.client.withAdmin((admin) => admin.fetchTopicOffsets(this.client.topic(topic)));
  }

  /** kafkajs would begin at the earliest record after each assignment; go on where we were, once that is known. */
  private takeUp(assignment: Assignment, consumer: Consumer): void {
    const topics = Object.keys(assignment).map((topic) => ({ topic }));
    if (!this.isPlaced) return consumer.pause(topics);
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) {
        const known = this.partitions.get(keyOf(topic, partition));
        if (known) consumer.seek({ topic, partition, offset: known.position.toString() });
      }
    }
    consumer.resume(topics);
    this.resolveAssigned();
  }

  private async eachBatch({ batch, heartbeat, isRunning }: EachBatchPayload, session: Session): Promise<void> {
    const topic = this.client.contractName(batch.topic);
    const records = batch.messages.map((message) => toConsumedRecord(topic, batch.partition, message));
    for (let attempt = 1; !session.ended.aborted; attempt++) {
      try {
        await this.options.onRecords(records);
        return;
      } catch (error) {
        this.logger.error(
          {
            topic,
            partition: batch.partition,
            firstOffset: batch.firstOffset(),
            attempt,
            error: asError(error).message,
          },
          'records could not be handled, they come again',
        );
      }
      await pause(backoffMs(attempt), AbortSignal.any([session.ended, this.stopped.signal]));
      if (!isRunning() || this.stopped.signal.aborted) break;
      await heartbeat();
    }
    throw new Error('the records were not handled');
  }

  private advance(topic: string, partition: number, next: bigint): void {
    const key = keyOf(topic, partition);
    const contractTopic = this.client.contractName(topic) as Topic;
    this.options.onPosition?.(contractTopic, partition, next);
    const known = this.partitions.get(key);
    if (!known) {
      // Added to the topic after the start, so it does not delay `caughtUp`.
      this.partitions.set(key, { topic: contractTopic, partition, position: next, goal: undefined });
      return;
    }
    known.position = next;
    for (const resolve of this.onAdvance) resolve();
    this.onAdvance.clear();
    if (known.goal !== undefined) this.checkCaughtUp();
  }

  private checkCaughtUp(): void {
    if (this.isUpToDate) return;
    for (const partition of this.partitions.values()) {
      if (partition.goal !== undefined && partition.position >= partition.goal) partition.goal = undefined;
    }
    if ([...this.partitions.values()].every(({ goal }) => goal === undefined)) {
      this.isUpToDate = true;
      clearTimeout(this.recheck);
      this.resolveCaughtUp();
      return;
    }
    this.recheck ??= setTimeout(() => void this.lowerGoals(), RECHECK_MS).unref();
  }

  /** Where a topic was emptied or made anew meanwhile, its old end is never reached. */
  private async lowerGoals(): Promise<void> {
    for (const topic of this.options.topics) {
      for (const { partition, high } of await this.offsetsOf(topic).catch(() => [])) {
        const known = this.partitions.get(keyOf(this.client.topic(topic), partition));
        if (known?.goal !== undefined && BigInt(high) < known.goal) known.goal = BigInt(high);
      }
    }
    this.recheck = undefined;
    if (!this.stopped.signal.aborted) this.checkCaughtUp();
  }
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;
