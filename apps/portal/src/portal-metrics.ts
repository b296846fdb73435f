import { Counter, Gauge, type Registry } from 'prom-client';

/** What the portal says of itself. */
export class PortalMetrics {
  private readonly publications: Counter;
  private readonly discoveries: Counter<'outcome'>;

  /** @param backlog how many changes wait for Kafka, and for how many seconds the first of them has */
  constructor(registry: Registry, backlog: () => Promise<{ changes: number; seconds: number } | undefined>) {
    const registers = [registry];
    this.publications = new Counter({
      name: 'rescind_identity_providers_published_total',
      help: 'Versions of identity providers that Kafka has taken.',
      registers,
    });
    this.discoveries = new Counter({
      name: 'rescind_discoveries_total',
      help: 'Pasted issuers by outcome: the recognised vendor, or the code of the refusal.',
      labelNames: ['outcome'],
      registers,
    });
    const age = new Gauge({
      name: 'rescind_publication_backlog_seconds',
      help: 'How long the oldest change has been waiting for Kafka.',
      registers,
    });
    new Gauge({
      name: 'rescind_publication_backlog_changes',
      help: 'Changes that wait for Kafka.',
      registers,
      async collect() {
        const now = await backlog();
        if (!now) return;
        this.set(now.changes);
        age.set(now.seconds);
      },
    });
  }

  published(versions: number): void {
    this.publications.inc(versions);
  }

  discovered(outcome: string): void {
    this.discoveries.inc({ outcome });
  }
}
