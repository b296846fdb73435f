import type { Moment } from '#contracts/moment.js';
import type { Closing } from './scope-state.js';
import type { Scope } from './scope.js';

/** One closing that a scope has had. Their set only grows, so whatever is computed from it cannot depend on order. */
export interface PastClosing extends Closing {
  kind: Scope['kind'];
  closedAt: Moment;
}

/** WorkOS announces one deletion as several events within moments: sessions, memberships, then the user. */
export const CASCADE_MS = 10_000;

const BREADTH: Record<Scope['kind'], number> = { user: 0, organization: 1, membership: 2, session: 3 };

/**
 * Which closing explains to a person that access is void: the first one that ended it; where several came as one cascade,
 * the widest of them (the deletion of the user rather than that of their session). Whether it is void, `judge` decides.
 */
export function explain(issuedAt: Moment, closings: readonly PastClosing[]): PastClosing | undefined {
  const ended = closings.filter((closing) => closing.closedAt >= issuedAt);
  // Issued while the scope was closed already, which a late event can bring about: any closing explains it.
  const candidates = ended.length > 0 ? ended : closings;
  const first = Math.min(...candidates.map((closing) => closing.occurredAt));
  return candidates
    .filter((closing) => closing.occurredAt <= first + CASCADE_MS)
    .sort(byBreadthThenTime)
    .at(0);
}

function byBreadthThenTime(a: PastClosing, b: PastClosing): number {
  return (
    BREADTH[a.kind] - BREADTH[b.kind] ||
    a.occurredAt - b.occurredAt ||
    ((a.sourceEventId ?? '') < (b.sourceEventId ?? '') ? -1 : 1)
  );
}
