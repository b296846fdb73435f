import type { Topic } from '#contracts/topics.js';
import type { Message, Producer } from 'kafkajs';
import { backoffMs, pause, within } from './backoff.js';
import type { KafkaClient } from './client.js';
import { Connections } from './connections.js';
import { asError, BrokerUnavailable, protocolErrorOf, RecordRefused } from './errors.js';
import { byTopic, isStored, sizeOf, stickyPartitioner, toMessage } from './partitioning.js';
import type { OutgoingRecord } from './record.js';

export interface BatchPublisherOptions {
  /** From `publish` to its rejection, at most. Default 5000 ms. */
  deliveryTimeoutMs?: number;
  /** Of one request. Default 512 KiB; a larger record travels alone. */
  maxBatchBytes?: number;
  maxBatchRecords?: number;
  /** Beyond these `publish` rejects at once. Default 20,000 records, 64 MiB. */
  maxQueuedRecords?: number;
  maxQueuedBytes?: number;
  /** After each acknowledged request; for metrics. */
  onBatch?: (batch: { records: number; bytes: number; durationMs: number }) => void;
  /** After each rejection of records. */
  onFailure?: (failure: { records: number; error: Error }) => void;
}

interface Queued {
  topic: string;
  message: Message;
  bytes: number;
  deadline: number;
  settled: boolean;
  resolve(): void;
  reject(error: Error): void;
}

interface Session {
  producer: Producer;
  connections: Connections;
}

const REFUSALS = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'INVALID_TIMESTAMP']);
const PROBE_EVERY_MS = 5_000;

/**
 * Publishes concurrent records in one request: what comes while a request is on its way travels in the next one.
 *
 * Only one request is on its way at a time, and a producer whose request failed is never used again. kafkajs hands out a
 * failed request's sequence numbers a second time, and Kafka acknowledges different records that carry them as duplicates
 * without storing them.
 */
export class BatchPublisher {
  private readonly deliveryTimeoutMs: number;
  private readonly maxBatchBytes: number;
  private readonly maxBatchRecords: number;
  private readonly maxQueuedRecords: number;
  private readonly maxQueuedBytes: number;
  private readonly stopped = new AbortController();
  private queue: Queued[] = [];
  /** Not yet settled, waiting or on their way. */
  private openRecords = 0;
  private openBytes = 0;
  private failures = 0;
  private sendSingly = 0;
  private whenDrained: (() => void)[] = [];
  private inFlight: Queued[] = [];
  private session: Session | undefined;
  private connecting: Promise<void> | undefined;
  private flushScheduled = false;
  private sweeper: NodeJS.Timeout | undefined;
  private probe: NodeJS.Timeout | undefined;
  private lastSuccessAt = 0;
  private closed = false;
  private error: Error | undefined;

  constructor(
    private readonly client: KafkaClient,
    private readonly options: BatchPublisherOptions = {},
  ) {
    this.deliveryTimeoutMs = options.deliveryTimeoutMs ?? 5_000;
    this.maxBatchBytes = options.maxBatchBytes ?? 512 * 1024;
    this.maxBatchRecords = options.maxBatchRecords ?? 1_000;
    this.maxQueuedRecords = options.maxQueuedRecords ?? 20_000;
    this.maxQueuedBytes = options.maxQueuedBytes ?? 64 * 1024 * 1024;
  }

  /**
   * Connects ahead of the first `publish`. Resolves once connected or after `deliveryTimeoutMs`; never rejects, and goes on
   * trying in the background.
   */
  async start(): Promise<void> {
    this.probe ??= setInterval(() => void this.probeWhenIdle(), PROBE_EVERY_MS).unref();
    await within(this.deliveryTimeoutMs, this.connect());
  }

