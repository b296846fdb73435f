import { keyOf, type Scope, type ScopeKey, sessionKey } from '#revocation/scope.js';
import type { ScopeState } from '#revocation/scope-state.js';
import type { ScopeChange, ScopeClosing } from '../domain/fold.js';
import type { KnownScopes, PastClosingOfScope } from '../domain/mark.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

interface ScopeIdRow {
  scope_key: string;
  provider_id: string;
  kind: Scope['kind'];
  user_id: string | null;
  organization_id: string | null;
  session_id: string | null;
}

interface StateRow {
  scope_key: string;
  closed_at: number;
  opened_at: number;
  tokens_before: number;
  reason: string | null;
  source_event_id: string | null;
  occurred_at: number | null;
}

const STATE = `scope_key, closed_at, opened_at, tokens_before, reason, source_event_id, occurred_at`;

/** As columns of `scopes` and of whatever else belongs to a scope. */
export function scopeIds(scope: Scope): ScopeIdRow {
  return {
    scope_key: keyOf(scope),
    provider_id: scope.providerId,
    kind: scope.kind,
    user_id: 'userId' in scope ? scope.userId : null,
    organization_id: 'organizationId' in scope ? scope.organizationId : null,
    session_id: 'sessionId' in scope ? scope.sessionId : null,
  };
}

/** The inverse of {@link scopeIds}. */
export function scopeOfRow(row: Omit<ScopeIdRow, 'scope_key'>): Scope {
  const providerId = row.provider_id;
  switch (row.kind) {
    case 'user':
      return { kind: 'user', providerId, userId: row.user_id! };
    case 'organization':
      return { kind: 'organization', providerId, organizationId: row.organization_id! };
    case 'membership':
      return { kind: 'membership', providerId, userId: row.user_id!, organizationId: row.organization_id! };
    case 'session':
      return { kind: 'session', providerId, sessionId: row.session_id! };
  }
}

/**
 * Locks the rows of scopes until the transaction ends, always in the order of their keys; makes the ones that are missing,
 * so that there is something to lock. `update`: nobody else may change them or rely on them. `share`: nobody may change
 * them. Answers their states as of the lock.
 */
export async function lockScopes(
  tx: Tx,
  scopes: readonly Scope[],
  mode: 'update' | 'share',
): Promise<Map<ScopeKey, ScopeState>> {
  const rows = [...new Map(scopes.map((scope) => [keyOf(scope), scopeIds(scope)])).values()];
  if (rows.length === 0) return new Map();
  const ids = columns(
    rows,
    (row) => row.scope_key,
    (row) => row.provider_id,
    (row) => row.kind,
    (row) => row.user_id,
    (row) => row.organization_id,
    (row) => row.session_id,
  );
  await tx.query(
    `insert into scopes (scope_key, provider_id, kind, user_id, organization_id, session_id)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) as missing (scope_key)
     where not exists (select 1 from scopes s where s.scope_key = missing.scope_key)
     order by missing.scope_key collate "C"
     on conflict do nothing`,
    ids,
  );
  const states = await rowsOf<StateRow>(
    tx,
    `select ${STATE} from scopes where scope_key = any($1) order by scope_key for ${mode}`,
    [ids[0]],
  );
  return new Map(states.map((row) => [row.scope_key, stateOfRow(row)]));
}

/** The states of scopes, and every closing that they have had. */
export async function readScopes(tx: Tx, keys: Iterable<ScopeKey>): Promise<KnownScopes> {
  const wanted = [...new Set(keys)];
  const states = await readStates(tx, wanted);
  const closed = wanted.filter((key) => (states.get(key)?.closing ?? null) !== null);
  const closings = new Map<ScopeKey, PastClosingOfScope[]>();
  if (closed.length > 0) {
    const rows = await rowsOf<StateRow & { kind: Scope['kind']; actor: string | null; reason: string }>(
      tx,
      `select c.scope_key, s.kind, c.closed_at, c.reason, c.source_event_id, c.occurred_at, c.actor
       from scope_closings c join scopes s using (scope_key) where c.scope_key = any($1) and s.scope_key = any($1)`,
      [closed],
    );
    for (const row of rows) {
      const known = closings.get(row.scope_key) ?? [];
      known.push({
        key: row.scope_key,
        kind: row.kind,
        closedAt: row.closed_at,
        reason: row.reason,
        sourceEventId: row.source_event_id === '' ? null : row.source_event_id,
        occurredAt: row.occurred_at!,
        actor: row.actor,
      });
      closings.set(row.scope_key, known);
    }
  }
  return { stateOf: (key) => states.get(key), closingsOf: (key) => closings.get(key) ?? [] };
}

export async function readStates(tx: Tx, keys: readonly ScopeKey[]): Promise<Map<ScopeKey, ScopeState>> {
  if (keys.length === 0) return new Map();
  const rows = await rowsOf<StateRow>(tx, `select ${STATE} from scopes where scope_key = any($1)`, [keys]);
  return new Map(rows.map((row) => [row.scope_key, stateOfRow(row)]));
}

