import { followTrace, isTracing, traceparentOf } from '#platform/tracing.js';
import type { ConsumedRecord } from '#kafka/record.js';
import type { ScopeUpdate } from '#revocation/effects.js';
import { keyOf, type ScopeKey } from '#revocation/scope.js';
import { isHarmless } from '#revocation/scope-state.js';
import { scopesOfToken, type Verified } from './verified.js';

const MOST_REMEMBERED = 10_000;

/** Ends the trace of each event here: when the view has it, and with the first token that is refused for it. */
export class FirstRefusals {
  /** Scope → the trace of the event that ended it, until a token has been refused for it. */
  private readonly awaited = new Map<ScopeKey, string>();

  /** Does `take` in the trace of the record, and awaits a refusal for the scopes that it has ended. */
  taking(record: ConsumedRecord, take: () => readonly ScopeUpdate[] | void): void {
    const span = isTracing() ? followTrace(traceparentOf(record.headers), 'take into view', 'consumer') : undefined;
    const updates = take() ?? [];
    if (!span) return;
    span.end({ 'messaging.destination.name': record.topic, 'messaging.kafka.offset': Number(record.offset) });
    for (const { scope, state } of updates) {
      if (isHarmless(state)) continue;
      if (this.awaited.size >= MOST_REMEMBERED) this.awaited.delete(this.awaited.keys().next().value!);
      this.awaited.set(keyOf(scope), span.traceparent);
    }
  }

  refused(verified: Verified, reason: string): void {
    if (this.awaited.size === 0) return;
    for (const scope of scopesOfToken(verified)) {
      const traceparent = this.awaited.get(scope);
      if (traceparent === undefined) continue;
      this.awaited.delete(scope);
      followTrace(traceparent, 'refuse token', 'server')?.end({ 'rescind.reason': reason });
    }
  }
}
