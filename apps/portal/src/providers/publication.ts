import type pg from 'pg';
import { CANARY_PROVIDER_ID, decodeIdentityProvider } from '#contracts/identity-provider.js';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { CompactedView } from '#kafka/compacted-view.js';
import { BrokerUnavailable } from '#kafka/errors.js';
import type { FencedProducer } from '#kafka/fenced-producer.js';
import type { Logger } from '#platform/logging.js';
import {
  markPublished,
  publishAgain,
  PUBLICATION_CHANNEL,
  readUnpublished,
  readVersions,
} from './identity-providers.sql.js';
import { drainKeys } from '../access/keys.js';
import { publishKeysAgain } from '../access/keys.sql.js';
import type { PortalMetrics } from '../portal-metrics.js';
import { providerRecord } from './provider-record.js';

const CHUNK = 50;
/** Without being told of a change, it is found within this time. */
const POLL_MS = 500;

/**
 * Keeps `identity.providers` at what the database says. A row is its own outbox: it waits while its `published_version` is
 * below its `version`, and what is sent is always the newest version, so an older one cannot come after it. One leader
 * sends, under a transactional id, so that a leader that was paused cannot either.
 */
export class Publication {
  private woken = true;
  private wakeUp: () => void = () => undefined;

  constructor(
    private readonly producer: Pick<FencedProducer, 'acquire' | 'isAcquired' | 'sendAll'>,
    private readonly client: KafkaClient,
    private readonly metrics: PortalMetrics,
    private readonly logger: Logger,
  ) {}

  /** Runs until it must not any more, or throws: `Fenced`, `BrokerUnavailable`, or what the database says. */
  async lead(connection: pg.Client, signal: AbortSignal): Promise<void> {
    const wake = (): void => {
      this.woken = true;
      this.wakeUp();
    };
    connection.on('notification', wake);
    signal.addEventListener('abort', wake);
    const ended = new AbortController();
    let comparing: Promise<void> = Promise.resolve();
    try {
      await connection.query(`listen ${PUBLICATION_CHANNEL}`);
      await this.producer.acquire();
      await publishKeysAgain(connection);
      comparing = this.reconcile(connection, AbortSignal.any([signal, ended.signal])).then(wake, (error: unknown) =>
        this.logger.warn({ err: error }, 'could not compare Kafka with the database'),
      );
      while (!signal.aborted) {
        this.woken = false;
        await this.drain(connection, signal);
        await drainKeys(connection, this.producer);
        await this.rest(signal);
        if (!this.producer.isAcquired()) throw new BrokerUnavailable('the connection to Kafka was lost');
      }
    } finally {
      ended.abort();
      await comparing;
      connection.off('notification', wake);
      signal.removeEventListener('abort', wake);
    }
  }

  private async drain(connection: pg.Client, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const rows = await readUnpublished(connection, CHUNK);
      if (rows.length === 0) return;
      await this.producer.sendAll(rows.map(providerRecord));
      await markPublished(connection, rows);
      this.metrics.published(rows.length);
      for (const { id, version, deleted_at } of rows) {
        this.logger.info({ provider_id: id, version, deleted: deleted_at !== null }, 'identity provider published');
      }
    }
  }

  /**
   * Publishes whatever Kafka lacks, has too much of or has in another version: a topic that was made anew, a database that
   * was restored. A provider that this database never knew is left alone, since an empty database must not lock
   * everybody out.
   */
  private async reconcile(connection: pg.Client, signal: AbortSignal): Promise<void> {
    const view = new CompactedView(this.client, {
      topic: TOPICS.identityProviders,
      decode: decodeIdentityProvider,
      logger: this.logger,
    });
    try {
      const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      await Promise.race([view.start().then(() => view.ready), stopped]);
      if (signal.aborted) return;
      const known = await readVersions(connection);
      const wrong: { id: string; versionInKafka: number }[] = [];
      for (const [id, { version, deleted, published }] of known) {
        const held = view.get(id)?.version;
        const asItShould = deleted ? held === undefined : held === version;
        if (published && !asItShould) wrong.push({ id, versionInKafka: held ?? 0 });
      }
      if (wrong.length > 0) {
        await publishAgain(connection, wrong);
        this.logger.warn({ providers: wrong.map(({ id }) => id) }, 'Kafka had other versions; published again');
      }
      // The canary's is of grants' own making.
      const unknown = [...view.keys()].filter((id) => !known.has(id) && id !== CANARY_PROVIDER_ID);
      if (unknown.length > 0) {
        this.logger.warn({ providers: unknown }, 'Kafka has identity providers that this database does not know');
      }
    } finally {
      await view.close();
    }
  }

  private async rest(signal: AbortSignal): Promise<void> {
    if (this.woken || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
