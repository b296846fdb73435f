import { createRequire } from 'node:module';
import type { Topic } from '#contracts/topics.js';
import type { Kafka } from 'kafkajs';
import { AnswerBuffers } from './answer-buffers.js';
import { within } from './backoff.js';
import type { KafkaClient } from './client.js';
import { Connections } from './connections.js';
import { asError } from './errors.js';
import { type AbortedTransaction, type OnValue, readRecordBatches } from './record-batches.js';

/**
 * Called with each value, in order within a partition; `start` is -1 where the record has none. Its offset is
 * `first + BigInt(delta)`, which is seldom needed. The bytes are used again after the call.
 */
export type OnScanned = (
  partition: number,
  bytes: Buffer,
  start: number,
  end: number,
  first: bigint,
  delta: number,
) => void;

/** Fetches under way at once: while one is read, Kafka sends the next. */
const LANES = 3;
const FETCH_BYTES = 2 << 20;
const READ_COMMITTED = 1;

/**
 * Reads the committed records of a topic from the beginning to about its present end, as fast as Kafka sends them: without a
 * group, several partitions at once, and without an object for each record.
 *
 * Says up to where each partition was read (partition → the next offset). It never fails: whatever happens (Kafka away, a
 * partition that moves, compression, `onValue` throws), it ends, and what it has not read is left to whoever reads on from
 * there, a `TopicReader`, which waits and tries again. Records may then come a second time; none is skipped.
 */
export async function scanTopic(
  client: KafkaClient,
  topic: Topic,
  onValue: OnScanned,
  signal: AbortSignal,
): Promise<Record<number, string>> {
  const answers = new AnswerBuffers();
  const connections = new Connections(undefined, answers);
  const cluster = clusterOf(client.open({ connections, retries: 0 }));
  const scan: Scan = { client, cluster, topic: client.topic(topic), answers, onValue, signal, positions: {} };
  const onAbort = (): void => connections.cutOff();
  signal.addEventListener('abort', onAbort);
  try {
    const ends = await client.endOffsets(topic);
    await cluster.connect();
    await cluster.addTargetTopic(scan.topic);
    const waiting = Object.entries(ends);
    const lane = async (): Promise<void> => {
      for (let next = waiting.pop(); next; next = waiting.pop()) {
        await scanPartition(scan, Number(next[0]), BigInt(next[1])).catch((error: unknown) => {
          waiting.length = 0;
          throw error;
        });
      }
    };
    const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
    for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason;
  } catch (error) {
    if (!signal.aborted) client.logger.warn({ topic, error: asError(error).message }, 'not scanned to the end');
  } finally {
    signal.removeEventListener('abort', onAbort);
    await within(
      1_000,
      cluster.disconnect().catch(() => undefined),
    );
    connections.cutOff();
  }
  return Object.fromEntries(Object.entries(scan.positions).map(([partition, next]) => [partition, next.toString()]));
}

interface Scan {
  client: KafkaClient;
  cluster: Cluster;
  topic: string;
  answers: AnswerBuffers;
  onValue: OnScanned;
  signal: AbortSignal;
  positions: Record<number, bigint>;
}

async function scanPartition(scan: Scan, partition: number, end: bigint): Promise<void> {
  const { cluster, topic, answers, signal, positions } = scan;
  const leaders = cluster.findLeaderForPartitions(topic, [partition]);
  const nodeId = Object.keys(leaders)[0];
  if (nodeId === undefined) return;
  const broker = await cluster.findBroker({ nodeId });
  const onValue: OnValue = (bytes, start, valueEnd, first, delta) =>
    scan.onValue(partition, bytes, start, valueEnd, first, delta);
  for (let next = 0n; next < end && !signal.aborted;) {
    const answer = await broker.connectionPool.send({
      request: fetchRequest(topic, partition, next),
      response: { decode: async (bytes) => readFetchAnswer(bytes), parse: async (read) => read },
    });
    // The oldest records may be gone: from where on there are any, whoever reads on will ask.
    if (answer.errorCode !== 0) return;
    const { records, aborted } = answer;
    const read = readRecordBatches(records, next, aborted, onValue);
    answers.giveBack(records);
    // Nothing: a transaction is open, or one batch is larger than a fetch.
    if (read.next === next) return;
    positions[partition] = next = read.next;
    if (!read.readable) return;
  }
}

interface FetchAnswer {
  errorCode: number;
  aborted: AbortedTransaction[];
  records: Buffer;
}

/** Fetch of one partition, version 4: the oldest that Kafka 4 still speaks, and the first that knows transactions. */
function fetchRequest(topic: string, partition: number, fetchOffset: bigint): object {
  const request = load('kafkajs/src/protocol/requests/fetch/v4/request') as (request: object) => object;
  return request({
    replicaId: -1,
    maxWaitTime: 0,
    minBytes: 0,
    maxBytes: FETCH_BYTES,
    isolationLevel: READ_COMMITTED,
    topics: [{ topic, partitions: [{ partition, fetchOffset: fetchOffset.toString(), maxBytes: FETCH_BYTES }] }],
  });
}

/** Of one partition of one topic. */
function readFetchAnswer(bytes: Buffer): FetchAnswer {
  let at = 4 + 4; // throttle time, how many topics
  at += 2 + bytes.readInt16BE(at); // name
  at += 4 + 4; // how many partitions, which one
  const errorCode = bytes.readInt16BE(at);
  at += 2 + 8 + 8; // error, end of the log, end of what is stable
  const count = bytes.readInt32BE(at);
  at += 4;
  const aborted: AbortedTransaction[] = [];
  for (let i = 0; i < count; i++, at += 16) {
    aborted.push({ producerId: bytes.readBigInt64BE(at), firstOffset: bytes.readBigInt64BE(at + 8) });
  }
  const length = Math.max(0, bytes.readInt32BE(at));
  return { errorCode, aborted, records: bytes.subarray(at + 4, at + 4 + length) };
}

const load = createRequire(import.meta.url);

/** Of kafkajs's own parts, those that its consumer is made of and that it offers nobody. */
interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  findBroker(broker: { nodeId: string }): Promise<{
    connectionPool: {
      send<T>(exchange: {
        request: object;
        response: { decode(bytes: Buffer): Promise<T>; parse(decoded: T): Promise<T> };
      }): Promise<T>;
    };
  }>;
}

function clusterOf(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const create = symbol && (kafka as unknown as Record<symbol, (options: object) => Cluster>)[symbol];
  if (!create) throw new Error('this kafkajs has no clusters');
  return create({ allowAutoTopicCreation: false, metadataMaxAge: 300_000 });
}
