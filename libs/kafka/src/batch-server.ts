import type { Topic } from '#contracts/topics.js';
import { BaseRpcContext, type CustomTransportStrategy, Server } from '@nestjs/microservices';
import type { Batch, EachBatchPayload, KafkaMessage } from 'kafkajs';
import { isObservable, lastValueFrom } from 'rxjs';
import { backoffMs, pause } from './backoff.js';
import type { KafkaClient } from './client.js';
import { type Assignment, ConsumerLoop, type Session } from './consumer-session.js';
import { asError } from './errors.js';
import { after, type ConsumedRecord, toConsumedRecord } from './record.js';

export interface KafkaBatchServerOptions {
  client: KafkaClient;
  groupId: string;
  /** A fetch that brings more is handed over in several batches. Default 1000. */
  maxRecordsPerBatch?: number;
  /** Where a group without offsets, or with one that Kafka no longer holds, begins. Default true. */
  fromBeginning?: boolean;
  /** Default 3. */
  partitionsConsumedConcurrently?: number;
  /** How long Kafka may hold a fetch without records. Default 50 ms. */
  maxWaitTimeInMs?: number;
  /** A process that vanished loses its partitions after this. Default 10,000 ms. */
  sessionTimeout?: number;
  /** How long a batch may take when the group is rebalanced. Default 60,000 ms. */
  rebalanceTimeout?: number;
  /**
   * How long, ms, after a batch of so many records, more are gathered before the next fetch: each batch costs a transaction and a
   * commit, whatever it holds. After one that came alone nothing waits, and neither does who is behind. Default: not at all.
   */
  gatherMs?: (records: number) => number;
  /** How long `close` waits for the batch in hand. Default 10,000 ms. */
  closeTimeoutMs?: number;
  /**
   * The next offset as whoever keeps the results knows it, asked at each assignment. Where that is before what Kafka has
   * committed, reading begins there: the results are what counts, and Kafka's offset only saves work. Never skips anything.
   */
  startAt?: (topic: Topic, partition: number) => Promise<string>;
  /** After each delivery of a batch; for metrics. `error` where the handler threw. */
  onBatch?: (batch: BatchOutcome) => void;
}

export interface BatchOutcome {
  topic: string;
  partition: number;
  records: number;
  attempt: number;
  durationMs: number;
  error?: Error;
}

/** Second argument of a handler. */
export class BatchContext extends BaseRpcContext {
  again: StartAgainAt | undefined;

  constructor(
    readonly topic: string,
    readonly partition: number,
    /** 1 at the first delivery of these records, then counting up. */
    readonly attempt: number,
    /** The offset that the next record written to the partition gets, as of the fetch. */
    readonly highWatermark: string,
    /** Aborted when the batch can no longer be committed: the partition was taken away, or closing takes too long. */
    readonly signal: AbortSignal,
  ) {
    super([]);
  }

  /**
   * To be called before the handler throws, and instead of a repetition: the partition is read again from this offset. The
   * error alone would not do, since Nest hands on another one.
   */
  startAgainAt(offset: string): void {
    this.again = new StartAgainAt(offset);
  }
}

/** What was applied has gone back (a restored backup), and the partition is to be read from there again. */
export class StartAgainAt extends Error {
  override readonly name = 'StartAgainAt';
  constructor(readonly offset: string) {
    super(`what was applied has gone back to ${offset}`);
  }
}

interface Failure {
  attempt: number;
  lastOffset: string;
}

const CLOSE_TIMEOUT_MS = 10_000;

/**
 * Hands records to handlers a batch at a time. Both parameters need their decorator, and the pattern its type:
 *
 * ```ts
 * @EventPattern<string>(TOPICS.workosEvents)
 * async handle(@Payload() records: ConsumedRecord[], @Ctx() context: BatchContext): Promise<void> {}
 * ```
 *
 * When the handler resolves, the offset after the batch is committed to Kafka. When it throws, nothing is committed, the
 * same records come again after a back-off (100 ms, doubling up to 5 s, jittered), and the other partitions go on.
 */
