import { StartAgainAt } from '#kafka/batch-server.js';
import type { ConsumedRecord } from '#kafka/record.js';
import type { Logger } from '#platform/logging.js';
import type { ProviderRegistry } from '#providers/registry.js';
import type { SuspensionRule } from '#revocation/effects.js';
import { applyBatch, moveBehind, setAside } from './apply-batch.js';
import { decodeBatch } from './decode-batch.js';
import type { MarkingLimits } from '../scopes/change-scopes.js';
import type { GuardOf } from '../guard/guard.js';
import type { Database } from '#platform/database.js';
import { codeOf, isUnstorable } from '#platform/database-errors.js';
import type { GrantsMetrics } from '../grants-metrics.js';
import type { MarkingWorker } from '../marking/marking-worker.js';
import { readPosition } from '../outbox/outbox.sql.js';
import { tracesOf } from '../traces.js';
import type { Tx } from '#platform/sql.js';

/** Then the batch is given back, and comes again. */
const PROVIDERS_TIMEOUT_MS = 5_000;

/** Takes batches of `workos.events` into the database. */
export class EventApplier {
  /** topic/partition → the next offset, as this process has committed it. */
  private readonly positions = new Map<string, bigint>();

  constructor(
    private readonly database: Database,
    private readonly providers: Pick<ProviderRegistry, 'settle'>,
    private readonly suspensionOf: (providerId: string) => SuspensionRule | undefined,
    private readonly limits: MarkingLimits,
    private readonly guardOf: GuardOf,
    private readonly marking: Pick<MarkingWorker, 'wake'>,
    private readonly metrics: GrantsMetrics,
    private readonly logger: Logger,
    /** See recovery.ts. */
    private readonly recover: () => Promise<unknown> = () => Promise.resolve(),
  ) {}

  /** Resolves once everything is committed. Throws where the database is away; nothing is set aside for that. */
  async apply(records: readonly ConsumedRecord[]): Promise<void> {
    const { topic, partition, offset } = records[0]!;
    const startedAt = performance.now();
    const batch = decodeBatch(records);
    const traces = tracesOf(batch.decoded);
    const options = {
      suspensionOf: this.suspensionOf,
      limits: this.limits,
      guardOf: this.guardOf,
      traceOf: (eventId: string) => traces.of(eventId),
    };
    // What an event means depends on its provider: one that is not known yet is waited for, with this partition alone.
    await this.providers.settle(new Set(batch.decoded.map(({ event }) => event.providerId)), PROVIDERS_TIMEOUT_MS);
    try {
      const applied = await this.database.transaction(async (tx) => {
        await this.assertNotGoneBack(tx, records[0]!);
        return applyBatch(tx, records, options, batch);
      });
      traces.end();
      this.positions.set(`${topic}/${partition}`, BigInt(records.at(-1)!.offset) + 1n);
      if (applied.deferred.length > 0) this.marking.wake();
      const durationMs = performance.now() - startedAt;
      this.metrics.batchApplied(applied, durationMs, Date.now());
      this.logger.info(
        {
          topic,
          partition,
          first_offset: offset,
          records: records.length,
          fresh: applied.fresh,
          set_aside: applied.setAside.length,
          scope_changes: applied.steps.length,
          announced: applied.announced,
          grants_marked: applied.marked.length,
          marking_deferred: applied.deferred.length,
          marking_held: applied.held,
          duration_ms: Math.round(durationMs * 10) / 10,
        },
        'batch applied',
      );
      for (const { id, providerId, allowedUsers, windowMs } of applied.tripped) {
        this.logger.warn(
          { trip_id: id, provider_id: providerId, allowed_users: allowedUsers, window_seconds: windowMs / 1000 },
          'mass deprovisioning: marks wait for POST /v1/guard-trips/<id>/confirm or /undo; access is refused meanwhile',
        );
      }
    } catch (error) {
      traces.end('not committed');
      if (error instanceof StartAgainAt) {
        this.logger.warn(
          { topic, partition, applied_up_to: error.offset },
          'the database has gone back: reading again',
        );
        await this.recover();
        this.positions.delete(`${topic}/${partition}`);
        throw error;
      }
      if (!isUnstorable(error)) throw error;
      await this.applyOneByOne(records, error);
    }
  }

  /**
   * What this process has seen committed is there still; otherwise the database was restored from a backup beneath us, and to
   * go on would move its position across the gap. Throws `StartAgainAt`.
   */
  private async assertNotGoneBack(tx: Tx, { topic, partition }: ConsumedRecord): Promise<void> {
    const seen = this.positions.get(`${topic}/${partition}`);
    if (seen === undefined) return;
    const position = await readPosition(tx, topic, partition);
    if (BigInt(position) < seen) throw new StartAgainAt(position);
  }

  /** The values of one of them cannot be stored, and no retry will help: it alone is set aside. */
  private async applyOneByOne(records: readonly ConsumedRecord[], error: unknown): Promise<void> {
    if (records.length > 1) {
      for (const record of records) await this.apply([record]);
      return;
    }
    const rejected = { record: records[0]!, reason: 'event_unstorable', detail: codeOf(error) ?? null };
    await this.database.transaction(async (tx) => {
      await setAside(tx, [rejected]);
      await moveBehind(tx, records);
    });
    this.metrics.setAside([rejected]);
    const { topic, partition, offset } = rejected.record;
    this.logger.error({ err: error, topic, partition, offset }, 'record set aside');
  }
}
