import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { Rejected } from '#contracts/rejected.js';
import { TOPICS } from '#contracts/topics.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { LOGGER } from '#platform/service.module.js';
import { ProviderRegistry } from '#providers/registry.js';
import type { SaidRecord } from '../domain/signals.js';
import { SignalsMetrics } from '../signals-metrics.js';
import { decodeSaid, takeRecords } from './take-records.js';

/** Then the batch is given back, and comes again. */
const PROVIDERS_TIMEOUT_MS = 5_000;

@Controller()
export class RecordsConsumer {
  constructor(
    private readonly database: Database,
    @Inject(ProviderRegistry) private readonly providers: Pick<ProviderRegistry, 'settle' | 'get'>,
    private readonly metrics: SignalsMetrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Returns once the rows are committed; the offset moves only then. */
  @EventPattern<string>(TOPICS.revocations)
  revocations(@Payload() records: ConsumedRecord[]): Promise<void> {
    return this.take(records);
  }

  /** Tells when somebody is let in again, of which there is no revocation. */
  @EventPattern<string>(TOPICS.revocationState)
  states(@Payload() records: ConsumedRecord[]): Promise<void> {
    return this.take(records);
  }

  private async take(records: ConsumedRecord[]): Promise<void> {
    const said = records.flatMap((record) => this.decode(record));
    // Heartbeats come all the time; where there is nothing else, only Kafka's offset moves.
    if (said.length === 0 && records[0]!.topic !== TOPICS.revocations) return;
    await this.providers.settle(new Set(said.map(({ data }) => data.provider_id)), PROVIDERS_TIMEOUT_MS);
    const queued = await this.database.transaction((tx) =>
      takeRecords(tx, records, said, (providerId) => this.issuerOf(providerId)),
    );
    this.metrics.taken(said.length, queued);
    if (queued > 0) {
      const { topic, partition, offset } = records[0]!;
      this.logger.info({ topic, partition, first_offset: offset, records: said.length, queued }, 'signals queued');
    }
  }

  /** Of a provider that was removed meanwhile, users are named all the same. */
  private issuerOf(providerId: string): string {
    return this.providers.get(providerId)?.issuers[0] ?? `urn:rescind:identity-provider:${providerId}`;
  }

  /** grants alone writes these topics: what cannot be read is a fault of ours, and holds up nobody. */
  private decode(record: ConsumedRecord): SaidRecord[] {
    try {
      const said = decodeSaid(record);
      return said ? [said] : [];
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      const { topic, partition, offset } = record;
      this.metrics.unreadable();
      this.logger.error({ err: error, topic, partition, offset }, 'a record cannot be read and was left out');
      return [];
    }
  }
}
