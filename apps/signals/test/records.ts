import type { RevocationData, ScopeStateData } from '#contracts/revocation.js';

export const PROVIDER = 'idp_test';
export const USERS_ISSUER = 'https://issuer.example.com';

export const AT = Date.parse('2026-03-01T09:00:00.000Z');
const moment = (second: number): string => new Date(AT + second * 1000).toISOString();

export interface Ids {
  user_id?: string;
  organization_id?: string;
  session_id?: string;
}

/** The state of a scope, as grants writes it; times in seconds after nine o'clock. */
export function stateOf(ids: Ids, more: Partial<ScopeStateData> = {}): ScopeStateData {
  const { user_id, organization_id, session_id } = ids;
  const name =
    session_id !== undefined
      ? `session:${session_id}`
      : user_id === undefined
        ? `org:${organization_id}`
        : organization_id === undefined
          ? `user:${user_id}`
          : `membership:${user_id}:${organization_id}`;
  return {
    scope: `${PROVIDER}/${name}`,
    provider_id: PROVIDER,
    ...ids,
    closed_at: null,
    opened_at: null,
    tokens_before: null,
    reason: null,
    source_event_id: null,
    occurred_at: null,
    ...more,
  };
}

/** Closed so many seconds after nine; null: for ever. */
export function revocationOf(
  ids: Ids,
  second: number,
  event: string,
  more: Partial<RevocationData> = {},
): RevocationData {
  return {
    ...stateOf(ids, {
      closed_at: moment(second),
      reason: 'user_suspended',
      source_event_id: event,
      occurred_at: moment(second),
    }),
    ...more,
  };
}
