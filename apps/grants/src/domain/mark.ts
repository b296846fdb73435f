import type { Moment } from '#contracts/moment.js';
import { explain, type PastClosing } from '#revocation/explain.js';
import { judge } from '#revocation/judge.js';
import { type Holder, type ScopeKey, scopesOf } from '#revocation/scope.js';
import type { ScopeState } from '#revocation/scope-state.js';

/** A grant, as far as the rule looks at it. */
export interface GrantedAccess extends Holder {
  id: string;
  grantedAt: Moment;
}

/** Why a grant is void, and since when; the time of the event that ended it, not of our learning of it. */
export interface Mark {
  revokedAt: Moment;
  reason: string;
  sourceEventId: string | null;
  scope: ScopeKey;
  /** Who, where it was by hand. */
  actor: string | null;
}

export type PastClosingOfScope = PastClosing & { key: ScopeKey; actor: string | null };

/** What is known of scopes, as far as somebody asked for them. */
export interface KnownScopes {
  stateOf(key: ScopeKey): ScopeState | undefined;
  closingsOf(key: ScopeKey): readonly PastClosingOfScope[];
}

/**
 * What the rule says of a grant: undefined where it is valid. A function of the grant and its scopes' states and closings
 * and of nothing else, so it cannot depend on the order in which they came about.
 */
export function markOf(grant: GrantedAccess, known: KnownScopes): Mark | undefined {
  const keys = scopesOf(grant);
  const judged = (scopes: ScopeKey[]) =>
    judge({ kind: 'grant', issuedAt: grant.grantedAt, scopes }, (key) => known.stateOf(key));
  const verdict = judged(keys);
  if (!verdict.void) return undefined;
  const culprits = keys.filter((key) => judged([key]).void);
  const closings = culprits.flatMap((key) => known.closingsOf(key));
  const cause = explain(grant.grantedAt, closings) as PastClosingOfScope | undefined;
  if (!cause) {
    const { occurredAt, reason, sourceEventId, scope } = verdict;
    return { revokedAt: occurredAt, reason, sourceEventId, scope, actor: null };
  }
  const { occurredAt, reason, sourceEventId, key, actor } = cause;
  return { revokedAt: occurredAt, reason, sourceEventId, scope: key, actor };
}

export function sameMark(a: Mark | undefined, b: Mark | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.revokedAt === b.revokedAt &&
    a.reason === b.reason &&
    a.sourceEventId === b.sourceEventId &&
    a.scope === b.scope &&
    a.actor === b.actor
  );
}
