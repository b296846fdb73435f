import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Verdict } from './verifier.js';

/** What token-verification says of itself. */
export class VerificationMetrics {
  private readonly verdicts: Counter<'outcome'>;
  private readonly verdictsOf = new Map<string, Counter.Internal>();
  private readonly duration: Histogram;
  private readonly skipped: Counter<'topic'>;

  constructor(
    registry: Registry,
    facts: { ageMs(): number; scopes(): number; keysAgeMs(): number; keysMissing(): number },
  ) {
    const registers = [registry];
    this.verdicts = new Counter({
      name: 'rescind_token_verdicts_total',
      help: 'Verdicts on tokens: active, the reason of the refusal, or why it is not known.',
      labelNames: ['outcome'],
      registers,
    });
    this.duration = new Histogram({
      name: 'rescind_token_verification_duration_seconds',
      help: 'One verdict.',
      buckets: [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.05, 0.5, 3],
      registers,
    });
    this.skipped = new Counter({
      name: 'rescind_view_records_skipped_total',
      help: 'Records that could not be read; grants sets them aside.',
      labelNames: ['topic'],
      registers,
    });
    gauge('rescind_view_age_seconds', 'Since the newest heartbeat; past MAX_STALENESS_MS nobody is let in.', () =>
      Math.min(facts.ageMs() / 1_000, 1e9),
    );
    gauge('rescind_view_scopes', 'Scopes in memory.', () => facts.scopes());
    gauge('rescind_key_set_age_seconds', 'Since the source of a key set was last heard; of the oldest one.', () =>
      Math.min(facts.keysAgeMs() / 1_000, 1e9),
    );
    gauge(
      'rescind_providers_without_keys',
      'Whose tokens are answered keys_unavailable; /health/ready names them.',
      () => facts.keysMissing(),
    );

    function gauge(name: string, help: string, value: () => number): void {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    }
  }

  judged(verdict: Verdict, durationMs: number): void {
    const outcome = verdict.kind === 'active' ? 'active' : verdict.kind === 'refused' ? verdict.reason : verdict.code;
    this.counterOf(outcome).inc();
    this.duration.observe(durationMs / 1_000);
  }

  /** Looked up once for each outcome: to find the place of a label takes as long as a verdict. */
  private counterOf(outcome: string): Counter.Internal {
    const label = OUTCOME.test(outcome) ? outcome : 'revoked_by_hand';
    let counter = this.verdictsOf.get(label);
    if (!counter) this.verdictsOf.set(label, (counter = this.verdicts.labels(label)));
    return counter;
  }

  skippedRecord(topic: string): void {
    this.skipped.inc({ topic });
  }
}

/** A reason in somebody's own words is no label. */
const OUTCOME = /^[a-z_]{1,40}$/;