export class KafkaBatchServer extends Server implements CustomTransportStrategy {
  /** We report what a handler throws, so Nest need not. */
  override readonly propagatesEventHandlerErrors = true;
  private readonly client: KafkaClient;
  private readonly loop: ConsumerLoop;
  private readonly failures = new Map<string, Failure>();
  private readonly resumptions = new Set<NodeJS.Timeout>();
  private readonly stopping = new AbortController();
  private readonly closing = new AbortController();
  private readonly heartbeatInterval: number;
  private handlerError: Error | undefined;
  private isListening = false;
  /** Partitions that were assigned and of which nothing was handled yet. */
  private readonly beginnings = new Map<string, { isSought: boolean }>();

  constructor(private readonly options: KafkaBatchServerOptions) {
    super();
    this.client = options.client;
    const { sessionTimeout = 10_000, rebalanceTimeout = 60_000, maxWaitTimeInMs = 50 } = options;
    this.heartbeatInterval = Math.min(3_000, Math.floor(sessionTimeout / 4));
    this.loop = new ConsumerLoop({
      client: this.client,
      groupId: () => this.client.config.topicPrefix + options.groupId,
      topics: () => this.topics().map(this.client.topic),
      fromBeginning: options.fromBeginning ?? true,
      partitionsConsumedConcurrently: options.partitionsConsumedConcurrently ?? 3,
      eachBatchAutoResolve: false,
      consumer: {
        sessionTimeout,
        rebalanceTimeout,
        heartbeatInterval: this.heartbeatInterval,
        maxWaitTimeInMs,
        minBytes: 1,
        // A partition that was added is read after this time at most.
        metadataMaxAge: 5_000,
      },
      eachBatch: (payload, session) => this.eachBatch(payload, session),
      onAssigned: (assignment, session) => this.findStarts(assignment, session),
    });
  }

  /** Calls back at once: Kafka may come later, and readiness tells. */
  listen(callback: (error?: unknown) => void): void {
    this.isListening = true;
    if (this.topics().length > 0) this.loop.start();
    callback();
  }

  /** Resolves once the batch in hand is committed or failed, or after `closeTimeoutMs`. */
  async close(): Promise<void> {
    const timeoutMs = this.options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
    for (const timer of this.resumptions) clearTimeout(timer);
    this.stopping.abort();
    await this.loop.close(timeoutMs);
    this.closing.abort();
  }

  on(): never {
    throw new Error('KafkaBatchServer emits no events; see isConnected(), lastError and onBatch');
  }

  /** The kafkajs consumer of the moment. */
  unwrap<T>(): T {
    return this.loop.consumer as T;
  }

  /** Partitions are assigned and Kafka answers. */
  isConnected(): boolean {
    return this.loop.isConnected();
  }

  /** What Kafka or a handler failed with last; undefined once it works again. */
  get lastError(): Error | undefined {
    return this.loop.lastError ?? this.handlerError;
  }

  /** For readiness: why no batches are taken; undefined where they are. */
  problem(): string | undefined {
    if (!this.isListening) return 'has not begun to consume: the database, Kafka or the providers are missing';
    return this.isConnected() ? undefined : 'no partitions yet';
  }

  /** Of a partition assigned to this process a batch waits because its handler threw; it comes again. */
  isFailing(): boolean {
    const assigned = Object.entries(this.loop.assignment);
    return assigned.some(([topic, partitions]) => partitions.some((one) => this.failures.has(`${topic}/${one}`)));
  }

  /** topic (as in the contract) → partitions assigned to this process. */
  assignment(): Record<string, number[]> {
    const assigned = Object.entries(this.loop.assignment);
    return Object.fromEntries(assigned.map(([topic, partitions]) => [this.client.contractName(topic), partitions]));
  }

  /** topic → partition → records that the group has not committed yet, whoever reads them. Throws `BrokerUnavailable`. */
  lag(): Promise<Record<string, Record<number, bigint>>> {
    return this.client.lagOf(this.options.groupId, this.topics());
  }

