import type { ScopeStateData } from '#contracts/revocation.js';
import type { ScopeUpdate } from '#revocation/effects.js';
import type { StateInBytes } from '#revocation/read-state-record.js';
import { type Holder, keyOf, type ScopeKey } from '#revocation/scope.js';
import type { ScopeState } from '#revocation/scope-state.js';
import { NONE, StateTable } from '#revocation/state-table.js';
import { stateFromWire } from '#revocation/wire.js';
import { ChangeLog } from './change-log.js';

/** All scopes that can make something void, in memory. Fed from two topics; both merge to the same states. */
export class RevocationView {
  private readonly states = new StateTable();
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

  /** For {@link knowsNothingOf}: to be kept with the token of whom these are. */
  placesOf(providerId: string, ids: Omit<Holder, 'providerId'>): readonly number[] {
    return this.states.hashesOf(providerId, ids);
  }

  /** True: there is no state of any of the scopes that have these places, so nothing is void for them. False says nothing. */
  knowsNothingOf(places: readonly number[]): boolean {
    for (const place of places) if (this.states.mayHold(place)) return false;
    return true;
  }

  /** The scope of this number, as {@link changes} has them. */
  at(scope: number): [ScopeKey, ScopeState] {
    return this.states.at(scope);
  }

  takeUpdates(updates: readonly ScopeUpdate[]): void {
    for (const { scope, state } of updates) this.take(keyOf(scope), state);
  }

  takeState(data: ScopeStateData): void {
    this.take(data.scope, stateFromWire(data));
  }

  /** As {@link takeState}, of a record that was read without decoding it. */
  takeRead(state: StateInBytes): void {
    this.changed(this.states.takeRead(state));
  }

  private take(key: ScopeKey, state: ScopeState): void {
    this.changed(this.states.take(key, state));
  }

  private changed(scope: number): void {
    if (scope !== NONE) this.changes.add(scope);
  }
}
