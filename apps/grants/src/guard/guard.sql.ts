import type { Moment } from '#contracts/moment.js';
import type { ScopeKey } from '#revocation/scope.js';
import type { GuardClosing, ShutOut, Span } from '../domain/guard.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

/** One at a time counts the people of one provider, or decides about them, until the transaction ends. */
export async function lockGuardOf(tx: Tx, providerId: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`rescind/guard/${providerId}`]);
}

/** Keeps who was shut out. */
export async function insertGuardClosings(tx: Tx, people: readonly ShutOut[]): Promise<void> {
  if (people.length === 0) return;
  await tx.query(
    `insert into guard_closings (provider_id, scope_key, user_id, occurred_at, source_event_id)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::text[])
     on conflict do nothing`,
    closingColumns(people, ({ userId }) => userId),
  );
}

/**
 * An organization stands for its members: each of them by name, as the same person may be shut out in another way as well; where
 * they alone are more than `allowed`, it is enough to know how many, and no further than `mostMembers`.
 */
export async function insertOrganizationClosings(
  tx: Tx,
  organizations: readonly ShutOut[],
  { allowed, mostMembers }: { allowed: number; mostMembers: number },
): Promise<void> {
  await tx.query(
    `with closed as (
       select c.*, members.ids from unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::text[])
         as c (provider_id, scope_key, organization_id, occurred_at, source_event_id)
       cross join lateral (select array(
         select user_id from memberships m
         where m.organization_id = c.organization_id and m.provider_id = c.provider_id
           and m.status not in ('deleted', 'inactive')
         limit $6
       ) as ids) members
     )
     insert into guard_closings (provider_id, scope_key, user_id, occurred_at, source_event_id, people)
     select provider_id, scope_key, '', occurred_at, source_event_id, cardinality(ids)
     from closed where cardinality(ids) > $7
     union all
     select provider_id, scope_key, unnest(ids), occurred_at, source_event_id, 1
     from closed where cardinality(ids) <= $7
     on conflict do nothing`,
    [...closingColumns(organizations, ({ organizationId }) => organizationId), mostMembers, allowed],
  );
}

const closingColumns = (closings: readonly ShutOut[], whom: (closing: ShutOut) => unknown): unknown[] =>
  columns(
    closings,
    ({ providerId }) => providerId,
    ({ scopeKey }) => scopeKey,
    whom,
    ({ occurredAt }) => occurredAt,
    ({ sourceEventId }) => sourceEventId,
  );

/** Those within some stretches of time that no trip holds but, perhaps, the given one; in the order of their times. */
export async function readGuardClosings(
  tx: Tx,
  providerId: string,
  spans: readonly Span[],
  tripId: string | undefined,
): Promise<GuardClosing[]> {
  const rows = await rowsOf<{ user_id: string; occurred_at: number; people: number }>(
    tx,
    `select c.user_id, c.occurred_at, c.people from unnest($2::float8[], $3::float8[]) as span (starts, ends)
     join guard_closings c on c.provider_id = $1 and c.occurred_at between span.starts and span.ends
     where c.trip_id is null or c.trip_id = $4
     order by c.occurred_at`,
    [providerId, ...spanColumns(spans), tripId ?? null],
  );
  return rows.map((row) => ({ userId: row.user_id || undefined, occurredAt: row.occurred_at, people: row.people }));
}

/** Gives closings of some stretches of time to a trip; answers their scopes. */
export async function assignToTrip(
  tx: Tx,
  providerId: string,
  spans: readonly Span[],
  tripId: string,
): Promise<Set<ScopeKey>> {
  const rows = await rowsOf<{ scope_key: string }>(
    tx,
    `update guard_closings c set trip_id = $4
     from unnest($2::float8[], $3::float8[]) as span (starts, ends)
     where c.provider_id = $1 and c.trip_id is null and c.occurred_at between span.starts and span.ends
     returning c.scope_key`,
    [providerId, ...spanColumns(spans), tripId],
  );
  return new Set(rows.map((row) => row.scope_key));
}

const spanColumns = (spans: readonly Span[]): unknown[] =>
  columns(
    spans,
    ({ from }) => from,
    ({ to }) => to,
  );

/** How many people are known of a provider, among them those who left after `since`; counted no further than `limit`. */
export async function countKnownUsers(tx: Tx, providerId: string, since: Moment, limit: number): Promise<number> {
  const [row] = await rowsOf<{ n: string }>(
    tx,
    `select greatest(
       (select count(*) from (
          select 1 from users where provider_id = $1 and (deleted_at is null or deleted_at >= $2) limit $3) as few),
       (select count(*) from (
          select 1 from memberships where provider_id = $1 group by user_id limit $3) as few)) as n`,
    [providerId, since, limit],
  );
  return Number(row!.n);
}

export async function readPausedTrip(tx: Tx, providerId: string): Promise<string | undefined> {
  const [row] = await rowsOf<{ id: string }>(
    tx,
    `select id from guard_trips where provider_id = $1 and status = 'paused'`,
    [providerId],
  );
  return row?.id;
}

export async function insertTrip(
  tx: Tx,
  trip: { id: string; providerId: string; knownUsers: number; allowedUsers: number; windowMs: number },
): Promise<void> {
  await tx.query(
    `insert into guard_trips (id, provider_id, status, known_users, allowed_users, window_seconds)
     values ($1, $2, 'paused', $3, $4, $5)`,
    [trip.id, trip.providerId, trip.knownUsers, trip.allowedUsers, Math.round(trip.windowMs / 1000)],
  );
}