  private topics(): string[] {
    return [...this.messageHandlers.keys()];
  }

  private async eachBatch(payload: EachBatchPayload, session: Session): Promise<void> {
    const { batch, resolveOffset, commitOffsetsIfNecessary, isRunning, isStale } = payload;
    const heart = new Heart(() => payload.heartbeat(), this.heartbeatInterval);
    const topic = this.client.contractName(batch.topic);
    try {
      if (!(await this.isAtItsBeginning(payload, session))) return;
      for (const slice of this.slices(`${batch.topic}/${batch.partition}`, batch.messages)) {
        if (!isRunning() || isStale() || session.ended.aborted) return;
        heart.throwIfLost();
        const records = slice.map((message) => toConsumedRecord(topic, batch.partition, message));
        const signal = AbortSignal.any([session.ended, this.closing.signal, heart.lost]);
        const outcome = await this.handle(records, batch.highWatermark, signal);
        if (outcome instanceof StartAgainAt) {
          session.consumer.seek({ topic: batch.topic, partition: batch.partition, offset: outcome.offset });
          return;
        }
        if (outcome !== undefined) {
          this.comeBackLater(session, payload);
          return;
        }
        const last = records.at(-1)!.offset;
        const offset = after(last === batch.messages.at(-1)!.offset ? batch.lastOffset() : last);
        // Not consumer.commitOffsets: it silently does nothing once the consumer is stopping.
        await commitOffsetsIfNecessary({
          topics: [{ topic: batch.topic, partitions: [{ partition: batch.partition, offset }] }],
        });
        resolveOffset(last);
      }
      heart.throwIfLost();
      await this.gather(batch, session);
    } finally {
      heart.stop();
    }
  }

  private async gather({ messages, highWatermark }: Batch, session: Session): Promise<void> {
    const { gatherMs } = this.options;
    if (!gatherMs || messages.length < 2) return;
    const isBehind = BigInt(messages.at(-1)!.offset) + 1n < BigInt(highWatermark);
    if (isBehind) return;
    await pause(gatherMs(messages.length), AbortSignal.any([session.ended, this.stopping.signal]));
  }

