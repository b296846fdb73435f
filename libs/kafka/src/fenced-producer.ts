import type { Topic } from '#contracts/topics.js';
import type { KafkaClient } from './client.js';
import type { OutgoingRecord } from './record.js';

export interface FencedProducerOptions {
  transactionalId: string;
  deliveryTimeoutMs?: number;
}

export declare class FencedProducer {
  constructor(client: KafkaClient, options: FencedProducerOptions);
  /** Becomes the one holder of the transactional id: every earlier holder is fenced from now on. Throws `BrokerUnavailable`. */
  acquire(): Promise<void>;
  isAcquired(): boolean;
  /**
   * Resolves once all records are committed, in order. Throws `Fenced` where a newer holder exists, else `BrokerUnavailable`:
   * then make sure that you still lead, `acquire()` again and send again.
   */
  sendAll(records: readonly (OutgoingRecord & { topic: Topic })[]): Promise<void>;
  close(): Promise<void>;
}
