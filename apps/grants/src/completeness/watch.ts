import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import type { ProviderRegistry } from '#providers/registry.js';
import { BackgroundLoop } from '../background-loop.js';
import { countLastDifferences } from '../reconciliation/reconciliation.sql.js';
import { hasTail } from '../tail/tail.js';
import { certify } from './certificate.js';
import { readEvidence } from './completeness.sql.js';
import type { CompletenessMetrics } from './metrics.js';

const EVERY_MS = 5_000;

/** Keeps the metrics of completeness true, in every replica, whoever reads the Events API. */
export class CompletenessWatch extends BackgroundLoop {
  constructor(
    database: Database,
    providers: Pick<ProviderRegistry, 'all'>,
    metrics: CompletenessMetrics,
    logger: Logger,
  ) {
    super('certify completeness', EVERY_MS, logger, async () => {
      const evidence = await database.read(readEvidence);
      metrics.compared(await database.read(countLastDifferences));
      const now = Date.now();
      metrics.certified(
        new Map(
          providers.all().map((provider) => [provider.id, certify(evidence.get(provider.id), hasTail(provider), now)]),
        ),
      );
      return false;
    });
  }
}
