import { rowsOf, type Tx } from '#platform/sql.js';

/** One synthetic revocation. */
export interface CanaryRun {
  startedAt: Date;
  /** From the webhook to its 200; null: it never came. */
  acceptedMs: number | null;
  /** From the webhook to the refusal; null: see `problem`. */
  refusedMs: number | null;
  problem: string | null;
}

interface RunRow {
  started_at: Date;
  accepted_ms: number | null;
  refused_ms: number | null;
  problem: string | null;
}

export async function insertRun(tx: Tx, run: CanaryRun): Promise<void> {
  await tx.query(
    `insert into canary_runs (started_at, accepted_ms, refused_ms, problem) values ($1, $2, $3, $4)
     on conflict do nothing`,
    [run.startedAt, run.acceptedMs, run.refusedMs, run.problem],
  );
}

/** A week is kept. */
export async function forgetRuns(tx: Tx): Promise<void> {
  await tx.query(`delete from canary_runs where started_at < clock_timestamp() - interval '7 days'`);
}

/** Of the last hour, newest first. */
export async function readRuns(tx: Tx): Promise<CanaryRun[]> {
  const rows = await rowsOf<RunRow>(
    tx,
    `select * from canary_runs where started_at > clock_timestamp() - interval '1 hour' order by started_at desc`,
  );
  return rows.map((row) => ({
    startedAt: row.started_at,
    acceptedMs: row.accepted_ms,
    refusedMs: row.refused_ms,
    problem: row.problem,
  }));
}
