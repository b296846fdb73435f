import type { Scope, ScopeKey } from '#revocation/scope.js';
import { scopeIds, scopeOfRow } from '../scopes/scopes.sql.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

export interface MarkingJob {
  scope: Scope;
  scopeKey: string;
  afterId: string;
}

/** Leaves the grants of scopes to be marked later; a job under way begins again, since the state has changed. */
export function enqueueMarking(tx: Tx, scopes: readonly Scope[]): Promise<void> {
  return enqueueJobs(tx, scopes, () => null);
}

/** Leaves the grants of scopes to be marked once somebody has decided about the trip that holds them. */
export function holdMarking(tx: Tx, scopes: readonly Scope[], tripOf: ReadonlyMap<ScopeKey, string>): Promise<void> {
  return enqueueJobs(tx, scopes, (key) => tripOf.get(key)!);
}

async function enqueueJobs(tx: Tx, scopes: readonly Scope[], heldBy: (key: ScopeKey) => string | null): Promise<void> {
  if (scopes.length === 0) return;
  await tx.query(
    `insert into marking_jobs (scope_key, provider_id, kind, user_id, organization_id, session_id, held_by)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
       as n (scope_key)
     order by n.scope_key collate "C"
     on conflict (scope_key)
     do update set after_id = '', requested_at = clock_timestamp(), held_by = excluded.held_by`,
    columns(
      scopes.map(scopeIds),
      (row) => row.scope_key,
      (row) => row.provider_id,
      (row) => row.kind,
      (row) => row.user_id,
      (row) => row.organization_id,
      (row) => row.session_id,
      (row) => heldBy(row.scope_key),
    ),
  );
}

/** Which of some scopes have marks that wait for a decision, and for which; it cannot be made until the transaction ends. */
export async function lockHeldJobs(tx: Tx, keys: readonly ScopeKey[]): Promise<Map<ScopeKey, string>> {
  if (keys.length === 0) return new Map();
  const rows = await rowsOf<{ scope_key: string; held_by: string }>(
    tx,
    `select scope_key, held_by from marking_jobs where held_by is not null and scope_key = any($1)
     order by scope_key for update`,
    [keys],
  );
  return new Map(rows.map((row) => [row.scope_key, row.held_by]));
}

/** Takes the job that has waited longest and may be done, until the transaction ends. */
export async function takeMarkingJob(tx: Tx): Promise<MarkingJob | undefined> {
  const [row] = await rowsOf<{
    scope_key: string;
    provider_id: string;
    kind: Scope['kind'];
    user_id: string | null;
    organization_id: string | null;
    session_id: string | null;
    after_id: string;
  }>(tx, `select * from marking_jobs where held_by is null order by requested_at limit 1 for update skip locked`);
  return row && { scope: scopeOfRow(row), scopeKey: row.scope_key, afterId: row.after_id };
}

export async function moveMarkingJob(tx: Tx, scopeKey: string, afterId: string): Promise<void> {
  await tx.query('update marking_jobs set after_id = $2 where scope_key = $1', [scopeKey, afterId]);
}

export async function finishMarkingJob(tx: Tx, scopeKey: string): Promise<void> {
  await tx.query('delete from marking_jobs where scope_key = $1', [scopeKey]);
}

export async function countMarkingJobs(tx: Tx): Promise<number> {
  const [row] = await rowsOf<{ n: string }>(tx, 'select count(*) as n from marking_jobs where held_by is null');
  return Number(row!.n);
}
