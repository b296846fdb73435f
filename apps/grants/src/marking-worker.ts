import type { Logger } from '#platform/logging.js';
import { appendAudit } from './audit.sql.js';
import { BackgroundLoop } from './background-loop.js';
import { auditOfMark, markGrants } from './change-scopes.js';
import type { Database } from '#platform/database.js';
import { readGrantsOf } from './grants.sql.js';
import type { GrantsMetrics } from './grants-metrics.js';
import { finishMarkingJob, moveMarkingJob, takeMarkingJob } from './marking-jobs.sql.js';
import type { Tx } from '#platform/sql.js';

const POLL_MS = 500;

/**
 * Writes the marks of mass changes, a chunk a transaction, from where whoever did so before has stopped. Nobody waits for
 * it to be safe: the scopes are closed already, and every read judges by them.
 */
export class MarkingWorker extends BackgroundLoop {
  constructor(database: Database, chunk: number, metrics: GrantsMetrics, logger: Logger) {
    super('mark grants', POLL_MS, logger, async () => {
      const marked = await database.transaction((tx) => markNextChunk(tx, chunk));
      metrics.grantsMarked(marked ?? 0);
      return marked !== undefined;
    });
  }
}

/** Marks the next grants of the job that waits longest; undefined where there is none. Answers how many it marked. */
export async function markNextChunk(tx: Tx, limit: number): Promise<number | undefined> {
  const job = await takeMarkingJob(tx);
  if (!job) return undefined;
  const page = { afterId: job.afterId, limit, lock: 'for no key update' } as const;
  const grants = await readGrantsOf(tx, job.scope, page);
  const marked = await markGrants(tx, grants);
  await appendAudit(
    tx,
    marked.flatMap((entry) => auditOfMark(entry)),
  );
  const last = grants.at(-1);
  if (!last || grants.length < limit) await finishMarkingJob(tx, job.scopeKey);
  else await moveMarkingJob(tx, job.scopeKey, last.id);
  return marked.length;
}
