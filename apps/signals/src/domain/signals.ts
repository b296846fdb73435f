import { createHash } from 'node:crypto';
import { FOR_EVER, type Moment, momentFromWire } from '#contracts/moment.js';
import type { RevocationData, ScopeStateData } from '#contracts/revocation.js';
import { keyOf, type Scope, type ScopeKey } from '#revocation/scope.js';
import { isClosed, merge, OPEN, type ScopeState } from '#revocation/scope-state.js';
import { scopeFromWire, stateFromWire } from '#revocation/wire.js';
import {
  ACCESS_REVOKED,
  ACCOUNT_REOPENED,
  BACKCHANNEL_LOGOUT,
  CAEP_SESSION_REVOKED,
  CAEP_TOKEN_CLAIMS_CHANGE,
  RISC_ACCOUNT_DISABLED,
  RISC_ACCOUNT_ENABLED,
  RISC_ACCOUNT_PURGED,
  TOKEN_REVOCATION,
} from './event-types.js';
import { type SubjectId, subjectOf } from './subject.js';

/** How somebody is told. One queue holds them all; `requests.ts` says what each sends. */
export const KINDS = ['set_push', 'set_poll', 'webhook', 'backchannel_logout', 'token_revocation'] as const;
export type Kind = (typeof KINDS)[number];

/** One thing to be said to one kind of listener, before it is signed for any of them. */
export interface Signal {
  /** What it is said of; with the type the source of its `jti`, the same however often that comes. */
  id: string;
  type: string;
  /** Of one subject, what happened first is said first. */
  subject: ScopeKey;
  sub_id: SubjectId;
  /** Members of the event in a SET; `data` of a webhook. */
  claims: Record<string, unknown>;
  /** RFC 3339. */
  occurred_at: string;
  /** The event that caused it, where there is one: `txn` of a SET. */
  txn: string | null;
}

/** A record, with what was known of its scope before it and is now. States are known of users alone. */
export interface Change {
  /** The id of the record. */
  id: string;
  scope: Scope;
  before: ScopeState;
  after: ScopeState;
  /** Undefined: the record is not a revocation, but the state that a scope has by now. */
  revocation: RevocationData | undefined;
  /** When the record was written, where it does not say when it happened. */
  writtenAt: Moment;
}

/** Merged as everywhere, so that order and repetition do not matter. */
export function changeOf({ id, data, revocation, writtenAt }: SaidRecord, known: ScopeState | undefined): Change {
  const before = known ?? OPEN;
  return { id, scope: scopeFromWire(data), before, after: merge(before, stateFromWire(data)), revocation, writtenAt };
}

/** A record of one of the two topics, read. */
export interface SaidRecord {
  id: string;
  data: ScopeStateData;
  revocation: RevocationData | undefined;
  writtenAt: Moment;
}

/**
 * What a change means for one kind of listener. Sessions end with each revocation, however late it is known. What an account is
 * (disabled, purged, enabled) is said only where it is so by all that is known, so that the last word on it is true whatever
 * the order in which records came: the two topics have none between them.
 */
export function signalsOf(change: Change, kind: Kind, issuer: string): Signal[] {
  const { scope, revocation } = change;
  const about = { subject: keyOf(scope), sub_id: subjectOf(scope, issuer), txn: revocation?.source_event_id ?? null };
  const endedAt = momentOr(revocation?.occurred_at ?? null, change.writtenAt);
  const ended = (type: string, claims: Record<string, unknown>): Signal => ({
    id: change.id,
    type,
    ...about,
    claims,
    occurred_at: new Date(endedAt).toISOString(),
  });
  const reopened = (type: string, claims: Record<string, unknown>): Signal[] =>
    hasReopened(change)
      ? [
          {
            id: reopeningId(change),
            type,
            ...about,
            claims,
            occurred_at: new Date(change.after.openedAt).toISOString(),
          },
        ]
      : [];
  switch (kind) {
    case 'set_push':
    case 'set_poll':
      return [
        ...(revocation ? setsOf(change, revocation, endedAt).map(([type, claims]) => ended(type, claims)) : []),
        ...reopened(RISC_ACCOUNT_ENABLED, {}),
      ];
    case 'webhook':
      return [
        ...(revocation ? [ended(ACCESS_REVOKED, { ...revocation })] : []),
        ...reopened(ACCOUNT_REOPENED, { scope: keyOf(scope), ...idsOf(scope) }),
      ];
    case 'backchannel_logout':
      // A logout token names a user or a session (section 2.4); whoever loses one organization signs in again for the others.
      return revocation && scope.kind !== 'organization' ? [ended(BACKCHANNEL_LOGOUT, idsOf(scope))] : [];
    case 'token_revocation':
      return revocation && 'userId' in scope ? [ended(TOKEN_REVOCATION, idsOf(scope))] : [];
  }
}

/** Of a revocation: CAEP about sessions, and RISC about the account where that is closed by now. */
function setsOf({ scope, after }: Change, revocation: RevocationData, at: Moment): [string, Record<string, unknown>][] {
  const caep = {
    event_timestamp: Math.floor(at / 1000),
    initiating_entity: revocation.source_event_id === null ? 'admin' : 'system',
    reason_admin: { en: revocation.reason ?? 'revoked' },
  };
  // Which role it is now we are not told: none, until the next token says.
  if (revocation.reason === 'role_changed') return [[CAEP_TOKEN_CLAIMS_CHANGE, { ...caep, claims: { role: null } }]];
  const session: [string, Record<string, unknown>] = [CAEP_SESSION_REVOKED, caep];
  if (scope.kind !== 'user' || !isClosed(after)) return [session];
  return [session, [after.closedAt === FOR_EVER ? RISC_ACCOUNT_PURGED : RISC_ACCOUNT_DISABLED, {}]];
}

const hasReopened = ({ scope, before, after }: Change): boolean =>
  scope.kind === 'user' && isClosed(before) && !isClosed(after);

/** Once for each opening, whichever record says so first. */
const reopeningId = ({ scope, after }: Change): string => `reopening ${keyOf(scope)} ${after.openedAt}`;

function momentOr(wire: string | null, otherwise: Moment): Moment {
  const moment = momentFromWire(wire);
  return Number.isFinite(moment) ? moment : otherwise;
}

const idsOf = (scope: Scope): Record<string, string> => ({
  provider_id: scope.providerId,
  ...('userId' in scope ? { user_id: scope.userId } : {}),
  ...('organizationId' in scope ? { organization_id: scope.organizationId } : {}),
  ...('sessionId' in scope ? { session_id: scope.sessionId } : {}),
});

/** The same for the same record and stream, so that a record that comes again is nothing new (RFC 8417, section 2.2). */
export const jtiOf = ({ id, type }: Pick<Signal, 'id' | 'type'>, streamId: string): string =>
  createHash('sha256')
    .update(JSON.stringify([id, type, streamId]))
    .digest('hex')
    .slice(0, 32);
