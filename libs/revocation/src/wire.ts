import { momentFromWire, momentToWire, NEVER } from '#contracts/moment.js';
import { Rejected } from '#contracts/rejected.js';
import type { ScopeStateData } from '#contracts/revocation.js';
import { keyOf, type Scope } from './scope.js';
import type { ScopeState } from './scope-state.js';

/** As it stands in a record of `access.revocation-state` or `access.revocations`. */
export function stateToWire(scope: Scope, state: ScopeState): ScopeStateData {
  return {
    scope: keyOf(scope),
    provider_id: scope.providerId,
    ...('userId' in scope ? { user_id: scope.userId } : {}),
    ...('organizationId' in scope ? { organization_id: scope.organizationId } : {}),
    ...('sessionId' in scope ? { session_id: scope.sessionId } : {}),
    closed_at: momentToWire(state.closedAt),
    opened_at: momentToWire(state.openedAt),
    tokens_before: momentToWire(state.tokensBefore),
    reason: state.closing?.reason ?? null,
    source_event_id: state.closing?.sourceEventId ?? null,
    occurred_at: momentToWire(state.closing?.occurredAt ?? NEVER),
  };
}

export function stateFromWire(data: ScopeStateData): ScopeState {
  const closedAt = momentFromWire(data.closed_at);
  return {
    closedAt,
    openedAt: momentFromWire(data.opened_at),
    tokensBefore: momentFromWire(data.tokens_before),
    closing:
      closedAt === NEVER || data.reason === null
        ? null
        : {
            reason: data.reason,
            sourceEventId: data.source_event_id,
            occurredAt: momentFromWire(data.occurred_at),
          },
  };
}

/** The scope that a record is about. */
export function scopeFromWire(data: ScopeStateData): Scope {
  const { provider_id: providerId, user_id: userId, organization_id: organizationId, session_id: sessionId } = data;
  if (sessionId !== undefined) return { kind: 'session', providerId, sessionId };
  if (userId !== undefined && organizationId !== undefined) {
    return { kind: 'membership', providerId, userId, organizationId };
  }
  if (userId !== undefined) return { kind: 'user', providerId, userId };
  if (organizationId !== undefined) return { kind: 'organization', providerId, organizationId };
  throw new Rejected('record_malformed', 'data: no scope');
}