/** Writes states whose rows are locked. */
export async function writeScopes(tx: Tx, changes: readonly ScopeChange[]): Promise<void> {
  if (changes.length === 0) return;
  await tx.query(
    `update scopes s
     set closed_at = n.closed_at, opened_at = n.opened_at, tokens_before = n.tokens_before,
       reason = n.reason, source_event_id = n.source_event_id, occurred_at = n.occurred_at,
       changed_at = clock_timestamp()
     from unnest($1::text[], $2::float8[], $3::float8[], $4::float8[], $5::text[], $6::text[], $7::float8[])
       as n (${STATE})
     where s.scope_key = n.scope_key`,
    columns(
      changes,
      ({ scope }) => keyOf(scope),
      ({ after }) => after.closedAt,
      ({ after }) => after.openedAt,
      ({ after }) => after.tokensBefore,
      ({ after }) => after.closing?.reason ?? null,
      ({ after }) => after.closing?.sourceEventId ?? null,
      ({ after }) => after.closing?.occurredAt ?? null,
    ),
  );
}

/** Adds closings to what their scopes have had; answers those that were not there. */
export async function insertClosings(tx: Tx, closings: readonly ScopeClosing[]): Promise<ScopeKey[]> {
  if (closings.length === 0) return [];
  const rows = await rowsOf<{ scope_key: string }>(
    tx,
    `insert into scope_closings (scope_key, closed_at, reason, source_event_id, occurred_at, actor)
     select * from unnest($1::text[], $2::float8[], $3::text[], $4::text[], $5::float8[], $6::text[])
     on conflict do nothing returning scope_key`,
    columns(
      closings,
      ({ scope }) => keyOf(scope),
      ({ closedAt }) => closedAt,
      ({ reason }) => reason,
      ({ sourceEventId }) => sourceEventId ?? '',
      ({ occurredAt }) => occurredAt,
      ({ actor }) => actor,
    ),
  );
  return rows.map((row) => row.scope_key);
}

function stateOfRow(row: StateRow): ScopeState {
  return {
    closedAt: row.closed_at,
    openedAt: row.opened_at,
    tokensBefore: row.tokens_before,
    closing:
      row.reason === null
        ? null
        : { reason: row.reason, sourceEventId: row.source_event_id, occurredAt: row.occurred_at! },
  };
}

/** All scopes that name a user, and the given sessions of theirs. */
export async function readScopesOfUser(
  tx: Tx,
  providerId: string,
  userId: string,
  sessionIds: readonly string[],
): Promise<{ scope: Scope; state: ScopeState }[]> {
  const rows = await rowsOf<ScopeIdRow & StateRow>(
    tx,
    `select ${STATE}, provider_id, kind, user_id, organization_id, session_id from scopes
     where (user_id = $1 and provider_id = $2) or scope_key = any($3)
     order by scope_key`,
    [userId, providerId, sessionIds.map((id) => sessionKey(providerId, id))],
  );
  return rows.map((row) => ({ scope: scopeOfRow(row), state: stateOfRow(row) }));
}

/** What some scopes are of. */
export async function readScopeIds(tx: Tx, keys: readonly ScopeKey[]): Promise<Scope[]> {
  const rows = await rowsOf<ScopeIdRow>(
    tx,
    `select scope_key, provider_id, kind, user_id, organization_id, session_id from scopes where scope_key = any($1)`,
    [keys],
  );
  return rows.map(scopeOfRow);
}

/** Every scope in the order of its key, after one, with the rows locked against changes until the transaction ends. */
export async function readStatesAfter(
  tx: Tx,
  after: ScopeKey,
  limit: number,
): Promise<{ key: ScopeKey; scope: Scope; state: ScopeState }[]> {
  const rows = await rowsOf<ScopeIdRow & StateRow>(
    tx,
    `select ${STATE}, provider_id, kind, user_id, organization_id, session_id from scopes
     where scope_key > $1 order by scope_key limit $2 for share`,
    [after, limit],
  );
  return rows.map((row) => ({ key: row.scope_key, scope: scopeOfRow(row), state: stateOfRow(row) }));
}

/** Every scope of a schema (`current`: the one in the search path), or some. */
export async function readEveryState(
  tx: Tx,
  schema: string,
  keys?: readonly ScopeKey[],
): Promise<{ key: ScopeKey; scope: Scope; state: ScopeState }[]> {
  const table = schema === 'current' ? 'scopes' : `${schema}.scopes`;
  const rows = await rowsOf<ScopeIdRow & StateRow>(
    tx,
    `select ${STATE}, provider_id, kind, user_id, organization_id, session_id from ${table}
     where $1::text[] is null or scope_key = any($1) order by scope_key`,
    [keys ?? null],
  );
  return rows.map((row) => ({ key: row.scope_key, scope: scopeOfRow(row), state: stateOfRow(row) }));
}
