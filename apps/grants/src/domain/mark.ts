import { FOR_EVER, type Moment, NEVER } from '#contracts/moment.js';
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
  return markAt(grant.grantedAt, scopesOf(grant), known);
}

/** @param keys of the grant's scopes, widest first; those that were never closed make no difference */
function markAt(grantedAt: Moment, keys: ScopeKey[], known: KnownScopes): Mark | undefined {
  const judged = (scopes: ScopeKey[]) =>
    judge({ kind: 'grant', issuedAt: grantedAt, scopes }, (key) => known.stateOf(key));
  const verdict = judged(keys);
  if (!verdict.void) return undefined;
  const culprits = keys.filter((key) => judged([key]).void);
  const closings = culprits.flatMap((key) => known.closingsOf(key));
  const cause = explain(grantedAt, closings) as PastClosingOfScope | undefined;
  if (!cause) {
    const { occurredAt, reason, sourceEventId, scope } = verdict;
    return { revokedAt: occurredAt, reason, sourceEventId, scope, actor: null };
  }
  const { occurredAt, reason, sourceEventId, key, actor } = cause;
  return { revokedAt: occurredAt, reason, sourceEventId, scope: key, actor };
}

/** Grants of `after < granted_at <= upTo`, and what the rule says of them. */
export interface MarkOfSpan {
  after: Moment;
  upTo: Moment;
  mark: Mark | undefined;
}

/**
 * What {@link markOf} says of every grant of a scope of whose other scopes none has ever been closed. The rule compares the
 * moment of a grant with closings and with nothing else, so between two of them it says the same of each: asked once for
 * every span, it has answered for a million grants.
 */
export function marksOfScope(key: ScopeKey, known: KnownScopes): MarkOfSpan[] {
  const moments = [known.stateOf(key)?.closedAt ?? NEVER, ...known.closingsOf(key).map(({ closedAt }) => closedAt)];
  const ends = [...new Set([...moments, FOR_EVER])].filter((moment) => moment !== NEVER).sort((a, b) => a - b);
  return ends.map((upTo, index) => ({ after: ends[index - 1] ?? NEVER, upTo, mark: markAt(upTo, [key], known) }));
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
