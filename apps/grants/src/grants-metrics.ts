import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { AppliedBatch } from './events/apply-batch.js';
import type { RejectedRecord } from './events/decode-batch.js';

/** What grants says of itself. */
export class GrantsMetrics {
  private readonly applied: Counter<'delivery'>;
  private readonly batchDuration: Histogram;
  private readonly latency: Histogram;
  private readonly aside: Counter<'reason'>;
  private readonly scopeChanges: Counter;
  private readonly marked: Counter;
  private readonly publishedRecords: Counter<'topic'>;
  private readonly heartbeat: Gauge;
  private readonly outboxAge: Gauge;
  private readonly outboxRows: Gauge;
  private readonly waiting: Gauge<'reason'>;
  private readonly jobs: Gauge;
  private readonly pausedTrips: Gauge;
  private readonly lag: Gauge<'topic'>;
  private readonly leading: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.applied = new Counter({
      name: 'rescind_events_applied_total',
      help: 'Events applied: for the first time, or again.',
      labelNames: ['delivery'],
      registers,
    });
    this.batchDuration = new Histogram({
      name: 'rescind_batch_duration_seconds',
      help: 'One batch, from its arrival to its commit.',
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    });
    this.latency = new Histogram({
      name: 'rescind_event_applied_latency_seconds',
      help: 'From the arrival of an event at webhook-ingress to its commit here.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300],
      registers,
    });
    this.aside = new Counter({
      name: 'rescind_set_aside_total',
      help: 'Records that no retry could have made acceptable.',
      labelNames: ['reason'],
      registers,
    });
    this.scopeChanges = new Counter({
      name: 'rescind_scope_changes_total',
      help: 'Changes of the state of a scope.',
      registers,
    });
    this.marked = new Counter({
      name: 'rescind_grants_marked_total',
      help: 'Grants whose mark was written: revoked, or valid again.',
      registers,
    });
    this.publishedRecords = new Counter({
      name: 'rescind_published_total',
      help: 'Records of the outbox that Kafka has acknowledged.',
      labelNames: ['topic'],
      registers,
    });
    this.heartbeat = new Gauge({
      name: 'rescind_heartbeat_timestamp_seconds',
      help: 'When this process last published the heartbeat; 0: never.',
      registers,
    });
    this.outboxAge = new Gauge({
      name: 'rescind_outbox_age_seconds',
      help: 'How long the oldest row of the outbox has been waiting.',
      registers,
    });
    this.outboxRows = new Gauge({
      name: 'rescind_outbox_rows',
      help: 'Rows of the outbox that are not published yet.',
      registers,
    });
    this.waiting = new Gauge({
      name: 'rescind_set_aside_waiting',
      help: 'Records set aside that nobody has sent again.',
      labelNames: ['reason'],
      registers,
    });
    this.jobs = new Gauge({
      name: 'rescind_marking_jobs',
      help: 'Scopes that are closed or opened and whose grants are not all marked yet.',
      registers,
    });
    this.pausedTrips = new Gauge({
      name: 'rescind_guard_trips_paused',
      help: 'Mass deprovisionings whose marks wait until somebody has confirmed or undone them.',
      registers,
    });
    this.lag = new Gauge({
      name: 'rescind_consumer_lag_records',
      help: 'Records that the group has not committed yet.',
      labelNames: ['topic'],
      registers,
    });
    this.leading = new Gauge({
      name: 'rescind_relay_leader',
      help: '1 where this process leads the relay.',
      registers,
    });
  }

  /** @param now ms */
  batchApplied(batch: AppliedBatch, durationMs: number, now: number): void {
    this.applied.inc({ delivery: 'first' }, batch.fresh);
    this.applied.inc({ delivery: 'again' }, batch.decoded.length - batch.fresh);
    this.batchDuration.observe(durationMs / 1000);
    for (const { receivedAt } of batch.decoded) {
      if (Number.isFinite(receivedAt)) this.latency.observe(Math.max(0, now - receivedAt) / 1000);
    }
    this.scopeChanges.inc(batch.steps.length);
    this.grantsMarked(batch.marked.length);
    this.setAside(batch.setAside);
  }

  setAside(rejected: readonly Pick<RejectedRecord, 'reason'>[]): void {
    for (const { reason } of rejected) this.aside.inc({ reason });
  }

  grantsMarked(n: number): void {
    this.marked.inc(n);
  }

  published(records: readonly { topic: string }[]): void {
    for (const { topic } of records) this.publishedRecords.inc({ topic });
  }

  /** @param now ms */
  heartbeatSent(now: number): void {
    this.heartbeat.set(now / 1000);
  }

  observed(vitals: {
    outbox: { seconds: number; rows: number };
    waiting: readonly { reason: string; n: string }[];
    jobs: number;
    pausedTrips: number;
    leading: boolean;
  }): void {
    this.outboxAge.set(vitals.outbox.seconds);
    this.outboxRows.set(vitals.outbox.rows);
    this.waiting.reset();
    for (const { reason, n } of vitals.waiting) this.waiting.set({ reason }, Number(n));
    this.jobs.set(vitals.jobs);
    this.pausedTrips.set(vitals.pausedTrips);
    this.leading.set(vitals.leading ? 1 : 0);
  }

  lagging(topic: string, records: number): void {
    this.lag.set({ topic }, records);
  }
}
