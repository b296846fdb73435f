import { type CustomTransportStrategy, Server } from '@nestjs/microservices';
import type { KafkaClient } from './client.js';

export interface KafkaBatchServerOptions {
  client: KafkaClient;
  groupId: string;
  maxRecordsPerBatch?: number;
  fromBeginning?: boolean;
  partitionsConsumedConcurrently?: number;
  maxWaitTimeInMs?: number;
  sessionTimeout?: number;
  rebalanceTimeout?: number;
  closeTimeoutMs?: number;
}

/** Second argument of a handler. */
export declare class BatchContext {
  readonly topic: string;
  readonly partition: number;
  /** 1 for the first delivery of these records to this process, then counting up. */
  readonly attempt: number;
  /** End of the partition as of the fetch; next offset to be written. */
  readonly highWatermark: string;
  /** Aborted when the partition is taken away or the server closes: a handler may stop early by throwing. */
  readonly signal: AbortSignal;
}

export declare class KafkaBatchServer extends Server implements CustomTransportStrategy {
  constructor(options: KafkaBatchServerOptions);
  listen(callback: (error?: unknown) => void): void;
  close(): Promise<void>;
  on(event: string, callback: (...args: unknown[]) => void): void;
  unwrap<T>(): T;
  /** For readiness. */
  isConnected(): boolean;
  readonly lastError: Error | undefined;
  /** topic (as in the contract) → partitions assigned to this process. */
  assignment(): Record<string, number[]>;
  /** Records the group has not committed yet, for each partition of the topic, whoever reads it. */
  lag(): Promise<Record<string, Record<number, bigint>>>;
}
