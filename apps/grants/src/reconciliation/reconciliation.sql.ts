import { columns, rowsOf, type Tx } from '#platform/sql.js';
import { CLOSINGS, type Difference, type DifferenceKind, type RepairEvent } from './differences.js';

export const PHASES = [
  'organizations',
  'users',
  'memberships',
  'directories',
  'organizations_here',
  'users_here',
  'memberships_here',
  'sessions_here',
  'repair',
] as const;
export type Phase = (typeof PHASES)[number];

export type RunStatus = 'running' | 'done' | 'cancelled' | 'stopped' | 'failed';

/** Where a run is, and what it has seen. */
export interface Run {
  id: string;
  providerId: string;
  dryRun: boolean;
  maxClosings: number;
  requestedAt: Date;
  phase: Phase;
  place: string;
  cursor: string | null;
  progress: Record<string, number>;
}

export interface RunRow {
  id: string;
  seq: string;
  provider_id: string;
  dry_run: boolean;
  max_closings: number;
  status: RunStatus;
  problem: string | null;
  requested_by: string;
  requested_at: Date;
  finished_at: Date | null;
  phase: Phase;
  place: string;
  cursor_id: string | null;
  progress: Record<string, number>;
}

/** Begins a run; undefined where one of that provider is under way. */
export async function insertRun(
  tx: Tx,
  run: { id: string; providerId: string; dryRun: boolean; maxClosings: number; requestedBy: string },
): Promise<RunRow | undefined> {
  const [row] = await rowsOf<RunRow>(
    tx,
    `insert into reconciliations (id, provider_id, dry_run, max_closings, requested_by, phase)
     values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning *`,
    [run.id, run.providerId, run.dryRun, run.maxClosings, run.requestedBy, PHASES[0]],
  );
  return row;
}

export async function readRun(tx: Tx, id: string): Promise<RunRow | undefined> {
  const [row] = await rowsOf<RunRow>(tx, 'select * from reconciliations where id = $1', [id]);
  return row;
}

/** Newest first, before `seq`. */
export function readRuns(
  tx: Tx,
  filter: { provider_id?: string | undefined; status?: string | undefined },
  page: { before: string | undefined; limit: number },
): Promise<RunRow[]> {
  return rowsOf(
    tx,
    `select * from reconciliations
     where ($1::bigint is null or seq < $1) and ($2::text is null or provider_id = $2)
       and ($3::text is null or status = $3)
     order by seq desc limit $4`,
    [page.before ?? null, filter.provider_id ?? null, filter.status ?? null, page.limit],
  );
}

export async function readRunning(tx: Tx): Promise<Run[]> {
  const rows = await rowsOf<RunRow>(tx, `select * from reconciliations where status = 'running' order by seq`);
  return rows.map((row) => ({
    id: row.id,
    providerId: row.provider_id,
    dryRun: row.dry_run,
    maxClosings: row.max_closings,
    requestedAt: row.requested_at,
    phase: row.phase,
    place: row.place,
    cursor: row.cursor_id,
    progress: row.progress,
  }));
}

/**
 * Keeps where a run is. False where it was cancelled meanwhile, or where somebody else has taken the step: then nothing of it
 * may stay.
 */
export async function moveRun(tx: Tx, from: Run, to: Run): Promise<boolean> {
  const rows = await rowsOf(
    tx,
    `update reconciliations set phase = $2, place = $3, cursor_id = $4, progress = $5::jsonb
     where id = $1 and status = 'running'
       and phase = $6 and place = $7 and cursor_id is not distinct from $8 and progress = $9::jsonb
     returning 1`,
    [
      from.id,
      to.phase,
      to.place,
      to.cursor,
      JSON.stringify(to.progress),
      from.phase,
      from.place,
      from.cursor,
      JSON.stringify(from.progress),
    ],
  );
  return rows.length > 0;
}

/** Ends a run; answers it, or undefined where it had ended before. */
export async function finishRun(
  tx: Tx,
  id: string,
  status: Exclude<RunStatus, 'running'>,
  problem?: string,
): Promise<RunRow | undefined> {
  const [row] = await rowsOf<RunRow>(
    tx,
    `update reconciliations set status = $2, problem = $3, finished_at = clock_timestamp()
     where id = $1 and status = 'running' returning *`,
    [id, status, problem ?? null],
  );
  if (row) await tx.query('delete from reconciliation_seen where reconciliation_id = $1', [id]);
  return row;
}

