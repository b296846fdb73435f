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

export interface OutgoingRecord {
  key: string | Buffer | null;
  /** Null removes the key from a compacted topic. */
  value: Buffer | null;
  headers?: Record<string, Buffer | string>;
}
