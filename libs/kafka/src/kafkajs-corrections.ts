import { createRequire } from 'node:module';
import { encodeProduceInOnePass } from './produce-encoding.js';

interface RequestQueue {
  pending: unknown[];
  throttledUntil: number;
  scheduleCheckPendingRequests(): void;
}

/** Of one topic, as it is called in the cluster. */
export interface TopicPartitions {
  topic: string;
  partitions: number[];
}

interface Connection {
  chunks: Buffer[];
  bytesBuffered: number;
  processData(data: Buffer): void;
}

interface ProducerId {
  producerId: string;
  producerEpoch: number;
}

interface Broker {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  initProducerId(request: { transactionalId?: string }): Promise<ProducerId>;
  addPartitionsToTxn(
    request: ProducerId & { transactionalId: string; topics: readonly TopicPartitions[] },
  ): Promise<unknown>;
  endTxn(request: ProducerId & { transactionalId: string; transactionResult: boolean }): Promise<unknown>;
  listOffsets(request: { isolationLevel?: number }): Promise<unknown>;
}

const READ_UNCOMMITTED = 0;
const CORRECTED = Symbol.for('rescind.kafkajs-corrections');

/** Puts right what kafkajs 2.2.4 gets wrong and offers no setting for. Once is enough; more do no harm. */
export function correctKafkajs(): void {
  const load = createRequire(import.meta.url);
  const queue = (load('kafkajs/src/network/requestQueue') as { prototype: RequestQueue & { [CORRECTED]?: true } })
    .prototype;
  const broker = (load('kafkajs/src/broker') as { prototype: Broker }).prototype;
  const connection = (load('kafkajs/src/network/connection') as { prototype: Connection }).prototype;
  if (queue[CORRECTED]) return;
  queue[CORRECTED] = true;
  stopIdleTimers(queue);
  listEndOfLog(broker);
  hangUpOnTheSilent(broker);
  commitAtStart(broker);
  takeWholeAnswers(connection);
  encodeProduceInOnePass();
}

/**
 * It rearms a 1 ms timer for ever on every connection, with a negative delay that Node 24 warns about (tulios/kafkajs#1704,
 * #1751). The timer is needed only while something waits to be sent.
 */
function stopIdleTimers(queue: RequestQueue): void {
  const original = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) original.call(this);
  };
}

/** It puts what is left of one answer, mostly nothing, before the next, and so copies each that comes whole. */
function takeWholeAnswers(connection: Connection): void {
  const original = connection.processData;
  connection.processData = function (this: Connection, data) {
    if (this.bytesBuffered === 0) this.chunks = [];
    original.call(this, data);
  };
}

/**
 * Its admin says that a topic ends where the oldest open transaction begins. A transaction counts as open until its markers
 * are written, a little after its commit was acknowledged: a reader would be "caught up" without records that are committed.
 * Consumers name their isolation level and are not touched.
 */
function listEndOfLog(broker: Broker): void {
  const original = broker.listOffsets;
  broker.listOffsets = function (this: Broker, request) {
    return original.call(this, { ...request, isolationLevel: request.isolationLevel ?? READ_UNCOMMITTED });
  };
}

/** Transactional id → the partitions in which its next holder, as it begins, ends what was left open. */
export const endedAtStart = new Map<string, readonly TopicPartitions[]>();

/**
 * It writes a commit's markers only into partitions that it has sent records to. Here a new holder commits nothing, everywhere,
 * before it is told that it holds the id; see fenced-producer.ts for what that is good for.
 */
function commitAtStart(broker: Broker): void {
  const original = broker.initProducerId;
  broker.initProducerId = async function (this: Broker, request) {
    const { transactionalId } = request;
    const begun = await original.call(this, request);
    const topics = transactionalId === undefined ? undefined : endedAtStart.get(transactionalId);
    if (transactionalId === undefined || !topics) return begun;
    const { producerId, producerEpoch } = begun;
    await this.addPartitionsToTxn({ transactionalId, producerId, producerEpoch, topics });
    await this.endTxn({ transactionalId, producerId, producerEpoch, transactionResult: true });
    return begun;
  };
}

/**
 * Where a broker takes the connection and then does not answer the first question in time (it hangs, or is just starting), it
 * keeps the connection and takes the broker for connected from then on. Each request fails with "Broker not connected",
 * which it holds for final.
 */
function hangUpOnTheSilent(broker: Broker): void {
  const original = broker.connect;
  broker.connect = async function (this: Broker) {
    try {
      await original.call(this);
    } catch (error) {
      await this.disconnect().catch(() => undefined);
      throw error;
    }
  };
}