  /** Seeks at once, so that reading goes back also where no new record comes that would make us look. */
  private findStarts(assignment: Assignment, session: Session): void {
    this.beginnings.clear();
    const { startAt, groupId } = this.options;
    if (!startAt) return;
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) this.beginnings.set(`${topic}/${partition}`, { isSought: false });
    }
    const seek = async (): Promise<void> => {
      const committed = await this.client.committedOffsets(groupId, this.topics() as Topic[]);
      for (const [topic, partitions] of Object.entries(assignment)) {
        for (const partition of partitions) {
          const name = this.client.contractName(topic);
          const start = BigInt(await startAt(name as Topic, partition));
          const isBehind = start < (committed[name]?.[partition] ?? -1n);
          if (isBehind && !session.ended.aborted) session.consumer.seek({ topic, partition, offset: start.toString() });
        }
      }
    };
    // Where it cannot be found out now, the first batch asks again.
    seek().catch((error: unknown) => {
      this.client.logger.warn({ error: asError(error).message }, 'it is not known yet where to begin');
    });
  }

  /**
   * False: the first batch of a partition since it was assigned is later than where to begin; what comes next is not. Once
   * only, since the record at that offset may be gone (retention) or be none (a transaction's marker).
   */
  private async isAtItsBeginning(payload: EachBatchPayload, session: Session): Promise<boolean> {
    const { topic, partition, messages } = payload.batch;
    const key = `${topic}/${partition}`;
    const beginning = this.beginnings.get(key);
    if (!beginning || messages.length === 0) return true;
    let start: bigint;
    try {
      start = BigInt(await this.options.startAt!(this.client.contractName(topic) as Topic, partition));
    } catch (error) {
      this.handlerError = asError(error);
      this.comeBackLater(session, payload);
      return false;
    }
    if (start < BigInt(messages[0]!.offset) && !beginning.isSought) {
      beginning.isSought = true;
      session.consumer.seek({ topic, partition, offset: start.toString() });
      return false;
    }
    this.beginnings.delete(key);
    return true;
  }

  /** A batch that failed comes again as it was, without what has arrived since. */
  private *slices(key: string, messages: KafkaMessage[]): Generator<KafkaMessage[]> {
    const most = this.options.maxRecordsPerBatch ?? 1_000;
    for (let start = 0; start < messages.length;) {
      const failed = this.failures.get(key);
      const again = failed
        ? messages.findLastIndex(({ offset }) => BigInt(offset) <= BigInt(failed.lastOffset)) + 1
        : 0;
      const end = again > start ? Math.min(again, start + most) : start + most;
      yield start === 0 && end >= messages.length ? messages : messages.slice(start, end);
      start = end;
    }
  }

  /** Answers what the handler threw. */
  private async handle(
    records: ConsumedRecord[],
    highWatermark: string,
    signal: AbortSignal,
  ): Promise<Error | undefined> {
    const { topic, partition } = records[0]!;
    const key = `${this.client.topic(topic)}/${partition}`;
    const attempt = (this.failures.get(key)?.attempt ?? 0) + 1;
    const context = new BatchContext(topic, partition, attempt, highWatermark, signal);
    const startedAt = performance.now();
    let error: Error | undefined;
    try {
      await this.call(topic, records, context);
      this.failures.delete(key);
      if (this.failures.size === 0) this.handlerError = undefined;
    } catch (thrown) {
      error = context.again ?? asError(thrown);
      this.handlerError = error;
      const { offset } = records.at(-1)!;
      if (error instanceof StartAgainAt) this.failures.delete(key);
      else this.failures.set(key, { attempt, lastOffset: offset });
      this.client.logger.error(
        { topic, partition, firstOffset: records[0]!.offset, lastOffset: offset, attempt, error: error.message },
        'batch failed, it will come again',
      );
    }
    const durationMs = performance.now() - startedAt;
    this.options.onBatch?.({ topic, partition, records: records.length, attempt, durationMs, ...(error && { error }) });
    return error;
  }

  private async call(topic: string, records: ConsumedRecord[], context: BatchContext): Promise<void> {
    const handler = this.getHandlerByPattern(topic);
    if (!handler) throw new Error(`no handler for ${topic}`);
    // A hook need not return what it is given, so the outcome does not travel through it.
    await new Promise<void>((resolve, reject) => {
      this.runWithProcessingHooks(context, async (runEndHook) => {
        try {
          const result: unknown = await handler(records, context);
          if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
          resolve();
        } catch (error) {
          reject(asError(error));
        } finally {
          runEndHook();
        }
      });
    });
  }

  /** The partition rests, while the fetches of the others go on; its offset has not moved. */
  private comeBackLater(session: Session, payload: EachBatchPayload): void {
    const { topic, partition } = payload.batch;
    const attempt = this.failures.get(`${topic}/${partition}`)?.attempt ?? 1;
    const resume = payload.pause();
    const timer = setTimeout(() => {
      this.resumptions.delete(timer);
      if (!session.ended.aborted) resume();
    }, backoffMs(attempt));
    this.resumptions.add(timer);
  }
}

/** Keeps the membership in the group while a batch is being worked on. */
class Heart {
  private readonly lossOf = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private error: unknown;

  constructor(beat: () => Promise<void>, everyMs: number) {
    this.timer = setInterval(() => {
      beat().catch((error: unknown) => {
        this.error ??= error;
        // A rebalance still accepts what was worked on before it; an unknown member's commit is refused.
        const type = (error as { type?: string }).type;
        if (type === 'UNKNOWN_MEMBER_ID' || type === 'ILLEGAL_GENERATION') this.lossOf.abort();
      });
    }, everyMs);
  }

  get lost(): AbortSignal {
    return this.lossOf.signal;
  }

  /** Makes kafkajs join the group again. */
  throwIfLost(): void {
    if (this.error !== undefined) throw this.error;
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
