/** A header as it stands in Kafka: bytes, or several of the same name. */
export type RecordHeaders = Record<string, Buffer | string | (Buffer | string)[] | undefined>;

export interface ConsumedRecord {
  /** As in the contract, without the installation's prefix. */
  topic: string;
  partition: number;
  offset: string;
  key: Buffer | null;
  value: Buffer | null;
  headers: RecordHeaders;
  /** Milliseconds since the epoch, as the producer (or the broker) set it. */
  timestamp: string;
}

/** Where a record came to stand. */
export interface RecordPlace {
  partition: number;
  offset: string;
}

export interface OutgoingRecord {
  key: string | Buffer | null;
  /** Null removes the key from a compacted topic. */
  value: Buffer | null;
  headers?: Record<string, Buffer | string>;
  /** Where it is to stand; by its key where left out. */
  partition?: number;
}

interface FetchedMessage {
  offset: string;
  key: Buffer | null;
  value: Buffer | null;
  headers?: RecordHeaders;
  timestamp: string;
}

export function toConsumedRecord(topic: string, partition: number, message: FetchedMessage): ConsumedRecord {
  const { offset, key, value, headers, timestamp } = message;
  return { topic, partition, offset, key: key ?? null, value: value ?? null, headers: headers ?? {}, timestamp };
}

/** The offset after this one. */
export const after = (offset: string): string => (BigInt(offset) + 1n).toString();
