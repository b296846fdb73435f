import type { Moment } from '#contracts/moment.js';
import type { Scope } from '#revocation/scope.js';
import { groupBy } from '../group-by.js';
import type { Mark } from '../domain/mark.js';
import { scopeIds } from '../scopes/scopes.sql.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

export interface Grant {
  id: string;
  providerId: string;
  userId: string;
  organizationId: string | undefined;
  sessionId: string | undefined;
  resource: string;
  scopes: string[];
  grantedAt: Moment;
  expiresAt: Moment | null;
  grantedBy: string;
  /** What stands in the row; whether it still holds, the rule says. */
  mark: Mark | undefined;
  byHand: { at: Moment; by: string; reason: string } | undefined;
}

export interface GrantRow {
  id: string;
  provider_id: string;
  user_id: string;
  organization_id: string | null;
  session_id: string | null;
  resource: string;
  scopes: string[];
  granted_at: number;
  expires_at: number | null;
  granted_by: string;
  revoked_at: number | null;
  reason: string | null;
  source_event_id: string | null;
  revoked_scope: string | null;
  actor: string | null;
  hand_revoked_at: number | null;
  hand_revoked_by: string | null;
  hand_reason: string | null;
}

export function grantOfRow(row: GrantRow): Grant {
  return {
    id: row.id,
    providerId: row.provider_id,
    userId: row.user_id,
    organizationId: row.organization_id ?? undefined,
    sessionId: row.session_id ?? undefined,
    resource: row.resource,
    scopes: row.scopes,
    grantedAt: row.granted_at,
    expiresAt: row.expires_at,
    grantedBy: row.granted_by,
    mark:
      row.revoked_at === null
        ? undefined
        : {
            revokedAt: row.revoked_at,
            reason: row.reason!,
            sourceEventId: row.source_event_id,
            scope: row.revoked_scope!,
            actor: row.actor,
          },
    byHand:
      row.hand_revoked_at === null
        ? undefined
        : { at: row.hand_revoked_at, by: row.hand_revoked_by!, reason: row.hand_reason! },
  };
}

/** Whether a grant `g` belongs to the scope whose ids are given as columns or parameters. */
const OF_KIND: Record<Scope['kind'], string> = {
  user: 'g.user_id = s.user_id and g.provider_id = s.provider_id',
  organization: 'g.organization_id = s.organization_id and g.provider_id = s.provider_id',
  membership: 'g.user_id = s.user_id and g.provider_id = s.provider_id and g.organization_id = s.organization_id',
  session: 'g.session_id = s.session_id and g.provider_id = s.provider_id',
};

const idsOf = (scopes: readonly Scope[]): unknown[][] =>
  columns(
    scopes.map(scopeIds),
    (row) => row.scope_key,
    (row) => row.provider_id,
    (row) => row.user_id,
    (row) => row.organization_id,
    (row) => row.session_id,
  );
const GIVEN = `unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
  as s (scope_key, provider_id, user_id, organization_id, session_id)`;

/** How many grants each scope has, counted no further than `limit`. */
export async function countGrants(tx: Tx, scopes: readonly Scope[], limit: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const [kind, group] of byKind(scopes)) {
    const rows = await rowsOf<{ scope_key: string; n: string }>(
      tx,
      `select s.scope_key, count(*) as n from ${GIVEN}
       cross join lateral (select 1 from grants g where ${OF_KIND[kind]} limit ${Math.trunc(limit)}) as few
       group by s.scope_key`,
      idsOf(group),
    );
    for (const row of rows) counts.set(row.scope_key, Number(row.n));
  }
  return counts;
}

/**
 * Locks the grants of some scopes against being marked by others, in the order of their ids. States that are to decide
 * about them must be read after that.
 */
export async function lockGrantsOf(tx: Tx, scopes: readonly Scope[]): Promise<Grant[]> {
  const found: string[] = [];
  for (const [kind, group] of byKind(scopes)) {
    const rows = await rowsOf<{ id: string }>(
      tx,
      `select g.id from ${GIVEN} join grants g on ${OF_KIND[kind]}`,
      idsOf(group),
    );
    for (const { id } of rows) found.push(id);
  }
  if (found.length === 0) return [];
  const rows = await rowsOf<GrantRow>(tx, `select * from grants where id = any($1) order by id for no key update`, [
    [...new Set(found)],
  ]);
  return rows.map(grantOfRow);
}

