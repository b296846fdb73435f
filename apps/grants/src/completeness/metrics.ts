import { Counter, Gauge, type Registry } from 'prom-client';
import type { Certificate } from './certificate.js';

/** How complete we are, for Prometheus. */
export class CompletenessMetrics {
  private readonly polls: Counter<'outcome'>;
  private readonly found: Counter<'provider_id'>;
  private readonly completeUpTo: Gauge<'provider_id'>;
  private readonly isComplete: Gauge<'provider_id' | 'status'>;
  private readonly differences: Gauge<'provider_id' | 'kind'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.polls = new Counter({
      name: 'rescind_tail_polls_total',
      help: "Rounds of reading WorkOS's Events API: answered, rate_limited, failed.",
      labelNames: ['outcome'],
      registers,
    });
    this.found = new Counter({
      name: 'rescind_tail_found_total',
      help: 'Events that the Events API had and no webhook had brought by then.',
      labelNames: ['provider_id'],
      registers,
    });
    this.completeUpTo = new Gauge({
      name: 'rescind_complete_up_to_timestamp_seconds',
      help: 'Everything that happened at WorkOS until then has been applied.',
      labelNames: ['provider_id'],
      registers,
    });
    this.isComplete = new Gauge({
      name: 'rescind_completeness',
      help: '1 for what the certificate of completeness says: complete, behind, unknown, not_configured.',
      labelNames: ['provider_id', 'status'],
      registers,
    });
    this.differences = new Gauge({
      name: 'rescind_reconciliation_differences',
      help: "What the last comparison with WorkOS's lists found and did not repair, by kind.",
      labelNames: ['provider_id', 'kind'],
      registers,
    });
  }

  polled(outcome: 'answered' | 'rate_limited' | 'failed'): void {
    this.polls.inc({ outcome });
  }

  foundByTail(providerId: string, events: number): void {
    this.found.inc({ provider_id: providerId }, events);
  }

  compared(counts: readonly { provider_id: string; kind: string | null; n: string }[]): void {
    this.differences.reset();
    for (const { provider_id, kind, n } of counts) {
      if (kind !== null) this.differences.set({ provider_id, kind }, Number(n));
    }
  }

  certified(certificates: ReadonlyMap<string, Certificate>): void {
    this.completeUpTo.reset();
    this.isComplete.reset();
    for (const [provider_id, { completeUpTo, status }] of certificates) {
      if (completeUpTo !== undefined) this.completeUpTo.set({ provider_id }, completeUpTo / 1000);
      this.isComplete.set({ provider_id, status }, 1);
    }
  }
}