export async function insertSeen(tx: Tx, id: string, kind: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(
    `insert into reconciliation_seen (reconciliation_id, kind, id) select $1, $2, unnest($3::text[])
     on conflict do nothing`,
    [id, kind, ids],
  );
}

/** In the order of their ids, after one. */
export async function readSeen(tx: Tx, id: string, kind: string, after: string, limit: number): Promise<string[]> {
  const rows = await rowsOf<{ id: string }>(
    tx,
    `select id from reconciliation_seen where reconciliation_id = $1 and kind = $2 and id > $3 order by id limit $4`,
    [id, kind, after, limit],
  );
  return rows.map((row) => row.id);
}

export async function insertDifferences(tx: Tx, id: string, differences: readonly Difference[]): Promise<void> {
  if (differences.length === 0) return;
  await tx.query(
    `insert into reconciliation_differences
       (reconciliation_id, kind, user_id, organization_id, session_id, detail, event)
     select $1, kind, user_id, organization_id, session_id, detail, event::jsonb
     from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
       as n (kind, user_id, organization_id, session_id, detail, event)`,
    [
      id,
      ...columns(
        differences,
        ({ kind }) => kind,
        ({ userId }) => userId ?? null,
        ({ organizationId }) => organizationId ?? null,
        ({ sessionId }) => sessionId ?? null,
        ({ detail }) => detail ?? null,
        ({ event }) => (event ? JSON.stringify(event) : null),
      ),
    ],
  );
}

export interface DifferenceRow {
  seq: string;
  kind: DifferenceKind;
  user_id: string | null;
  organization_id: string | null;
  session_id: string | null;
  detail: string | null;
  event: RepairEvent | null;
  repaired_at: Date | null;
}

/** Oldest first, after `seq`. */
export function readDifferences(
  tx: Tx,
  id: string,
  filter: { kind?: string | undefined },
  page: { after: string | undefined; limit: number },
): Promise<DifferenceRow[]> {
  return rowsOf(
    tx,
    `select seq, kind, user_id, organization_id, session_id, detail, event, repaired_at
     from reconciliation_differences
     where reconciliation_id = $1 and ($2::bigint is null or seq > $2) and ($3::text is null or kind = $3)
     order by seq limit $4`,
    [id, page.after ?? null, filter.kind ?? null, page.limit],
  );
}

/** Of what is not repaired yet, the first ones that can be. */
export function readRepairs(tx: Tx, id: string, limit: number): Promise<{ seq: string; event: RepairEvent }[]> {
  return rowsOf(
    tx,
    `select seq, event from reconciliation_differences
     where reconciliation_id = $1 and repaired_at is null and event is not null order by seq limit $2`,
    [id, limit],
  );
}

export async function markRepaired(tx: Tx, id: string, seqs: readonly string[]): Promise<void> {
  await tx.query(
    `update reconciliation_differences set repaired_at = clock_timestamp()
     where reconciliation_id = $1 and seq = any($2::bigint[])`,
    [id, seqs],
  );
}

export async function countClosings(tx: Tx, id: string): Promise<number> {
  const [row] = await rowsOf<{ n: string }>(
    tx,
    `select count(*) as n from reconciliation_differences where reconciliation_id = $1 and kind = any($2)`,
    [id, CLOSINGS],
  );
  return Number(row!.n);
}

/** provider, kind → how many, of the last run of each provider that has ended by itself. */
export function countLastDifferences(tx: Tx): Promise<{ provider_id: string; kind: string | null; n: string }[]> {
  return rowsOf(
    tx,
    `select r.provider_id, d.kind, count(d.kind) as n
     from (
       select distinct on (provider_id) id, provider_id from reconciliations
       where status = 'done' order by provider_id, seq desc
     ) r left join reconciliation_differences d on d.reconciliation_id = r.id and d.repaired_at is null
     group by r.provider_id, d.kind`,
  );
}

