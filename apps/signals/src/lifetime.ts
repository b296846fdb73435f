import type { BeforeApplicationShutdown, OnApplicationShutdown } from '@nestjs/common';
import type { KafkaClient } from '#kafka/client.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import { prepareTopics } from '#kafka/topics.js';
import type { Database } from '#platform/database.js';
import type { Leader } from '#platform/leader.js';
import type { Logger } from '#platform/logging.js';
import { Startup } from '#platform/startup.js';
import { untilDone } from '#platform/until-done.js';
import type { ApiKeyRegistry } from '#providers/api-key-registry.js';
import type { ProviderRegistry } from '#providers/registry.js';
import type { SignalsConfig } from './config.js';
import { resealSecrets } from './reseal.js';
import type { Signing } from './sending/signing.js';

export interface LifetimeParts {
  client: KafkaClient;
  database: Database;
  signing: Signing;
  providers: ProviderRegistry;
  apiKeys: ApiKeyRegistry;
  /** Of what others have said. */
  publisher: BatchPublisher;
  /** Of the replicas one sends, and one polls. */
  senders: Leader;
  pollers: Leader;
}

/** Starts without waiting for anybody, and goes to work when the database and Kafka are there. */
export class Lifetime implements BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly startup = new Startup();

  constructor(
    private readonly parts: LifetimeParts,
    private readonly config: Pick<SignalsConfig, 'topics' | 'encryptionKeys'>,
    private readonly logger: Logger,
  ) {}

  /** @param consume begins to take batches; called once, when everything that they need is there */
  start(consume: () => Promise<void>): void {
    this.startup.begin((signal) => this.run(consume, signal));
  }

  private async run(consume: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { client, database, signing, providers, apiKeys, publisher, senders, pollers } = this.parts;
    const until = (what: string, attempt: () => Promise<void>) => untilDone(what, this.logger, signal, attempt);
    if (!(await until('prepare the database', () => database.start()))) return;
    const sealed = await until('seal with the current key', async () => {
      await signing.reseal();
      await resealSecrets(database, this.config.encryptionKeys, this.logger);
    });
    if (!sealed) return;
    // What waits is sent also while Kafka is away.
    senders.start();
    const connected = await until('connect to Kafka', async () => {
      await prepareTopics(client, this.config.topics, this.logger);
      void apiKeys.start();
      void publisher.start();
      await providers.start();
    });
    if (!connected) return;
    await Promise.race([providers.ready, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
    if (signal.aborted) return;
    pollers.start();
    await consume();
  }

  beforeApplicationShutdown(): void {
    this.startup.stop();
  }

  async onApplicationShutdown(): Promise<void> {
    const { client, database, providers, apiKeys, publisher, senders, pollers } = this.parts;
    await this.startup.ended();
    // What was polled may still be on its way to Kafka.
    await Promise.all([senders.stop(), pollers.stop()]);
    await publisher.close();
    await Promise.all([providers.close(), apiKeys.close()]);
    await client.close();
    await database.close();
  }
}