  /**
   * Resolves once every in-sync replica holds the record; records of one key keep their order. Rejects with
   * `BrokerUnavailable` within `deliveryTimeoutMs`, or at once where too much is waiting; with `RecordRefused` where the
   * broker will never take it.
   */
  publish(topic: Topic, record: OutgoingRecord): Promise<void> {
    const bytes = sizeOf(record);
    if (this.closed) return this.refuse('the publisher is closed');
    if (this.openRecords >= this.maxQueuedRecords || this.openBytes + bytes > this.maxQueuedBytes) {
      return this.refuse('too many records wait for Kafka');
    }
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + this.deliveryTimeoutMs;
      this.openRecords++;
      this.openBytes += bytes;
      this.queue.push({
        topic: this.client.topic(topic),
        message: toMessage(record),
        bytes,
        deadline,
        settled: false,
        resolve,
        reject,
      });
      this.sweeper ??= setTimeout(() => this.sweep(), this.deliveryTimeoutMs);
      this.scheduleFlush();
    });
  }

  /** Connected, and the last thing tried was acknowledged. */
  isHealthy(): boolean {
    return this.session !== undefined && this.error === undefined && !this.closed;
  }

  /** Why it is not healthy; undefined once Kafka has answered again. */
  get lastError(): Error | undefined {
    return this.error;
  }

  /** Takes no more records, waits until the ones it has are settled, disconnects. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.probe);
    if (this.openRecords > 0) await new Promise<void>((resolve) => this.whenDrained.push(resolve));
    this.stopped.abort();
    clearTimeout(this.sweeper);
    await within(2_000, this.connecting ?? Promise.resolve());
    this.dropSession();
  }

  private refuse(reason: string): Promise<never> {
    const error = new BrokerUnavailable(reason, { cause: this.error });
    this.options.onFailure?.({ records: 1, error });
    return Promise.reject(error);
  }

  private scheduleFlush(): void {
    if (this.flushScheduled || this.inFlight.length > 0 || this.queue.length === 0) return;
    if (!this.session) {
      void this.connect();
      return;
    }
    this.flushScheduled = true;
    setImmediate(() => {
      this.flushScheduled = false;
      if (this.session && this.inFlight.length === 0) void this.send(this.session, this.takeBatch());
    });
  }

  private takeBatch(): Queued[] {
    if (this.sendSingly > 0) {
      this.sendSingly--;
      return this.queue.splice(0, 1);
    }
    let bytes = 0;
    let count = 0;
    for (const queued of this.queue) {
      if (count === this.maxBatchRecords || (count > 0 && bytes + queued.bytes > this.maxBatchBytes)) break;
      bytes += queued.bytes;
      count++;
    }
    return this.queue.splice(0, count);
  }

  private async send(session: Session, batch: Queued[]): Promise<void> {
    if (batch.length === 0) return;
    this.inFlight = batch;
    const startedAt = performance.now();
    try {
      const acknowledged = await session.producer.sendBatch({
        acks: -1,
        timeout: this.deliveryTimeoutMs,
        topicMessages: byTopic(batch),
      });
      if (!isStored(batch, acknowledged)) throw new BrokerUnavailable('not every partition has acknowledged');
    } catch (error) {
      if (this.session === session) this.failed(batch, asError(error));
      return;
    }
    if (this.session !== session) return;
    this.inFlight = [];
    this.error = undefined;
    this.failures = 0;
    this.lastSuccessAt = performance.now();
    for (const queued of batch) this.settle(queued, undefined);
    const bytes = batch.reduce((sum, queued) => sum + queued.bytes, 0);
    this.options.onBatch?.({ records: batch.length, bytes, durationMs: this.lastSuccessAt - startedAt });
    this.scheduleFlush();
  }

  /** The records go first in the next request, of another producer, as long as their time has not run out. */
  private failed(batch: Queued[], error: Error): void {
    this.error = error;
    this.failures++;
    this.inFlight = [];
    this.dropSession();
    const refused = REFUSALS.has(protocolErrorOf(error)?.type ?? '');
    if (refused && batch.length === 1) {
      this.rejectAll(batch, new RecordRefused(error.message, { cause: error }));
    } else {
      // Which of them it was the broker does not say, so they travel one by one.
      if (refused) this.sendSingly = batch.length;
      this.queue = [...batch.filter(({ settled }) => !settled), ...this.queue];
      this.client.logger.warn(
        { records: batch.length, error: error.message },
        'Kafka did not acknowledge, trying again',
      );
    }
    this.scheduleFlush();
  }

  /** Rejects what has run out of time. A request of nothing else is given up. */
  private sweep(): void {
    this.sweeper = undefined;
    const now = performance.now();
    const error = new BrokerUnavailable(`Kafka did not acknowledge within ${this.deliveryTimeoutMs} ms`, {
      cause: this.error,
    });
    const late = [...this.inFlight, ...this.queue].filter(({ settled, deadline }) => !settled && deadline <= now);
    if (late.length > 0) {
      this.error ??= error;
      this.rejectAll(late, error);
      this.queue = this.queue.filter(({ settled }) => !settled);
      if (this.inFlight.length > 0 && this.inFlight.every(({ settled }) => settled)) {
        this.inFlight = [];
        this.dropSession();
      }
    }
    const next = [...this.inFlight, ...this.queue].find(({ settled }) => !settled);
    if (next) this.sweeper = setTimeout(() => this.sweep(), Math.max(1, next.deadline - now));
    this.scheduleFlush();
  }

  private rejectAll(batch: Queued[], error: Error): void {
    const open = batch.filter(({ settled }) => !settled);
    for (const queued of open) this.settle(queued, error);
    this.options.onFailure?.({ records: open.length, error });
  }

  private settle(queued: Queued, error: Error | undefined): void {
    if (queued.settled) return;
    queued.settled = true;
    this.openRecords--;
    this.openBytes -= queued.bytes;
    if (error) queued.reject(error);
    else queued.resolve();
    if (this.openRecords === 0) for (const drained of this.whenDrained.splice(0)) drained();
  }

  private dropSession(): void {
    const session = this.session;
    if (!session) return;
    this.session = undefined;
    disconnect(session);
    void this.connect();
  }

  /** Until there is a producer, or the publisher is closed. */
  private connect(): Promise<void> {
    if (this.session || this.stopped.signal.aborted) return Promise.resolve();
    this.connecting ??= this.connectUntilDone().finally(() => {
      this.connecting = undefined;
      this.scheduleFlush();
    });
    return this.connecting;
  }

  private async connectUntilDone(): Promise<void> {
    if (this.failures > 1) await pause(backoffMs(this.failures - 1, 50, 1_000), this.stopped.signal);
    for (let attempt = 1; !this.stopped.signal.aborted; attempt++) {
      const session = this.newSession();
      try {
        await session.producer.connect();
        if (this.stopped.signal.aborted) return disconnect(session);
        this.session = session;
        this.error = undefined;
        if (attempt > 1) this.client.logger.info({ attempt }, 'publisher connected to Kafka again');
        return;
      } catch (error) {
        disconnect(session);
        this.error = asError(error);
        await pause(backoffMs(attempt, 50, 1_000), this.stopped.signal);
      }
    }
  }

  private newSession(): Session {
    const connections = new Connections();
    const kafka = this.client.open({ requestTimeoutMs: this.deliveryTimeoutMs, retries: 1, connections });
    const producer = kafka.producer({
      idempotent: true,
      allowAutoTopicCreation: false,
      createPartitioner: stickyPartitioner,
      metadataMaxAge: 60_000,
      retry: { initialRetryTime: 20, maxRetryTime: 500, factor: 0.2, multiplier: 2, retries: 4 },
    });
    return { producer, connections };
  }

  /** Nobody publishes: is Kafka still there? */
  private async probeWhenIdle(): Promise<void> {
    if (!this.session || this.inFlight.length > 0 || performance.now() - this.lastSuccessAt < PROBE_EVERY_MS) return;
    try {
      await this.client.ping();
      this.error = undefined;
    } catch (error) {
      this.error = asError(error);
    }
  }
}

function disconnect({ producer, connections }: Session): void {
  connections.cutOff();
  producer.disconnect().catch(() => undefined);
}
