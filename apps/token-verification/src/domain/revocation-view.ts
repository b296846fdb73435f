import type { ScopeStateData } from '#contracts/revocation.js';
import type { ScopeUpdate } from '#revocation/effects.js';
import { keyOf, type ScopeKey } from '#revocation/scope.js';
import { merge, OPEN, type ScopeState } from '#revocation/scope-state.js';
import { stateFromWire } from '#revocation/wire.js';

/** All scopes that can make something void, in memory. Fed from two topics; both merge to the same states. */
export class RevocationView {
  private readonly states = new Map<ScopeKey, ScopeState>();
  private changes = 0;

  /** For `judge`. */
  readonly stateOf = (key: ScopeKey): ScopeState | undefined => this.states.get(key);

  /** Another number after each change: what was judged at this one need not be judged again. */
  get version(): number {
    return this.changes;
  }

  get size(): number {
    return this.states.size;
  }

  takeUpdates(updates: readonly ScopeUpdate[]): void {
    for (const { scope, state } of updates) this.take(keyOf(scope), state);
  }

  takeState(data: ScopeStateData): void {
    this.take(data.scope, stateFromWire(data));
  }

  private take(key: ScopeKey, state: ScopeState): void {
    this.changes += 1;
    const known = this.states.get(key);
    this.states.set(key, known ? merge(known, state) : merge(OPEN, state));
  }
}
