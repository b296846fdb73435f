import type { BeforeApplicationShutdown, OnApplicationShutdown } from '@nestjs/common';
import type { KafkaClient } from '#kafka/client.js';
import type { EndOffsets } from '#kafka/end-offsets.js';
import type { FencedProducer } from '#kafka/fenced-producer.js';
import { prepareTopics, type TopicProblem } from '#kafka/topics.js';
import type { Logger } from '#platform/logging.js';
import { Startup } from '#platform/startup.js';
import { untilDone } from '#platform/until-done.js';
import type { ApiKeyRegistry } from '#providers/api-key-registry.js';
import type { ProviderRegistry } from '#providers/registry.js';
import type { BackgroundLoop } from './background-loop.js';
import type { GrantsConfig } from './config.js';
import type { Database } from '#platform/database.js';
import type { Leader } from '#platform/leader.js';

export interface LifetimeParts {
  client: KafkaClient;
  producer: FencedProducer;
  endOffsets: EndOffsets;
  providers: ProviderRegistry;
  apiKeys: ApiKeyRegistry;
  database: Database;
  leader: Leader;
  loops: readonly BackgroundLoop[];
  /** Makes Postgres and Kafka agree on one past, before anything is published or applied. */
  agree: () => Promise<unknown>;
  /** What needs the database, Kafka and the providers; in the order in which it starts. */
  readers: readonly { start?(): unknown; stop(): Promise<void> }[];
}

/**
 * Starts without waiting for anybody: the service answers its health at once, and goes to work when the database and Kafka
 * are there. Stops in the order that loses nothing: requests and batches end, then what they have written is published
 * by this process or the next.
 */
export class Lifetime implements BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly startup = new Startup();
  /** What about the topics may lose records, as the start has found them. */
  topicProblems: readonly TopicProblem[] = [];

  constructor(
    private readonly parts: LifetimeParts,
    private readonly config: GrantsConfig,
    private readonly logger: Logger,
  ) {}

  /** @param consume begins to take batches; called once, when everything that they need is there */
  start(consume: () => Promise<void>): void {
    this.startup.begin((signal) => this.run(consume, signal));
  }

  private async run(consume: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { client, providers, apiKeys, database, leader, loops, readers, agree } = this.parts;
    const until = (what: string, attempt: () => Promise<void>) => untilDone(what, this.logger, signal, attempt);
    if (!(await until('prepare the database', () => database.start()))) return;
    for (const loop of loops) loop.start();
    const connected = await until('connect to Kafka', async () => {
      this.topicProblems = await prepareTopics(client, this.config.topics, this.logger);
      void apiKeys.start();
      await providers.start();
    });
    if (!connected || !(await until('agree with Kafka on the past', async () => void (await agree())))) return;
    leader.start();
    // What a `user.updated` means depends on its provider: not known is not the same as none.
    await Promise.race([providers.ready, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
    if (signal.aborted) return;
    await consume();
    if (signal.aborted) return;
    for (const reader of readers) reader.start?.();
  }

  beforeApplicationShutdown(): void {
    this.startup.stop();
  }

  async onApplicationShutdown(): Promise<void> {
    const { client, producer, endOffsets, providers, apiKeys, database, leader, loops, readers } = this.parts;
    await this.startup.ended();
    for (const reader of readers.toReversed()) await reader.stop();
    await Promise.all(loops.map((loop) => loop.stop()));
    await leader.stop();
    await producer.close();
    await endOffsets.close();
    await Promise.all([providers.close(), apiKeys.close()]);
    await client.close();
    await database.close();
  }
}
