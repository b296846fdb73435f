import type { Moment } from '#contracts/moment.js';
import { NEVER } from '#contracts/moment.js';
import type { ScopeKey } from './scope.js';
import { isClosed, type ScopeState } from './scope-state.js';

/** A token or a grant, as far as the rule looks at it. */
export interface Access {
  kind: 'token' | 'grant';
  /** Milliseconds; a token's `iat` times 1000, so one issued in the second of a closing is refused. */
  issuedAt: Moment;
  /** Widest first, as `scopesOf` gives them. */
  scopes: readonly ScopeKey[];
}

export type Verdict =
  { void: false } | { void: true; scope: ScopeKey; reason: string; sourceEventId: string | null; occurredAt: Moment };

const VALID: Verdict = { void: false };

/**
 * The one rule. Access issued at t is void if, for any of its scopes, the scope is closed (`closed_at >= opened_at`),
 * or `t <= closed_at`; a token also if `t <= tokens_before`. The reason given is that of the widest such scope.
 */
export function judge(access: Access, stateOf: (key: ScopeKey) => ScopeState | undefined): Verdict {
  for (const scope of access.scopes) {
    const state = stateOf(scope);
    if (state === undefined) continue;
    if (isClosed(state) || (state.closedAt !== NEVER && access.issuedAt <= state.closedAt)) {
      const { reason, sourceEventId, occurredAt } = state.closing ?? UNEXPLAINED;
      return { void: true, scope, reason, sourceEventId, occurredAt };
    }
    if (access.kind === 'token' && access.issuedAt <= state.tokensBefore) {
      return { void: true, scope, reason: 'role_changed', sourceEventId: null, occurredAt: state.tokensBefore };
    }
  }
  return VALID;
}

/** A state read from outside may lack its closing; it is void all the same. */
const UNEXPLAINED = { reason: 'user_deprovisioned', sourceEventId: null, occurredAt: NEVER } as const;
