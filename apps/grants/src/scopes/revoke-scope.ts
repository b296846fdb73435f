import { FOR_EVER, type Moment, momentToWire } from '#contracts/moment.js';
import { Problem } from '#platform/problem.js';
import { keyOf, type Scope } from '#revocation/scope.js';
import { isClosed, OPEN, type ScopeState } from '#revocation/scope-state.js';
import { stateToWire } from '#revocation/wire.js';
import { changeScopes, type MarkingLimits } from './change-scopes.js';
import { MOST_GRANT_IDS } from '../domain/announcements.js';
import type { SourcedUpdate } from '../domain/fold.js';
import { clock, countActiveGrants, readActiveGrantIds } from '../grants/grants.sql.js';
import { lockScopes, readStates } from './scopes.sql.js';
import type { Tx } from '#platform/sql.js';

export interface RevokedScope {
  dry_run: boolean;
  scope: string;
  provider_id: string;
  reason: string;
  closed_at: string | null;
  /** Grants that were active until now. */
  revoked_grants: number;
  /** The first thousand of them. */
  grant_ids: string[];
  deferred: boolean;
}

export interface ByHand {
  actor: string;
  reason: string;
}

/**
 * Closes a scope now (a session: for ever), and it stays closed until somebody opens it: by hand, or WorkOS with an event
 * that is later. Announced like what events do. `dryRun`: says what would be revoked, and changes nothing.
 */
export async function revokeScope(
  tx: Tx,
  scope: Scope,
  { actor, reason, dryRun }: ByHand & { dryRun: boolean },
  limits: MarkingLimits,
): Promise<RevokedScope> {
  const key = keyOf(scope);
  const known = dryRun ? await readStates(tx, [key]) : await lockScopes(tx, [scope], 'update');
  const now = await clock(tx);
  const revoked = await countActiveGrants(tx, scope, now);
  const ids = await readActiveGrantIds(tx, scope, now, MOST_GRANT_IDS);
  const closedAt = scope.kind === 'session' ? FOR_EVER : now;
  let deferred = false;
  if (!dryRun) {
    const closing = { reason, sourceEventId: null, occurredAt: now };
    const update = { scope, state: { ...OPEN, closedAt, closing }, reason };
    const changed = await changeScopes(tx, [{ ...update, source: byHand(now, actor) }], limits);
    deferred = changed.deferred.length > 0;
  }
  return {
    dry_run: dryRun,
    scope: key,
    provider_id: scope.providerId,
    reason,
    closed_at: momentToWire(Math.max(closedAt, known.get(key)?.closedAt ?? closedAt)),
    revoked_grants: revoked,
    grant_ids: ids,
    deferred,
  };
}

/** Opens a scope now. What was granted or issued before stays void. Throws 409 `scope_is_tombstone`. */
export async function reinstateScope(tx: Tx, scope: Scope, { actor, reason }: ByHand, limits: MarkingLimits) {
  const key = keyOf(scope);
  const states = await lockScopes(tx, [scope], 'update');
  const state: ScopeState = states.get(key) ?? OPEN;
  if (state.closedAt === FOR_EVER) {
    throw new Problem(409, 'scope_is_tombstone', 'It was closed for ever and cannot be opened again.', {
      extra: { scope: key, reason: state.closing?.reason, source_event_id: state.closing?.sourceEventId },
    });
  }
  const now = await clock(tx);
  if (isClosed(state)) {
    // Our clock may be behind the one that said when it was closed.
    const openedAt = Math.max(now, state.closedAt + 1);
    const source = { ...byHand(now, actor), note: reason };
    await changeScopes(tx, [{ scope, state: { ...OPEN, openedAt }, reason: null, source }], limits);
  }
  const after = (await readStates(tx, [key])).get(key) ?? OPEN;
  return { ...stateToWire(scope, after), closed: isClosed(after) };
}

function byHand(occurredAt: Moment, actor: string): SourcedUpdate['source'] {
  return { eventId: null, occurredAt, actor };
}
