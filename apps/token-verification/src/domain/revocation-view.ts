import type { ScopeStateData } from '#contracts/revocation.js';
import type { ScopeUpdate } from '#revocation/effects.js';
import { keyOf, type ScopeKey } from '#revocation/scope.js';
import { merge, OPEN, sameState, type ScopeState } from '#revocation/scope-state.js';
import { stateFromWire } from '#revocation/wire.js';
import { ChangeLog } from './change-log.js';

/** All scopes that can make something void, in memory. Fed from two topics; both merge to the same states. */
export class RevocationView {
  private readonly states = new Map<ScopeKey, ScopeState>();
  /** Which of them have changed, for those who follow. */
  readonly changes = new ChangeLog();

  /** For `judge`. */
  readonly stateOf = (key: ScopeKey): ScopeState | undefined => this.states.get(key);

  /** Another number after each change: what was judged at this one need not be judged again. */
  get version(): number {
    return this.changes.end;
  }

  get size(): number {
    return this.states.size;
  }

  /** All of them, as they are when their turn comes; what is added meanwhile comes too. */
  entries(): IterableIterator<[ScopeKey, ScopeState]> {
    return this.states.entries();
  }

  takeUpdates(updates: readonly ScopeUpdate[]): void {
    for (const { scope, state } of updates) this.take(keyOf(scope), state);
  }

  takeState(data: ScopeStateData): void {
    this.take(data.scope, stateFromWire(data));
  }

  private take(key: ScopeKey, state: ScopeState): void {
    const known = this.states.get(key);
    const merged = merge(known ?? OPEN, state);
    if (known && sameState(known, merged)) return;
    this.states.set(key, merged);
    this.changes.add(key);
  }
}
