import type { Moment } from '#contracts/moment.js';
import { REASON_CODES } from '#contracts/revocation.js';
import type { ScopeUpdate } from '#revocation/effects.js';
import type { PastClosing } from '#revocation/explain.js';
import { keyOf, type Scope, type ScopeKey } from '#revocation/scope.js';
import { merge, OPEN, sameState, type ScopeState } from '#revocation/scope-state.js';

/** An update, and who says so. */
export interface SourcedUpdate extends ScopeUpdate {
  source: {
    /** WorkOS's event; null: by hand. */
    eventId: string | null;
    occurredAt: Moment;
    /** The name of an API key where it was by hand. */
    actor: string | null;
    /** In their own words, where it was by hand. */
    note?: string;
    /** The trace that it belongs to. */
    traceparent?: string | undefined;
  };
}

export interface ScopeChange {
  scope: Scope;
  before: ScopeState;
  after: ScopeState;
  /** The trace of the update that changed it last. */
  traceparent?: string | undefined;
}

/** One closing, with the scope it belongs to and who did it. */
export interface ScopeClosing extends PastClosing {
  scope: Scope;
  actor: string | null;
}

/** An update that changed something, with the state right after it. */
export interface Step {
  update: SourcedUpdate;
  before: ScopeState;
  after: ScopeState;
  /** Whether access may have ended by it. */
  ends: boolean;
}

export interface Fold {
  changes: ScopeChange[];
  closings: ScopeClosing[];
  steps: Step[];
}

/** Merges updates into what is stored of their scopes, without looking at anything else. */
export function fold(stored: ReadonlyMap<ScopeKey, ScopeState>, updates: readonly SourcedUpdate[]): Fold {
  const changes = new Map<ScopeKey, ScopeChange>();
  const closings: ScopeClosing[] = [];
  const steps: Step[] = [];
  for (const update of updates) {
    const { scope, state } = update;
    const key = keyOf(scope);
    const known = changes.get(key);
    const before = known?.after ?? stored.get(key) ?? OPEN;
    const after = merge(before, state);
    if (state.closing !== null) {
      const { closedAt, closing } = state;
      closings.push({ ...closing, scope, kind: scope.kind, closedAt, actor: update.source.actor });
    }
    if (sameState(before, after)) continue;
    changes.set(key, { scope, before: known?.before ?? before, after, traceparent: update.source.traceparent });
    const advanced = after.closedAt > before.closedAt || after.tokensBefore > before.tokensBefore;
    steps.push({ update, before, after, ends: update.reason !== null && advanced });
  }
  return { changes: [...changes.values()], closings, steps };
}

export const isReasonCode = (reason: string): boolean => (REASON_CODES as readonly string[]).includes(reason);