export interface TripRow {
  id: string;
  provider_id: string;
  status: 'paused' | 'confirmed' | 'undone';
  tripped_at: Date;
  known_users: number;
  allowed_users: number;
  window_seconds: number;
  decided_at: Date | null;
  decided_by: string | null;
  note: string | null;
  users: number;
  scopes: number;
  tombstones: number;
  reopened: number;
  grants_waiting: number;
}

/** Counted no further than this. */
const MOST_WAITING = 100_000;
const WAITING = {
  user: 'g.user_id = j.user_id and g.provider_id = j.provider_id',
  organization: 'g.organization_id = j.organization_id and g.provider_id = j.provider_id',
  membership: 'g.user_id = j.user_id and g.provider_id = j.provider_id and g.organization_id = j.organization_id',
};

/** Newest first, before an id; `id` gives that one alone. */
export function readTrips(
  tx: Tx,
  filter: { id?: string; status?: TripRow['status'] | undefined; provider_id?: string | undefined },
  page: { before: string | undefined; limit: number },
): Promise<TripRow[]> {
  const waiting = Object.entries(WAITING).map(
    ([kind, join]) => `select g.id from marking_jobs j join grants g on ${join}
      where j.held_by = t.id and j.kind = '${kind}' and g.revoked_at is null and g.hand_revoked_at is null`,
  );
  return rowsOf(
    tx,
    `select t.*, counted.*, waiting.n::int as grants_waiting
     from (
       select * from guard_trips
       where ($1::text is null or id = $1) and ($2::text is null or status = $2)
         and ($3::text is null or provider_id = $3) and ($4::text is null or id < $4)
       order by id desc limit $5
     ) t
     cross join lateral (
       select (count(distinct c.user_id) filter (where c.user_id <> '')
           + coalesce(sum(c.people) filter (where c.user_id = ''), 0))::int as users, count(distinct c.scope_key)::int as scopes,
         (count(distinct c.scope_key) filter (where s.closed_at = 'infinity'))::int as tombstones,
         (count(distinct c.scope_key) filter (where c.undone = 'reopened'))::int as reopened
       from guard_closings c join scopes s using (scope_key) where c.trip_id = t.id
     ) counted
     cross join lateral (
       select count(*) as n from (select distinct id from (${waiting.join(' union all ')}) as found limit ${MOST_WAITING}) as few
     ) waiting
     order by t.id desc`,
    [filter.id ?? null, filter.status ?? null, filter.provider_id ?? null, page.before ?? null, page.limit],
  );
}

/** Answers whether it was still to be decided. */
export async function decideTrip(
  tx: Tx,
  id: string,
  decision: { status: 'confirmed' | 'undone'; by: string; note: string },
): Promise<boolean> {
  const rows = await rowsOf(
    tx,
    `update guard_trips set status = $2, decided_at = clock_timestamp(), decided_by = $3, note = $4
     where id = $1 and status = 'paused' returning 1`,
    [id, decision.status, decision.by, decision.note],
  );
  return rows.length > 0;
}

/** Lets the marks be written that a trip holds. */
export async function releaseMarking(tx: Tx, tripId: string): Promise<void> {
  await tx.query(
    'update marking_jobs set held_by = null, after_id = default, requested_at = clock_timestamp() where held_by = $1',
    [tripId],
  );
}

export interface ScopeToReopen {
  scopeKey: ScopeKey;
  tripId: string;
  decidedBy: string;
  note: string;
  /** Events whose closing is undone. */
  eventIds: string[];
}

/** Scopes of undone trips that nobody has looked at yet; one process at a time takes them. */
export async function takeScopesToReopen(
  tx: Tx,
  limit: number,
  lock: readonly [number, number],
): Promise<ScopeToReopen[]> {
  const [turn] = await rowsOf<{ mine: boolean }>(tx, 'select pg_try_advisory_xact_lock($1, $2) as mine', [...lock]);
  if (!turn!.mine) return [];
  const rows = await rowsOf<{
    scope_key: string;
    id: string;
    decided_by: string;
    note: string;
    event_ids: string[];
  }>(
    tx,
    `select c.scope_key, t.id, t.decided_by, t.note, array_agg(distinct c.source_event_id) as event_ids
     from guard_trips t join guard_closings c on c.trip_id = t.id
     where t.status = 'undone' and c.undone is null
     group by c.scope_key, t.id, t.decided_by, t.note order by t.id, c.scope_key limit $1`,
    [limit],
  );
  return rows.map((row) => ({
    scopeKey: row.scope_key,
    tripId: row.id,
    decidedBy: row.decided_by,
    note: row.note,
    eventIds: row.event_ids,
  }));
}

export type Undone = 'reopened' | 'tombstone' | 'left';

export async function markUndone(tx: Tx, done: readonly { scope: ScopeToReopen; undone: Undone }[]): Promise<void> {
  await tx.query(
    `update guard_closings c set undone = n.undone
     from unnest($1::text[], $2::text[], $3::text[]) as n (trip_id, scope_key, undone)
     where c.trip_id = n.trip_id and c.scope_key = n.scope_key and c.undone is null`,
    columns(
      done,
      ({ scope }) => scope.tripId,
      ({ scope }) => scope.scopeKey,
      ({ undone }) => undone,
    ),
  );
}

export async function countPausedTrips(tx: Tx): Promise<number> {
  const [row] = await rowsOf<{ n: string }>(tx, `select count(*) as n from guard_trips where status = 'paused'`);
  return Number(row!.n);
}

/** What was counted and can trip nothing any more: an event delivered again makes no step, so it is not needed for that. */
export async function forgetGuardClosings(tx: Tx): Promise<void> {
  await tx.query(`delete from guard_closings where trip_id is null and recorded_at < now() - interval '7 days'`);
}
