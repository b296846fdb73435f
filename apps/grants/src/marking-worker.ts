import type { Logger } from '#platform/logging.js';
import { appendAudit } from './audit.sql.js';
import { BackgroundLoop } from './background-loop.js';
import { auditOfMark, markGrants } from './change-scopes.js';
import type { Database } from '#platform/database.js';
import { marksOfScope } from './domain/mark.js';
import { readGrants } from './grants.sql.js';
import type { GrantsMetrics } from './grants-metrics.js';
import { lockPage, markPage } from './mark-page.sql.js';
import { finishMarkingJob, moveMarkingJob, takeMarkingJob } from './marking-jobs.sql.js';
import { readScopes } from './scopes.sql.js';
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

/**
 * Marks the next grants of the job that waits longest; undefined where there is none. Answers how many it marked. All of them
 * are asked about at once; only those of which another scope was closed too, each for itself.
 */
export async function markNextChunk(tx: Tx, limit: number): Promise<number | undefined> {
  const job = await takeMarkingJob(tx);
  if (!job) return undefined;
  const { scope, scopeKey } = job;
  const page = await lockPage(tx, scope, job.afterId, limit);
  if (page.lastId === undefined || page.grants < limit) await finishMarkingJob(tx, scopeKey);
  else await moveMarkingJob(tx, scopeKey, page.lastId);
  if (page.lastId === undefined) return 0;
  const known = await readScopes(tx, [scopeKey]);
  const { marked, others } = await markPage(tx, scope, page, marksOfScope(scopeKey, known));
  const one = await markGrants(tx, await readGrants(tx, others));
  await appendAudit(
    tx,
    one.map((entry) => auditOfMark(entry)),
  );
  return marked + one.length;
}