/** Those of the given ids that are there. */
export async function readGrants(tx: Tx, ids: readonly string[]): Promise<Grant[]> {
  if (ids.length === 0) return [];
  const rows = await rowsOf<GrantRow>(tx, 'select * from grants where id = any($1) order by id', [ids]);
  return rows.map(grantOfRow);
}

/** Writes marks onto grants that are locked; undefined takes a mark away. */
export async function writeMarks(tx: Tx, marks: readonly { id: string; mark: Mark | undefined }[]): Promise<void> {
  if (marks.length === 0) return;
  await tx.query(
    `update grants g
     set revoked_at = n.revoked_at, reason = n.reason, source_event_id = n.source_event_id,
       revoked_scope = n.revoked_scope, actor = n.actor
     from unnest($1::text[], $2::float8[], $3::text[], $4::text[], $5::text[], $6::text[])
       as n (id, revoked_at, reason, source_event_id, revoked_scope, actor)
     where g.id = n.id`,
    columns(
      marks,
      ({ id }) => id,
      ({ mark }) => mark?.revokedAt ?? null,
      ({ mark }) => mark?.reason ?? null,
      ({ mark }) => mark?.sourceEventId ?? null,
      ({ mark }) => mark?.scope ?? null,
      ({ mark }) => mark?.actor ?? null,
    ),
  );
}

export async function insertGrant(tx: Tx, grant: Omit<Grant, 'mark' | 'byHand'>): Promise<void> {
  await tx.query(
    `insert into grants
       (id, provider_id, user_id, organization_id, session_id, resource, scopes, granted_at, expires_at, granted_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      grant.id,
      grant.providerId,
      grant.userId,
      grant.organizationId ?? null,
      grant.sessionId ?? null,
      grant.resource,
      grant.scopes,
      grant.grantedAt,
      grant.expiresAt,
      grant.grantedBy,
    ],
  );
}

export async function readGrant(tx: Tx, id: string, lock?: 'for no key update'): Promise<Grant | undefined> {
  const [row] = await rowsOf<GrantRow>(tx, `select * from grants where id = $1 ${lock ?? ''}`, [id]);
  return row && grantOfRow(row);
}

/** Final: a grant revoked by hand stays so, whatever becomes of its scopes. */
export async function revokeByHand(
  tx: Tx,
  id: string,
  hand: { at: Moment; by: string; reason: string },
): Promise<void> {
  await tx.query(
    `update grants set hand_revoked_at = $2, hand_revoked_by = $3, hand_reason = $4
     where id = $1 and hand_revoked_at is null`,
    [id, hand.at, hand.by, hand.reason],
  );
}

/** Milliseconds on the database's clock, the one that all replicas share. Read it after the locks. */
export async function clock(tx: Tx): Promise<Moment> {
  const [row] = await rowsOf<{ now: number }>(
    tx,
    `select floor(extract(epoch from clock_timestamp()) * 1000)::float8 as now`,
  );
  return row!.now;
}

const byKind = (scopes: readonly Scope[]): Map<Scope['kind'], Scope[]> => groupBy(scopes, ({ kind }) => kind);

/** Which grants `g` a scope has, as a condition with parameters. */
export function inScope(scope: Scope, firstParameter: number): { condition: string; ids: unknown[] } {
  const { provider_id, user_id, organization_id, session_id } = scopeIds(scope);
  const ids = Object.entries({ provider_id, user_id, organization_id, session_id }).filter(([, id]) => id !== null);
  return {
    condition: ids.map(([column], index) => `${column} = $${index + firstParameter}`).join(' and '),
    ids: ids.map(([, id]) => id),
  };
}

const ACTIVE = `revoked_at is null and hand_revoked_at is null and (expires_at is null or expires_at > $1)`;

/** Grants of a scope that are active as far as they are marked. */
export async function countActiveGrants(tx: Tx, scope: Scope, now: Moment): Promise<number> {
  const { condition, ids } = inScope(scope, 2);
  const [row] = await rowsOf<{ n: string }>(tx, `select count(*) as n from grants where ${condition} and ${ACTIVE}`, [
    now,
    ...ids,
  ]);
  return Number(row!.n);
}

export async function readActiveGrantIds(tx: Tx, scope: Scope, now: Moment, limit: number): Promise<string[]> {
  const { condition, ids } = inScope(scope, 3);
  const rows = await rowsOf<{ id: string }>(
    tx,
    `select id from grants where ${condition} and ${ACTIVE} order by id limit $2`,
    [now, limit, ...ids],
  );
  return rows.map((row) => row.id);
}
