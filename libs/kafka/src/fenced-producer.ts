import { setTimeout as sleep } from 'node:timers/promises';
import type { Topic } from '#contracts/topics.js';
import type { Producer, Transaction } from 'kafkajs';
import { within } from './backoff.js';
import type { KafkaClient } from './client.js';
import { Connections } from './connections.js';
import { asError, BrokerUnavailable, brokerUnavailable, Fenced, protocolErrorOf } from './errors.js';
import { byTopic, countingPartitioner, isStored, placesOf, toMessage } from './partitioning.js';
import { endedAtStart, type TopicPartitions } from './kafkajs-corrections.js';
import type { OutgoingRecord, RecordPlace } from './record.js';

export interface FencedProducerOptions {
  /** The same in every replica: of those who acquired it, only the newest can write. */
  transactionalId: string;
  /** All that are ever written to. */
  topics: readonly Topic[];
  /** Of one `sendAll` and of one `acquire`. Default 5000 ms. */
  deliveryTimeoutMs?: number;
  /** Default 60,000 ms. */
  metadataMaxAgeMs?: number;
}

interface Holder {
  producer: Producer;
  connections: Connections;
  /** Topic as it is called in the cluster → as many partitions as anything that this holder sent was spread over, or more. */
  partitions: Map<string, number>;
}

/** A holder that vanished in the middle delays readers of committed records by this much. */
const TRANSACTION_TIMEOUT_MS = 10_000;
/** The coordinator is still writing the markers of the transaction before (kafkajs calls this final; Kafka says retry). */
const STILL_COMMITTING = 'CONCURRENT_TRANSACTIONS';
const FENCING = ['INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING'];
/** kafkajs 2.2.4 does not know PRODUCER_FENCED by name. */
const PRODUCER_FENCED = 'Unknown error code 90';

/**
 * Writes in transactions under one transactional id, so that a leader that was paused or cut off cannot write after its
 * successor began: whatever it still sends is refused or never committed.
 *
 * After anything but success, and once a connection is lost, this producer takes itself for dead: kafkajs neither repeats a
 * commit nor keeps sequence numbers right after a failed request. It never acquires the id again by itself, since that would
 * fence a successor.
 *
 * A broker that is killed right after it has acknowledged a commit may come back, take the partitions for deleted since it does
 * not know their leader yet, and drop the markers of that commit (seen with Kafka 4.3.1). The transaction then counts as
 * committed and yet stays open: readers of committed records wait there for the next marker of this producer, perhaps for
 * ever. So whoever acquires the id writes one into each partition of its topics. It commits, and never aborts: what an
 * earlier holder was told is committed must not vanish, and what was not is only older than what comes.
 */
