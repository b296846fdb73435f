import type { Consumer, ConsumerConfig, EachBatchPayload } from 'kafkajs';
import { backoffMs, pause, within } from './backoff.js';
import type { KafkaClient } from './client.js';
import { Connections } from './connections.js';
import { asError } from './errors.js';

/** topic as it is called in the cluster → partitions. */
export type Assignment = Record<string, number[]>;

export interface ConsumerSessionOptions {
  client: KafkaClient;
  /** Called for each consumer anew. */
  groupId: () => string;
  topics: () => string[];
  fromBeginning: boolean;
  partitionsConsumedConcurrently: number;
  eachBatchAutoResolve: boolean;
  consumer: Omit<ConsumerConfig, 'groupId' | 'retry'>;
  eachBatch(payload: EachBatchPayload, session: Session): Promise<void>;
  /** Partitions were assigned and nothing has been fetched yet; may `seek`. Must not wait. */
  onAssigned?(assignment: Assignment, session: Session): void;
  /** While it is true nothing is fetched, and that is no reason to replace the consumer. */
  isHeld?(): boolean;
  /** A fetched batch is done with, also one of nothing but transaction markers or aborted records (`records` 0). */
  onBatchEnd?(topic: string, partition: number, nextOffset: bigint, records: number, session: Session): void;
}

/** One kafkajs consumer from its connection to its end. */
export interface Session {
  consumer: Consumer;
  /** Aborted when this consumer is to stop: what it still does must have no effect. */
  ended: AbortSignal;
}

/** Without an answered fetch for this long the consumer does not count as connected. */
const SILENT_MS = 3_000;
/** Without one for this long it is replaced: kafkajs can hang without saying so (tulios/kafkajs#659). */
const STALLED_MS = 20_000;

/**
 * A consumer that always comes back. kafkajs restarts after some crashes and gives up after others; here every end of a
 * consumer, whatever the reason, is followed by a new one, after a jittered back-off of at most 5 s.
 */
export class ConsumerLoop {
  private readonly stopped = new AbortController();
  private running: Promise<void> | undefined;
  private current: Session | undefined;
  private connections: Connections | undefined;
  private assigned: Assignment | undefined;
  private busy = 0;
  private lastFetchAt = 0;
  private error: Error | undefined;

  constructor(private readonly options: ConsumerSessionOptions) {}

  start(): void {
    this.running ??= this.runUntilStopped();
  }

  /** Assigned, and Kafka answers. */
  isConnected(): boolean {
    if (!this.assigned) return false;
    return this.busy > 0 || performance.now() - this.lastFetchAt < SILENT_MS;
  }

  get assignment(): Assignment {
    return this.assigned ?? {};
  }

  /** Why the last consumer ended; undefined once there is a new one. */
  get lastError(): Error | undefined {
    return this.error;
  }

  get consumer(): Consumer | undefined {
    return this.current?.consumer;
  }

  /** Resolves when the batch in hand is done with, or after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    this.stopped.abort();
    await within(timeoutMs, this.running ?? Promise.resolve());
    this.connections?.cutOff();
  }

  private async runUntilStopped(): Promise<void> {
    const { logger } = this.options.client;
    for (let attempt = 1; !this.stopped.signal.aborted; attempt++) {
      const startedAt = performance.now();
      try {
        await this.runOne();
      } catch (error) {
        this.error = asError(error);
      }
      this.assigned = undefined;
      if (this.stopped.signal.aborted) return;
      if (performance.now() - startedAt > 60_000) attempt = 1;
      const delay = backoffMs(attempt);
      logger.warn(
        { topics: this.options.topics(), error: this.error?.message, delayMs: Math.round(delay) },
        'consumer ended, starting another',
      );
      await pause(delay, this.stopped.signal);
    }
  }

  /** Resolves when stopped; throws whatever else ended the consumer. */
  private async runOne(): Promise<void> {
    const { client, groupId, topics, fromBeginning, eachBatch, ...options } = this.options;
    const end = new AbortController();
    const connections = (this.connections = new Connections());
    const consumer = client.open({ connections }).consumer({
      ...options.consumer,
      groupId: groupId(),
      allowAutoTopicCreation: false,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 8, restartOnFailure: async () => false },
    });
    const session: Session = { consumer, ended: end.signal };
    this.current = session;

    let crashed: (error: Error) => void = () => undefined;
    const crash = new Promise<never>((_, reject) => (crashed = reject));
    crash.catch(() => undefined);
    const onStop = () => crashed(new Error('stopped'));
    this.stopped.signal.addEventListener('abort', onStop);
    const watchdog = setInterval(() => {
      if (options.isHeld?.()) this.lastFetchAt = performance.now();
      if (this.busy === 0 && performance.now() - this.lastFetchAt > STALLED_MS) {
        crashed(new Error(`no fetch was answered for ${STALLED_MS} ms`));
      }
    }, 1_000).unref();

    consumer.on(consumer.events.CRASH, ({ payload }) => crashed(payload.error));
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      if (end.signal.aborted) return;
      options.onAssigned?.(payload.memberAssignment, session);
      this.lastFetchAt = performance.now();
      this.assigned = payload.memberAssignment;
      this.error = undefined;
    });
    consumer.on(consumer.events.REQUEST, ({ payload }) => {
      if (payload.apiName === 'Fetch') this.lastFetchAt = performance.now();
    });
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      if (end.signal.aborted || payload.lastOffset === null) return;
      const next = BigInt(payload.lastOffset) + 1n;
      options.onBatchEnd?.(payload.topic, payload.partition, next, payload.batchSize, session);
    });

    this.lastFetchAt = performance.now();
    try {
      const run = async (): Promise<never> => {
        await consumer.connect();
        await consumer.subscribe({ topics: topics(), fromBeginning });
        await consumer.run({
          autoCommit: false,
          eachBatchAutoResolve: options.eachBatchAutoResolve,
          partitionsConsumedConcurrently: options.partitionsConsumedConcurrently,
          eachBatch: async (payload) => {
            this.busy++;
            try {
              await eachBatch(payload, session);
            } finally {
              this.busy--;
            }
          },
        });
        return crash;
      };
      await Promise.race([run(), crash]);
    } catch (error) {
      if (!this.stopped.signal.aborted) throw error;
    } finally {
      clearInterval(watchdog);
      this.stopped.signal.removeEventListener('abort', onStop);
      this.assigned = undefined;
      // When stopping, the batch in hand may still finish and commit; otherwise its outcome no longer counts.
      if (!this.stopped.signal.aborted) end.abort();
      const disconnected = consumer.disconnect().catch(() => undefined);
      await (this.stopped.signal.aborted ? disconnected : within(5_000, disconnected));
      end.abort();
      connections.cutOff();
    }
  }
}
