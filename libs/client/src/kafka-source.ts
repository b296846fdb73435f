import { randomUUID } from 'node:crypto';
import type { HeartbeatData } from '#contracts/revocation.js';
import { HEARTBEAT_TYPE, SCOPE_STATE_TYPE } from '#contracts/record-types.js';
import { Heartbeats } from '#revocation/heartbeats.js';
import { lastingSource } from './lasting-source.js';
import { type Sink, type Source, stateFromJson } from './source.js';

/** What is used of kafkajs: `new Kafka({ … })` fits. */
export interface KafkaLike {
  consumer(options: { groupId: string; maxWaitTimeInMs?: number; metadataMaxAge?: number }): KafkaConsumerLike;
}

export interface KafkaConsumerLike {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  subscribe(options: { topics: string[]; fromBeginning: boolean }): Promise<void>;
  run(options: {
    autoCommit: boolean;
    eachBatch(payload: {
      batch: { partition: number; messages: readonly { value: Buffer | null; offset: string }[] };
    }): Promise<void>;
  }): Promise<void>;
  on(event: 'consumer.crash', listener: (event: { payload: { error: Error; restart: boolean } }) => void): unknown;
}

export interface KafkaSourceOptions {
  kafka: KafkaLike;
  /** `KAFKA_TOPIC_PREFIX` of the installation. */
  topicPrefix?: string;
}

/**
 * Reads the compacted topic `access.revocation-state`, all of it and by itself: a group of its own, nothing is committed. Where
 * the consumer gives up, another one begins anew: to read a state again changes nothing.
 */
export function kafkaSource({ kafka, topicPrefix = '' }: KafkaSourceOptions): Source {
  /** Until the consumer gives up, or nobody wants it any more. */
  async function readOnce(sink: Sink, went: () => void, stopped: AbortSignal): Promise<void> {
    const records = stateRecords(sink);
    const groupId = `${topicPrefix}rescind-client-${randomUUID()}`;
    // A partition that was added has to be read before its heartbeat is missed for long.
    const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 250, metadataMaxAge: 5_000 });
    const crashed = new Promise<never>((_, reject) => {
      consumer.on('consumer.crash', ({ payload: { error, restart } }) => {
        if (restart) sink.problem(error);
        else reject(error);
      });
    });
    crashed.catch(() => undefined);
    const closed = new Promise<void>((resolve) => {
      if (stopped.aborted) resolve();
      else stopped.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [`${topicPrefix}access.revocation-state`], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch: { partition, messages } }) => {
          went();
          for (const { value, offset } of messages) {
            try {
              if (value !== null) records.take(partition, value);
            } catch (error) {
              sink.problem(new Error(`record skipped: ${partition}/${offset}`, { cause: error }));
            }
          }
        },
      });
      await Promise.race([crashed, closed]);
    } finally {
      await consumer.disconnect();
    }
  }

  return lastingSource(readOnce);
}

/**
 * What a record of `access.revocation-state` means, for those with another Kafka client: read every partition from the
 * beginning, only what is committed, and hand over each record of a partition in order. Throws where one is not understood;
 * skip it then, and tell somebody.
 */
export function stateRecords(sink: Pick<Sink, 'state' | 'proved'>): {
  take(partition: number, value: Uint8Array): void;
} {
  const heartbeats = new Heartbeats();

  return {
    take: (partition, value) => {
      const { type, data } = JSON.parse(new TextDecoder().decode(value)) as { type?: unknown; data?: unknown };
      if (typeof data !== 'object' || data === null) throw new Error('a record without data');
      if (type === SCOPE_STATE_TYPE) {
        const { scope, state } = stateFromJson(data as Record<string, unknown>);
        return sink.state(scope, state);
      }
      if (type !== HEARTBEAT_TYPE) throw new Error('a record of another type');
      const now = performance.now();
      heartbeats.take(partition, heartbeatFromJson(data as Record<string, unknown>), now);
      const at = heartbeats.asOf;
      // By the monotonic clock alone; how late it is by the clock on the wall is seen where it is judged.
      if (at !== null) sink.proved({ at, ageMs: heartbeats.ageMs(-Infinity, now), receivedAt: now });
    },
  };
}

function heartbeatFromJson({ at, partitions, applied, ends = {} }: Record<string, unknown>): HeartbeatData {
  if (typeof at !== 'string' || !Number.isInteger(partitions) || Number(partitions) < 1) {
    throw new Error('a heartbeat is not understood');
  }
  return { at, partitions: Number(partitions), applied: offsets(applied), ends: offsets(ends) };
}

function offsets(value: unknown): Record<string, string> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : undefined;
  if (!entries?.every(([, offset]) => typeof offset === 'string' && /^\d+$/.test(offset))) {
    throw new Error('a heartbeat is not understood: offsets');
  }
  return Object.fromEntries(entries) as Record<string, string>;
}
