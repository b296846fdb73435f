import { type HeartbeatData, type ScopeStateData } from '#contracts/revocation.js';
import { parseTime } from '#contracts/moment.js';
import type { ScopeUpdate } from '#revocation/effects.js';
import { keyOf, type ScopeKey } from '#revocation/scope.js';
import { merge, OPEN, type ScopeState } from '#revocation/scope-state.js';
import { stateFromWire } from '#revocation/wire.js';

/** The newest proof that the view is up to date. */
export interface Heartbeat extends HeartbeatData {
  atMs: number;
  /** When it came in here, by the monotonic clock, ms. */
  receivedAt: number;
}

/** All scopes that can make something void, in memory. Fed from two topics; both merge to the same states. */
export class RevocationView {
  private readonly states = new Map<ScopeKey, ScopeState>();
  private newest: Heartbeat | undefined;

  /** For `judge`. */
  readonly stateOf = (key: ScopeKey): ScopeState | undefined => this.states.get(key);

  get size(): number {
    return this.states.size;
  }

  get heartbeat(): Heartbeat | undefined {
    return this.newest;
  }

  takeUpdates(updates: readonly ScopeUpdate[]): void {
    for (const { scope, state } of updates) this.take(keyOf(scope), state);
  }

  takeState(data: ScopeStateData): void {
    this.take(data.scope, stateFromWire(data));
  }

  /** @param monotonicNow ms; an older heartbeat than the newest one changes nothing */
  takeHeartbeat(data: HeartbeatData, monotonicNow: number): void {
    const atMs = parseTime(data.at);
    if (Number.isNaN(atMs) || (this.newest && atMs <= this.newest.atMs)) return;
    this.newest = { ...data, atMs, receivedAt: monotonicNow };
  }

  /**
   * How old the view is, ms: since the newest heartbeat was written, and no less than since it came in, so that neither a
   * reader that lags nor a clock that is behind can hide it. Infinity before the first one.
   */
  ageMs(now: number, monotonicNow: number): number {
    if (!this.newest) return Infinity;
    return Math.max(0, now - this.newest.atMs, monotonicNow - this.newest.receivedAt);
  }

  private take(key: ScopeKey, state: ScopeState): void {
    const known = this.states.get(key);
    this.states.set(key, known ? merge(known, state) : merge(OPEN, state));
  }
}
