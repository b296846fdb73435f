import type { Topic } from '#contracts/topics.js';
import type { Admin } from 'kafkajs';
import { within } from './backoff.js';
import type { KafkaClient } from './client.js';
import { asError } from './errors.js';

export interface Ends {
  /** Everything that Kafka had acknowledged by then stands before {@link offsets}. */
  at: Date;
  /** partition → the offset that the next record gets. */
  offsets: Record<number, string>;
}

const TIMEOUT_MS = 5_000;

/** Where a topic ends, asked again and again over one connection. A partition that was added is there at once. */
export class EndOffsets {
  private admin: Admin | undefined;
  private asking: Promise<void> | undefined;
  private known: Ends | undefined;

  constructor(
    private readonly client: KafkaClient,
    private readonly topic: Topic,
  ) {}

  /**
   * Asks, and answers with the newest end that is known after `patienceMs` at most: the same as before where Kafka has
   * not answered by then, undefined where it never has. Never rejects.
   */
  async newest(patienceMs: number): Promise<Ends | undefined> {
    this.asking ??= this.ask().finally(() => (this.asking = undefined));
    await within(patienceMs, this.asking);
    return this.known;
  }

  async close(): Promise<void> {
    const admin = this.admin;
    this.admin = undefined;
    await within(1_000, Promise.resolve(admin?.disconnect()));
  }

  private async ask(): Promise<void> {
    const at = new Date();
    try {
      const admin = await this.connected();
      // The end for readers of everything, also of what is not committed yet (isolation level "read uncommitted").
      const offsets = await admin.fetchTopicOffsets(this.client.topic(this.topic));
      this.known = { at, offsets: Object.fromEntries(offsets.map(({ partition, high }) => [partition, high])) };
    } catch (error) {
      this.client.logger.warn({ topic: this.topic, error: asError(error).message }, 'cannot tell where the topic ends');
      await this.close();
    }
  }

  private async connected(): Promise<Admin> {
    if (this.admin) return this.admin;
    this.admin = this.client.open({ requestTimeoutMs: TIMEOUT_MS, retries: 0 }).admin();
    await this.admin.connect();
    return this.admin;
  }
}
