import type { BeforeApplicationShutdown, OnApplicationShutdown } from '@nestjs/common';
import type { KafkaClient } from '#kafka/client.js';
import type { CompactedView } from '#kafka/compacted-view.js';
import type { FencedProducer } from '#kafka/fenced-producer.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import { prepareTopics } from '#kafka/topics.js';
import type { Database } from '#platform/database.js';
import type { Leader } from '#platform/leader.js';
import type { Logger } from '#platform/logging.js';
import { CannotUnseal } from '#providers/sealing.js';
import { Startup } from '#platform/startup.js';
import { untilDone } from '#platform/until-done.js';
import type { ApiKeyUses } from './access/key-uses.js';
import type { PortalKeys } from './access/keys.js';
import type { PortalConfig } from './config.js';
import type { Feed } from './feed/feed.js';
import type { GuardWatch } from './feed/feed-guards.js';
import type { ReceiptSigner } from './receipt/receipt-keys.js';
import { resealAll } from './reseal.js';
import type { ProvidersFileWatch } from './providers/providers-file-watch.js';

export interface LifetimeParts {
  client: KafkaClient;
  producer: FencedProducer;
  database: Database;
  leader: Leader;
  /** What is only shown: the portal is ready without it. */
  activity: Pick<CompactedView<unknown>, 'start' | 'close'>;
  feed: Feed;
  guards: GuardWatch;
  keys: PortalKeys;
  keyUses: ApiKeyUses;
  publisher: BatchPublisher;
  signer: ReceiptSigner;
  /** Where providers are declared in a file. */
  file: ProvidersFileWatch | undefined;
}

/** Starts without waiting for anybody, and goes to work when the database and Kafka are there. */
export class Lifetime implements BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly startup = new Startup();
  private following: Promise<void> = Promise.resolve();
  private watching: Promise<void> = Promise.resolve();

  constructor(
    private readonly parts: LifetimeParts,
    private readonly config: PortalConfig,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.startup.begin((signal) => this.run(signal));
  }

  private async run(signal: AbortSignal): Promise<void> {
    const { client, database, leader, activity, feed, file, keys, keyUses, publisher } = this.parts;
    const until = (what: string, attempt: () => Promise<void>): Promise<boolean> =>
      untilDone(what, this.logger, signal, attempt);
    if (!(await until('prepare the database', () => database.start()))) return;
    await until('see whether somebody can administrate', async () => sayHowToBegin(await keys.setupToken()));
    await until('seal with the current key', async () => {
      await resealAll(database, this.config.encryptionKeys, this.logger);
      await this.parts.signer.reseal().catch((error: unknown) => {
        if (!(error instanceof CannotUnseal)) throw error;
        this.logger.error({ err: error }, 'the key that signs receipts cannot be opened, and stays as it is');
      });
    });
    this.following = file?.run(signal) ?? this.following;
    const connected = await until('connect to Kafka', async () => {
      await prepareTopics(client, this.config.topics, this.logger);
    });
    if (!connected) return;
    leader.start();
    void publisher.start();
    this.watching = this.parts.guards.run(signal);
    for (const shown of [activity, keyUses, feed]) void shown.start();
  }

  beforeApplicationShutdown(): void {
    this.startup.stop();
    this.parts.feed.endAll();
  }

  async onApplicationShutdown(): Promise<void> {
    const { client, producer, database, leader, activity, feed, keyUses, publisher } = this.parts;
    await this.startup.ended();
    await Promise.all([activity.close(), keyUses.close(), feed.close()]);
    await this.following;
    await this.watching;
    await Promise.all([leader.stop(), publisher.close()]);
    await producer.close();
    await client.close();
    await database.close();
  }
}

/** For the person who starts the portal for the first time; the one secret that is ever printed, good once and for a day. */
function sayHowToBegin(setupToken: string | undefined): void {
  if (setupToken === undefined) return;
  console.log(
    `\nNobody can administrate yet. Sign in at the portal within a day, once, with\n\n  ${setupToken}\n\n` +
      'and make an API key for an administrator, within an hour.\n',
  );
}