/** Of ids that WorkOS lists, those whose profile was never told to us. */
export async function selectUnknownRecords(
  tx: Tx,
  table: 'users' | 'organizations',
  providerId: string,
  ids: readonly string[],
): Promise<Set<string>> {
  const rows = await rowsOf<{ id: string }>(
    tx,
    `select id from unnest($2::text[]) as listed (id)
     where not exists (
       select 1 from ${table} t where t.id = listed.id and t.provider_id = $1
         and (t.profile_at > '-infinity' or t.deleted_at is not null))`,
    [providerId, ids],
  );
  return new Set(rows.map(({ id }) => id));
}

/** Of memberships that WorkOS lists, as `user:organization`, those that we have never heard of. */
export async function selectUnknownMemberships(
  tx: Tx,
  providerId: string,
  memberships: readonly { userId: string; organizationId: string }[],
): Promise<Set<string>> {
  const rows = await rowsOf<{ id: string }>(
    tx,
    `select user_id || ':' || organization_id as id from unnest($2::text[], $3::text[]) as l (user_id, organization_id)
     where not exists (
       select 1 from memberships m
       where m.user_id = l.user_id and m.organization_id = l.organization_id and m.provider_id = $1)`,
    [
      providerId,
      ...columns(
        memberships,
        ({ userId }) => userId,
        ({ organizationId }) => organizationId,
      ),
    ],
  );
  return new Set(rows.map(({ id }) => id));
}

/** Users or organizations that we know, that are not deleted here, and that WorkOS has not listed; after an id. */
export async function selectNotListed(
  tx: Tx,
  run: Run,
  table: 'users' | 'organizations',
  limit: number,
): Promise<string[]> {
  const rows = await rowsOf<{ id: string }>(
    tx,
    `select t.id from ${table} t
     where t.provider_id = $1 and t.deleted_at is null and t.id > $4 collate "C"
       and not exists (
         select 1 from reconciliation_seen s where s.reconciliation_id = $2 and s.kind = $3 and s.id = t.id)
     order by t.id collate "C" limit $5`,
    [run.providerId, run.id, table === 'users' ? 'user' : 'organization', run.place, limit],
  );
  return rows.map(({ id }) => id);
}

/** Memberships that are active or pending here, of users and organizations that WorkOS has listed, and that it has not. */
export function selectMembershipsNotListed(
  tx: Tx,
  run: Run,
  limit: number,
): Promise<{ id: string; user_id: string; organization_id: string }[]> {
  return rowsOf(
    tx,
    `select m.user_id || ':' || m.organization_id as id, m.user_id, m.organization_id from memberships m
     where m.provider_id = $1 and m.status in ('active', 'pending')
       and (m.user_id || ':' || m.organization_id) > $3 collate "C"
       and not exists (
         select 1 from reconciliation_seen s where s.reconciliation_id = $2 and s.kind = 'membership'
           and s.id = m.user_id || ':' || m.organization_id)
       and exists (
         select 1 from reconciliation_seen s where s.reconciliation_id = $2 and s.kind = 'user' and s.id = m.user_id)
       and exists (
         select 1 from reconciliation_seen s
         where s.reconciliation_id = $2 and s.kind = 'organization' and s.id = m.organization_id)
     order by (m.user_id || ':' || m.organization_id) collate "C" limit $4`,
    [run.providerId, run.id, run.place, limit],
  );
}

/** Users with sessions that are open here and began some time ago, after an id, with those sessions. */
export function selectOpenSessions(
  tx: Tx,
  run: Run,
  limit: number,
): Promise<{ user_id: string; session_ids: string[] }[]> {
  return rowsOf(
    tx,
    `select user_id, array_agg(id) as session_ids from sessions
     where provider_id = $1 and revoked_at is null and user_id > $2 collate "C"
       and coalesce(created_at, first_seen_at) < extract(epoch from $3::timestamptz) * 1000 - 300000
       and coalesce(last_seen_at, created_at) > extract(epoch from $3::timestamptz) * 1000 - 60 * 86400000.0
     group by user_id order by user_id collate "C" limit $4`,
    [run.providerId, run.place, run.requestedAt, limit],
  );
}
