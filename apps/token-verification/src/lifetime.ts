import type { BeforeApplicationShutdown, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { KafkaClient } from '#kafka/client.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import { prepareTopics, type TopicOptions } from '#kafka/topics.js';
import type { Logger } from '#platform/logging.js';
import { untilDone } from '#platform/until-done.js';
import type { ApiKeyRegistry } from '#providers/api-key-registry.js';
import type { ProviderRegistry } from '#providers/registry.js';
import type { ProviderKeys } from './keys/provider-keys.js';
import type { SharedKeySets } from './keys/shared-key-sets.js';
import type { ViewFeed } from './view-feed.js';

export interface LifetimeParts {
  client: KafkaClient;
  publisher: BatchPublisher;
  providers: ProviderRegistry;
  apiKeys: ApiKeyRegistry;
  keySets: SharedKeySets;
  keys: ProviderKeys;
  feed: ViewFeed;
  topics: TopicOptions;
  logger: Logger;
}

/** Starts without waiting for Kafka: until the view has caught up, the answer is 503. */
export class Lifetime implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly stopping = new AbortController();

  constructor(private readonly parts: LifetimeParts) {}

  onApplicationBootstrap(): void {
    const { client, publisher, providers, apiKeys, keySets, keys, feed, topics, logger } = this.parts;
    void untilDone('fill the view', logger, this.stopping.signal, async () => {
      await prepareTopics(client, topics, logger);
      void publisher.start();
      void apiKeys.start();
      void providers.start();
      void keySets.start();
      const settings = providers.ready.then(() => {
        keys.follow(providers.all());
        providers.onChange(() => keys.follow(providers.all()));
      });
      await feed.start(settings);
    });
  }

  beforeApplicationShutdown(): void {
    this.stopping.abort();
  }

  async onApplicationShutdown(): Promise<void> {
    const { client, publisher, providers, apiKeys, keySets, keys, feed } = this.parts;
    keys.stop();
    await Promise.all([feed.stop(), providers.close(), apiKeys.close(), keySets.close(), publisher.close()]);
    await client.close();
  }
}
