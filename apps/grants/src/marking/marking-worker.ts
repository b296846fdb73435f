import type { Logger } from '#platform/logging.js';
import { appendAudit } from '../audit/audit.sql.js';
import { BackgroundLoop } from '../background-loop.js';
import { auditOfMark, markGrants } from '../scopes/change-scopes.js';
import type { Database } from '#platform/database.js';
import { marksOfScope } from '../domain/mark.js';
import { readGrants } from '../grants/grants.sql.js';
import type { GrantsMetrics } from '../grants-metrics.js';
import { lockPage, markPage, type Page } from './mark-page.sql.js';
import { finishMarkingJob, type MarkingJob, moveMarkingJob, takeMarkingJob } from './marking-jobs.sql.js';
import { readScopes } from '../scopes/scopes.sql.js';
import type { Tx } from '#platform/sql.js';

const POLL_MS = 500;

export interface ChunkSize {
  /** Grants that one transaction marks. */
  chunk: number;
  /** Connections that mark pages of one scope at the same time. */
  connections: number;
}

/**
 * Writes the marks of mass changes, a chunk a transaction, from where whoever did so before has stopped. Nobody waits for
 * it to be safe: the scopes are closed already, and every read judges by them.
 */
export class MarkingWorker extends BackgroundLoop {
  constructor(database: Database, size: ChunkSize, metrics: GrantsMetrics, logger: Logger) {
    super('mark grants', POLL_MS, logger, async () => {
      const marked = await markNextChunk(database, size);
      metrics.grantsMarked(marked ?? 0);
      return marked !== undefined;
    });
  }
}

/**
 * Marks the next grants of the job that waits longest; undefined where there is none. Answers how many it marked.
 *
 * The transaction that has taken the job marks the first page, and others, each over a connection of its own, the pages behind
 * it. The job moves on with the first one, and that commits last: whatever happens in between, no page is left out, and one
 * that is marked again says nothing new.
 */
export function markNextChunk(
  database: Pick<Database, 'transaction'>,
  { chunk, connections }: ChunkSize,
): Promise<number | undefined> {
  return database.transaction(async (tx) => {
    const job = await takeMarkingJob(tx);
    if (!job) return undefined;
    const { marked, lastId } = await markPages(database, tx, job, job.afterId, chunk, connections);
    if (lastId === undefined) await finishMarkingJob(tx, job.scopeKey);
    else await moveMarkingJob(tx, job.scopeKey, lastId);
    return marked;
  });
}

/** Answers the last grant of the last page; undefined where there are none behind it. */
async function markPages(
  database: Pick<Database, 'transaction'>,
  tx: Tx,
  job: MarkingJob,
  afterId: string,
  limit: number,
  connections: number,
): Promise<{ marked: number; lastId: string | undefined }> {
  const page = await lockPage(tx, job.scope, afterId, limit);
  const { lastId } = page;
  if (lastId === undefined) return { marked: 0, lastId };
  const isLast = page.grants < limit;
  if (isLast || connections === 1)
    return { marked: await markLocked(tx, job, page), lastId: isLast ? undefined : lastId };
  const [here, behind] = await Promise.allSettled([
    markLocked(tx, job, page),
    database.transaction((other) => markPages(database, other, job, lastId, limit, connections - 1)),
  ]);
  if (here.status === 'rejected') throw here.reason;
  if (behind.status === 'rejected') throw behind.reason;
  return { marked: here.value + behind.value.marked, lastId: behind.value.lastId };
}

/** All of them are asked about at once; only those of which another scope was closed too, each for itself. */
async function markLocked(tx: Tx, { scope, scopeKey }: MarkingJob, page: Page): Promise<number> {
  const known = await readScopes(tx, [scopeKey]);
  const { marked, others } = await markPage(tx, scope, page, marksOfScope(scopeKey, known));
  const one = await markGrants(tx, await readGrants(tx, others));
  await appendAudit(
    tx,
    one.map((entry) => auditOfMark(entry)),
  );
  return marked + one.length;
}
