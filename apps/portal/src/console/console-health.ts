/** How one service is, for the page. */
export interface ServiceHealth {
  name: string;
  status: 'ready' | 'not_ready' | 'away' | 'not_configured';
  /** What it lacks to keep its promise. */
  missing: Record<string, string>;
  /** What it says of itself beside that, at `/health/ready`. */
  facts: Record<string, unknown>;
}

/** Asks `/health/ready` of a service. Never throws: one that does not answer is `away`. */
export async function askHealth(name: string, url: string | undefined, timeoutMs: number): Promise<ServiceHealth> {
  if (url === undefined) return { name, status: 'not_configured', missing: {}, facts: {} };
  try {
    const answer = await fetch(`${url}/health/ready`, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
    const { status: _, missing, ...facts } = (await answer.json()) as Record<string, unknown>;
    return {
      name,
      status: answer.status === 200 ? 'ready' : 'not_ready',
      missing: (missing ?? {}) as Record<string, string>,
      facts,
    };
  } catch {
    return { name, status: 'away', missing: {}, facts: {} };
  }
}

/** A service's `/metrics`, or undefined where it does not answer in time. */
export async function askMetrics(url: string | undefined, timeoutMs: number): Promise<string | undefined> {
  if (url === undefined) return undefined;
  try {
    const answer = await fetch(`${url}/metrics`, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
    return answer.ok ? await answer.text() : undefined;
  } catch {
    return undefined;
  }
}

const LINE = /^(rescind_\w+)(?:\{([^}]*)\})? ([^ ]+)$/;

/** The sum of a metric over all its labels, or over those that `matches` takes; undefined where it is not there (Prometheus text format). */
export function sumOf(text: string, metric: string, matches?: (labels: string) => boolean): number | undefined {
  let sum: number | undefined;
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = LINE.exec(line) ?? [];
    if (name !== metric || (matches && !matches(labels))) continue;
    sum = (sum ?? 0) + Number(value);
  }
  return sum;
}

/** What is read off the services at one moment; counters as they are, undefined: not known. */
export interface Reading {
  webhooks: number | undefined;
  webhooks_refused: number | undefined;
  tokens_active: number | undefined;
  tokens_refused: number | undefined;
  grants_marked: number | undefined;
  applied_count: number | undefined;
  applied_seconds: number | undefined;
  view_age_seconds: number | undefined;
  lag_records: number | undefined;
}

type Texts = Record<'ingress' | 'grants' | 'verification', string | undefined>;

export function readingOf({ ingress, grants, verification }: Texts): Reading {
  const of = (text: string | undefined, metric: string, matches?: (labels: string) => boolean) =>
    text === undefined ? undefined : (sumOf(text, metric, matches) ?? 0);
  const isStored = (labels: string): boolean => labels.includes('outcome="stored"');
  const isActive = (labels: string): boolean => labels.includes('outcome="active"');
  return {
    webhooks: of(ingress, 'rescind_webhook_deliveries_total', isStored),
    webhooks_refused: of(ingress, 'rescind_webhook_deliveries_total', (labels) => !isStored(labels)),
    tokens_active: of(verification, 'rescind_token_verdicts_total', isActive),
    tokens_refused: of(verification, 'rescind_token_verdicts_total', (labels) => !isActive(labels)),
    grants_marked: of(grants, 'rescind_grants_marked_total'),
    applied_count: of(grants, 'rescind_event_applied_latency_seconds_count'),
    applied_seconds: of(grants, 'rescind_event_applied_latency_seconds_sum'),
    view_age_seconds: of(verification, 'rescind_view_age_seconds'),
    lag_records: of(grants, 'rescind_consumer_lag_records'),
  };
}

export interface Series {
  /** Ms since the epoch. */
  at: number[];
  /** For each name a value at each of these; null: not known. */
  values: Record<string, (number | null)[]>;
}

const COUNTED = ['webhooks', 'webhooks_refused', 'tokens_active', 'tokens_refused', 'grants_marked'] as const;
const MINUTE_MS = 60_000;

/** The readings of the last while, oldest first, as lines of a chart. */
export class Readings {
  private readonly kept: { at: number; reading: Reading }[] = [];
  constructor(private readonly most: number) {}

  add(at: number, reading: Reading): void {
    this.kept.push({ at, reading });
    if (this.kept.length > this.most) this.kept.shift();
  }

  /** Counters as how many each minute; a counter that went back has begun anew, or is that of another replica: not known. */
  series(): Series {
    const values: Record<string, (number | null)[]> = { applied_latency_ms: [], view_age_seconds: [], lag_records: [] };
    for (const name of COUNTED) values[name] = [];
    const later = this.kept.slice(1);
    later.forEach(({ at, reading }, place) => {
      const before = this.kept[place]!;
      const minutes = (at - before.at) / MINUTE_MS;
      for (const name of COUNTED) {
        const grown = growth(before.reading[name], reading[name]);
        values[name]!.push(grown === null ? null : rounded(grown / minutes));
      }
      const count = growth(before.reading.applied_count, reading.applied_count);
      const seconds = growth(before.reading.applied_seconds, reading.applied_seconds);
      values['applied_latency_ms']!.push(count && seconds !== null ? rounded((seconds / count) * 1_000) : null);
      values['view_age_seconds']!.push(
        reading.view_age_seconds === undefined ? null : rounded(reading.view_age_seconds),
      );
      values['lag_records']!.push(reading.lag_records ?? null);
    });
    return { at: later.map(({ at }) => at), values };
  }
}

const growth = (before: number | undefined, now: number | undefined): number | null =>
  before === undefined || now === undefined || now < before ? null : now - before;

const rounded = (value: number): number => Math.round(value * 100) / 100;