export class FencedProducer {
  private readonly deliveryTimeoutMs: number;
  private holder: Holder | undefined;
  private fenced: Fenced | undefined;
  private sending: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly client: KafkaClient,
    private readonly options: FencedProducerOptions,
  ) {
    this.deliveryTimeoutMs = options.deliveryTimeoutMs ?? 5_000;
  }

  /**
   * Becomes the one holder of the transactional id: a transaction of an earlier holder is aborted, and every earlier
   * holder is fenced from now on. Throws `BrokerUnavailable`; then nothing is acquired.
   */
  async acquire(): Promise<void> {
    this.drop();
    this.fenced = undefined;
    const connections: Connections = new Connections(() => {
      // What was committed last may need to be ended again.
      if (this.holder?.connections === connections) this.drop();
    });
    const kafka = this.client.open({ requestTimeoutMs: this.deliveryTimeoutMs, retries: 20, connections });
    const partitions = new Map<string, number>();
    const transactionalId = this.client.config.topicPrefix + this.options.transactionalId;
    const producer = kafka.producer({
      transactionalId,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
      allowAutoTopicCreation: false,
      createPartitioner: countingPartitioner((topic, count) => noteAtLeast(partitions, topic, count)),
      metadataMaxAge: this.options.metadataMaxAgeMs ?? 60_000,
      retry: { initialRetryTime: 4, maxRetryTime: 500, factor: 0.2, multiplier: 2, retries: 10 },
    });
    const holder: Holder = { producer, connections, partitions };
    try {
      for (const topic of this.options.topics) {
        const offsets = await this.client.endOffsets(topic);
        noteAtLeast(partitions, this.client.topic(topic), Object.keys(offsets).length);
      }
      endedAtStart.set(transactionalId, allOf(partitions));
      // Only a transaction makes kafkajs ask for the producer id; an empty one sends nothing more.
      const acquired = await within(this.deliveryTimeoutMs, this.initialise(holder));
      if (!acquired) throw new BrokerUnavailable(`not acquired within ${this.deliveryTimeoutMs} ms`);
    } catch (error) {
      disconnect(holder);
      throw brokerUnavailable(error);
    } finally {
      endedAtStart.delete(transactionalId);
    }
    this.holder = holder;
  }

  /**
   * How many partitions one of `topics` has: no fewer than anything was spread over that this holder has sent by now, so that
   * a partition that was added is counted before it holds a record. Throws `BrokerUnavailable` before `acquire`.
   */
  partitionsOf(topic: Topic): number {
    const { partitions } = this.holder ?? notAcquired();
    return partitions.get(this.client.topic(topic)) ?? 0;
  }

  isAcquired(): boolean {
    return this.holder !== undefined;
  }

  /**
   * Resolves once all records are committed, durably: readers see them a few milliseconds later, all or none, in order and
   * before the ones of the next call; a reader started from now on is not caught up without them.
   * Throws `Fenced` where a newer holder exists. Throws `BrokerUnavailable` where it is unknown whether they are committed,
   * and before `acquire`: make sure that you still lead, acquire again, send again.
   * Answers where each of them stands.
   */
  sendAll(records: readonly (OutgoingRecord & { topic: Topic })[]): Promise<RecordPlace[]> {
    const sent = this.sending.then(() => this.sendNow(records));
    this.sending = sent.catch(() => undefined);
    return sent;
  }

  /** Waits for a `sendAll` under way, then disconnects. Fences nobody. */
  async close(): Promise<void> {
    await within(this.deliveryTimeoutMs, this.sending);
    const holder = this.holder;
    this.holder = undefined;
    if (holder) await within(2_000, holder.producer.disconnect());
  }

  private async initialise(holder: Holder): Promise<true> {
    await holder.producer.connect();
    const empty = await holder.producer.transaction();
    await empty.abort();
    return true;
  }

  private async sendNow(records: readonly (OutgoingRecord & { topic: Topic })[]): Promise<RecordPlace[]> {
    if (this.fenced) throw this.fenced;
    const holder = this.holder ?? notAcquired();
    if (records.length === 0) return [];

    let open: Transaction | undefined;
    try {
      const done = await within(
        this.deliveryTimeoutMs,
        this.commit(holder, records, (transaction) => (open = transaction)),
      );
      if (!done) throw new BrokerUnavailable(`not committed within ${this.deliveryTimeoutMs} ms`);
      return done;
    } catch (error) {
      this.holder = undefined;
      const fenced = fencedBy(error);
      if (fenced) this.fenced = fenced;
      // What is left open would hold up the readers until Kafka's own timeout.
      else if (open?.isActive())
        await within(
          1_000,
          open.abort().catch(() => undefined),
        );
      disconnect(holder);
      throw fenced ?? brokerUnavailable(error);
    }
  }

  private async commit(
    holder: Holder,
    records: readonly (OutgoingRecord & { topic: Topic })[],
    opened: (transaction: Transaction) => void,
  ): Promise<RecordPlace[]> {
    const sent = records.map((record) => ({ topic: this.client.topic(record.topic), message: toMessage(record) }));
    const transaction = await holder.producer.transaction();
    opened(transaction);
    let places: RecordPlace[];
    for (;;) {
      try {
        const acknowledged = await transaction.sendBatch({
          acks: -1,
          timeout: this.deliveryTimeoutMs,
          topicMessages: byTopic(sent),
        });
        if (!isStored(sent, acknowledged)) throw new BrokerUnavailable('not every partition has acknowledged');
        places = placesOf(sent, acknowledged);
        break;
      } catch (error) {
        if (protocolErrorOf(error)?.type !== STILL_COMMITTING || this.holder !== holder) throw error;
        await sleep(2);
      }
    }
    if (this.holder !== holder) throw new BrokerUnavailable('given up');
    await transaction.commit();
    return places;
  }

  private drop(): void {
    const holder = this.holder;
    this.holder = undefined;
    if (!holder) return;
    disconnect(holder);
  }
}

function disconnect({ producer, connections }: Holder): void {
  connections.cutOff();
  producer.disconnect().catch(() => undefined);
}

function notAcquired(): never {
  throw new BrokerUnavailable('the transactional id is not acquired');
}

function allOf(counts: ReadonlyMap<string, number>): TopicPartitions[] {
  return [...counts].map(([topic, count]) => ({
    topic,
    partitions: Array.from({ length: count }, (_, index) => index),
  }));
}

function noteAtLeast(counts: Map<string, number>, topic: string, count: number): void {
  counts.set(topic, Math.max(count, counts.get(topic) ?? 0));
}

function fencedBy(error: unknown): Fenced | undefined {
  const answer = protocolErrorOf(error);
  const fenced = answer && (FENCING.includes(answer.type) || answer.message.includes(PRODUCER_FENCED));
  return fenced ? new Fenced('a newer holder of the transactional id exists', { cause: asError(error) }) : undefined;
}
