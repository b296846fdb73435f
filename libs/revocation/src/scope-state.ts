import { type Moment, NEVER } from '#contracts/moment.js';

/** Why and when a scope was closed, as the event says. */
export interface Closing {
  reason: string;
  /** WorkOS's event id; null for a revocation by hand. */
  sourceEventId: string | null;
  occurredAt: Moment;
}

/** What is known of one scope. Moments in ms since the epoch; NEVER where it has not happened, Infinity for ever. */
export interface ScopeState {
  closedAt: Moment;
  openedAt: Moment;
  /** Tokens issued at or before this moment are void; grants are not. */
  tokensBefore: Moment;
  /** What stands behind `closedAt`; null while it is NEVER. */
  closing: Closing | null;
}

export const OPEN: ScopeState = { closedAt: NEVER, openedAt: NEVER, tokensBefore: NEVER, closing: null };

/**
 * Commutative, associative, idempotent: the order and number of deliveries cannot matter. Each moment is merged by
 * maximum; the closing travels with the `closedAt` that it explains.
 */
export function merge(a: ScopeState, b: ScopeState): ScopeState {
  const later = compareClosings(a, b) >= 0 ? a : b;
  return {
    closedAt: later.closedAt,
    closing: later.closing,
    openedAt: Math.max(a.openedAt, b.openedAt),
    tokensBefore: Math.max(a.tokensBefore, b.tokensBefore),
  };
}

/** A total order, so that two closings of the same moment have one winner: whichever was said first, by id in a tie. */
function compareClosings(a: ScopeState, b: ScopeState): number {
  if (a.closedAt !== b.closedAt) return a.closedAt < b.closedAt ? -1 : 1;
  if (a.closing === null || b.closing === null) return Number(a.closing !== null) - Number(b.closing !== null);
  return (
    b.closing.occurredAt - a.closing.occurredAt ||
    compareText(b.closing.sourceEventId ?? '', a.closing.sourceEventId ?? '') ||
    compareText(b.closing.reason, a.closing.reason)
  );
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export function sameState(a: ScopeState, b: ScopeState): boolean {
  return (
    a.closedAt === b.closedAt &&
    a.openedAt === b.openedAt &&
    a.tokensBefore === b.tokensBefore &&
    a.closing?.occurredAt === b.closing?.occurredAt &&
    a.closing?.sourceEventId === b.closing?.sourceEventId &&
    a.closing?.reason === b.closing?.reason
  );
}

/** Whether nobody who asks now may come in. A tie goes to closed; a scope that was never closed is open. */
export function isClosed(state: ScopeState): boolean {
  return state.closedAt !== NEVER && state.closedAt >= state.openedAt;
}

/** Whether the state can make nothing void: it need not be told to anybody. */
export function isHarmless(state: ScopeState): boolean {
  return state.closedAt === NEVER && state.tokensBefore === NEVER;
}
