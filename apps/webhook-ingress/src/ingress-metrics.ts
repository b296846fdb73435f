import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { rateLimitedCounter } from '#platform/request-limits.js';

/** What webhook-ingress says of itself. */
export class IngressMetrics {
  private readonly deliveries: Counter<'outcome'>;
  /** Looked up once for each outcome: to find the place of a label takes as long as to count. */
  private readonly deliveriesOf = new Map<string, Counter.Internal>();
  private readonly duration: Histogram;
  private readonly batch: Histogram;
  private readonly failures: Counter;
  private readonly newest: Record<'stored' | 'refused', Gauge.Internal<'outcome'>>;
  private readonly reports: Counter<'outcome'>;
  private readonly limited: Counter<'limit'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.deliveries = new Counter({
      name: 'rescind_webhook_deliveries_total',
      help: 'Webhook deliveries by outcome: stored, or the code of the refusal.',
      labelNames: ['outcome'],
      registers,
    });
    this.duration = new Histogram({
      name: 'rescind_webhook_delivery_duration_seconds',
      help: 'From the request to its answer.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    });
    this.batch = new Histogram({
      name: 'rescind_produce_batch_records',
      help: 'How many deliveries shared one produce request.',
      buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000],
      registers,
    });
    this.failures = new Counter({
      name: 'rescind_produce_failures_total',
      help: 'Records that Kafka did not take in time.',
      registers,
    });
    const newest = new Gauge({
      name: 'rescind_webhook_last_delivery_timestamp_seconds',
      help: 'When the newest delivery came in that was stored, and the newest one that was refused.',
      labelNames: ['outcome'],
      registers,
    });
    this.newest = { stored: newest.labels('stored'), refused: newest.labels('refused') };
    this.reports = new Counter({
      name: 'rescind_webhook_activity_reports_total',
      help: 'Records of identity.webhook-activity, by whether Kafka took them.',
      labelNames: ['outcome'],
      registers,
    });
    this.limited = rateLimitedCounter(registry);
  }

  delivered(outcome: string, durationMs: number): void {
    let counter = this.deliveriesOf.get(outcome);
    if (!counter) this.deliveriesOf.set(outcome, (counter = this.deliveries.labels(outcome)));
    counter.inc();
    this.duration.observe(durationMs / 1000);
    this.newest[outcome === 'stored' ? 'stored' : 'refused'].set(Date.now() / 1000);
  }

  activity(outcome: 'published' | 'failed', records: number): void {
    this.reports.inc({ outcome }, records);
  }

  rateLimited(limit: 'bad_credentials' | 'endpoint'): void {
    this.limited.inc({ limit });
  }

  produced(records: number): void {
    this.batch.observe(records);
  }

  failed(records: number): void {
    this.failures.inc(records);
  }
}
