import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CanaryRun } from './canary.sql.js';

export class CanaryMetrics {
  private readonly latency: Histogram;
  private readonly runs: Counter<'outcome'>;
  private readonly refusedAt: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.latency = new Histogram({
      name: 'rescind_canary_latency_seconds',
      help: 'From the webhook of a synthetic revocation to its refusal by token-verification.',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    });
    this.runs = new Counter({
      name: 'rescind_canary_runs_total',
      help: 'Synthetic revocations: refused, or failed.',
      labelNames: ['outcome'],
      registers,
    });
    this.refusedAt = new Gauge({
      name: 'rescind_canary_refused_timestamp_seconds',
      help: 'When the last synthetic revocation that this process sent was refused; 0: none was.',
      registers,
    });
  }

  ran({ refusedMs, startedAt }: CanaryRun): void {
    this.runs.inc({ outcome: refusedMs === null ? 'failed' : 'refused' });
    if (refusedMs === null) return;
    this.latency.observe(refusedMs / 1000);
    this.refusedAt.set(startedAt.getTime() / 1000);
  }
}
