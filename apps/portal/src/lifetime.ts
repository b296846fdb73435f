import type { BeforeApplicationShutdown, OnApplicationShutdown } from '@nestjs/common';
import type { KafkaClient } from '#kafka/client.js';
import type { CompactedView } from '#kafka/compacted-view.js';
import type { FencedProducer } from '#kafka/fenced-producer.js';
import { ensureTopics } from '#kafka/topics.js';
import type { Database } from '#platform/database.js';
import type { Leader } from '#platform/leader.js';
import type { Logger } from '#platform/logging.js';
import { untilDone } from '#platform/until-done.js';
import type { PortalConfig } from './config.js';
import type { Feed } from './feed.js';
import { resealAll } from './reseal.js';
import type { ProvidersFileWatch } from './providers-file-watch.js';

export interface LifetimeParts {
  client: KafkaClient;
  producer: FencedProducer;
  database: Database;
  leader: Leader;
  /** What is only shown: the portal is ready without it. */
  activity: Pick<CompactedView<unknown>, 'start' | 'close'>;
  feed: Feed;
  /** Where providers are declared in a file. */
  file: ProvidersFileWatch | undefined;
}

/** Starts without waiting for anybody, and goes to work when the database and Kafka are there. */
export class Lifetime implements BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private following: Promise<void> = Promise.resolve();

  constructor(
    private readonly parts: LifetimeParts,
    private readonly config: PortalConfig,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.running = this.run();
  }

  private async run(): Promise<void> {
    const { client, database, leader, activity, feed, file } = this.parts;
    const until = (what: string, attempt: () => Promise<void>): Promise<boolean> =>
      untilDone(what, this.logger, this.stopping.signal, attempt);
    if (!(await until('prepare the database', () => database.start()))) return;
    await until('seal with the current key', () => resealAll(database, this.config.encryptionKeys, this.logger));
    this.following = file?.run(this.stopping.signal) ?? this.following;
    const connected = await until('connect to Kafka', async () => {
      for (const problem of await ensureTopics(client, this.config.topics)) this.logger.warn(problem, 'topic');
    });
    if (!connected) return;
    leader.start();
    await activity.start();
    void feed.start();
  }

  beforeApplicationShutdown(): void {
    this.stopping.abort();
    this.parts.feed.endAll();
  }

  async onApplicationShutdown(): Promise<void> {
    const { client, producer, database, leader, activity, feed } = this.parts;
    await Promise.all([activity.close(), feed.close()]);
    await this.running;
    await this.following;
    await leader.stop();
    await producer.close();
    await client.close();
    await database.close();
  }
}
