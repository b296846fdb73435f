import type { BeforeApplicationShutdown, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { KafkaClient } from '#kafka/client.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import { prepareTopics } from '#kafka/topics.js';
import type { Logger } from '#platform/logging.js';
import { Startup } from '#platform/startup.js';
import { untilDone } from '#platform/until-done.js';
import type { ProviderRegistry } from '#providers/registry.js';
import type { IngressConfig } from './config.js';
import type { WebhookActivityReport } from './webhook-activity.js';

export interface LifetimeParts {
  client: KafkaClient;
  publisher: BatchPublisher;
  providers: ProviderRegistry;
  activity: WebhookActivityReport;
}

/**
 * Starts without waiting for Kafka: until it is there, deliveries are answered with 503 and come again. Stops in the
 * order that loses nothing: requests end first, then what they gave to the publisher is flushed.
 */
export class KafkaLifetime implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly startup = new Startup();

  constructor(
    private readonly parts: LifetimeParts,
    private readonly config: IngressConfig,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const { client, publisher, providers, activity } = this.parts;
    const connect = async (): Promise<void> => {
      await prepareTopics(client, this.config.topics, this.logger);
      await publisher.start();
      await providers.start();
      await activity.start();
    };
    this.startup.begin((signal) => untilDone('connect to Kafka', this.logger, signal, connect));
  }

  beforeApplicationShutdown(): void {
    this.startup.stop();
  }

  async onApplicationShutdown(): Promise<void> {
    const { client, publisher, providers, activity } = this.parts;
    await this.startup.ended();
    await publisher.close();
    await Promise.all([activity.close(), providers.close()]);
    await client.close();
  }
}
