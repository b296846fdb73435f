import { setTimeout as delay } from 'node:timers/promises';
import { CLOUD_EVENT_HEADERS } from '#contracts/cloud-event.js';
import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { type Moment, parseTime } from '#contracts/moment.js';
import { Rejected } from '#contracts/rejected.js';
import { TOPICS } from '#contracts/topics.js';
import { encodeWorkOSRecord, readWorkOSEnvelope, WORKOS_TYPES } from '#contracts/workos-event.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { beginTrace } from '#platform/tracing.js';
import { backOffMs } from '#platform/until-done.js';
import type { ProviderRegistry } from '#providers/registry.js';
import { type WorkOSApi, WorkOSApiError, type WorkOSApiEvent } from '#workos/api-client.js';
import type { CompletenessMetrics } from '../completeness/metrics.js';
import { afterPage, firstReading, goBack, questionOf, restMs, type TailTimes } from './reading.js';
import {
  type FoundEvent,
  insertPending,
  readReading,
  selectUnknown,
  settlePending,
  takeOverdue,
  writeProblem,
  writeReading,
} from './tail.sql.js';

export interface TailSettings extends TailTimes {
  /** Between two questions while all is well. */
  normalMs: number;
  /** While webhooks are missing. */
  fastMs: number;
}

export interface TailParts {
  database: Database;
  providers: Pick<ProviderRegistry, 'all' | 'onChange'>;
  publisher: Pick<BatchPublisher, 'publish'>;
  /** Throws a sentence for a person where there is no way to ask WorkOS. */
  apiOf: (provider: IdentityProviderData) => WorkOSApi;
  settings: TailSettings;
  metrics: CompletenessMetrics;
  logger: Logger;
}

const LONGEST_REST_MS = 60_000;
/** For so long after a webhook was missing, others are expected to be. */
const MISSING_FOR_MS = 60_000;

/** Whether a provider's events can be read: it is WorkOS, and somebody has given a key. */
export const hasTail = ({ kind, api_key }: IdentityProviderData): boolean => kind === 'workos' && api_key !== null;

/**
 * Reads WorkOS's Events API beside the webhooks, and publishes what no webhook has brought to the same topic, so it has the
 * same effect. One replica does so; that two do for a moment is harmless, since an event that comes twice changes nothing.
 */
export class Tail {
  constructor(private readonly parts: TailParts) {}

  /** Follows every provider that has a key until `signal` aborts. */
  async lead(signal: AbortSignal): Promise<void> {
    const followed = new Map<string, { version: number; stop: AbortController; done: Promise<void> }>();
    const refresh = (): void => {
      const wanted = new Map(
        this.parts.providers
          .all()
          .filter(hasTail)
          .map((provider) => [provider.id, provider]),
      );
      for (const [id, { version, stop }] of followed) {
        if (wanted.get(id)?.version === version) continue;
        stop.abort();
        followed.delete(id);
      }
      for (const [id, provider] of wanted) {
        if (followed.has(id)) continue;
        const stop = new AbortController();
        const done = this.follow(provider, AbortSignal.any([signal, stop.signal]));
        followed.set(id, { version: provider.version, stop, done });
      }
    };
    const forget = this.parts.providers.onChange(refresh);
    try {
      refresh();
      await new Promise((resolve) => {
        if (signal.aborted) resolve(undefined);
        signal.addEventListener('abort', resolve, { once: true });
      });
    } finally {
      forget();
      await Promise.all([...followed.values()].map(({ done }) => done));
    }
  }

  /** Never rejects: what is wrong is told by the certificate. */
  private async follow(provider: IdentityProviderData, signal: AbortSignal): Promise<void> {
    const { settings, metrics, logger } = this.parts;
    let missingUntil = 0;
    let sweepAt = Date.now() + settings.overlapMs;
    for (let failures = 0; !signal.aborted;) {
      let waitMs: number;
      try {
        const isSweep = Date.now() >= sweepAt;
        if (isSweep) sweepAt = Date.now() + settings.overlapMs;
        const found = await this.readToEnd(provider, isSweep, signal);
        if (found > 0) missingUntil = Date.now() + MISSING_FOR_MS;
        failures = 0;
        metrics.polled('answered');
        waitMs = restMs(settings, Date.now() < missingUntil, Math.random());
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        waitMs = restAfterFailureMs(error, failures);
        metrics.polled(error instanceof WorkOSApiError && error.status === 429 ? 'rate_limited' : 'failed');
        logger.warn({ err: error, provider_id: provider.id, failures, next_try_in_ms: waitMs }, 'events not read');
        await this.parts.database
          .transaction((tx) => writeProblem(tx, provider.id, problemOf(error)))
          .catch(() => undefined);
      }
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Reads until WorkOS has nothing more to show. Answers how many events no webhook had brought. */
  async readToEnd(provider: IdentityProviderData, isSweep: boolean, signal: AbortSignal): Promise<number> {
    const { database, settings, logger, publisher } = this.parts;
    const api = this.parts.apiOf(provider);
    let reading = (await database.read((tx) => readReading(tx, provider.id))) ?? firstReading(Date.now());
    if (isSweep) reading = goBack(reading, Date.now(), settings);
    for (let found = 0; ;) {
      signal.throwIfAborted();
      const asked = questionOf(reading, Date.now());
      reading = asked.reading;
      let page;
      try {
        page = await api.listEvents({ types: WORKOS_TYPES, ...asked.question });
      } catch (error) {
        if (!(error instanceof WorkOSApiError && error.status === 400 && reading.cursor !== null)) throw error;
        logger.warn({ provider_id: provider.id }, 'WorkOS does not know the cursor any more: reading on by time');
        reading = goBack(reading, Date.now(), settings);
        continue;
      }
      found += await this.publishUnknown(provider, page.data, reading.readUpTo);
      const last = page.data.at(-1);
      const next = afterPage(
        reading,
        {
          lastId: last?.id,
          lastAt: timeOf(last),
          hasMore: page.after !== null,
          asOf: page.asOf,
        },
        settings,
      );
      reading = next.reading;
      await database.transaction(async (tx) => {
        await writeReading(tx, provider.id, reading, { isAtEnd: next.isAtEnd, asOf: page.asOf });
        if (next.isAtEnd) await settlePending(tx, provider.id);
      });
      if (next.isAtEnd) {
        const overdue = await database.transaction((tx) => takeOverdue(tx, provider.id, 100));
        await Promise.all(
          overdue.map((record) => publisher.publish(TOPICS.workosEvents, { ...record, headers: CLOUD_EVENT_HEADERS })),
        );
        return found;
      }
    }
  }

  /** Resolves once Kafka holds what had not been applied yet, and it is written down that it waits to be. */
  private async publishUnknown(
    provider: IdentityProviderData,
    events: readonly WorkOSApiEvent[],
    readUpTo: Moment,
  ): Promise<number> {
    const { database, publisher, metrics } = this.parts;
    const ids = events.map(({ id }) => id);
    const unknown = await database.read((tx) => selectUnknown(tx, provider.id, ids));
    const found = events
      .filter(({ id }) => unknown.has(id))
      .map((event) => recordOf(event, provider, readUpTo, new Date()));
    await Promise.all(
      found.map(async ({ id, key, value }) => {
        const span = beginTrace('find event', 'producer');
        const headers = { ...CLOUD_EVENT_HEADERS, ...(span ? { traceparent: span.traceparent } : {}) };
        await publisher.publish(TOPICS.workosEvents, { key, value, headers });
        span?.end({ 'rescind.event_id': id, 'rescind.provider_id': provider.id });
      }),
    );
    await database.transaction((tx) => insertPending(tx, provider.id, found));
    metrics.foundByTail(provider.id, found.length);
    return found.length;
  }
}

/** As long as WorkOS asks us to wait; else ever longer, and longer still where the same question cannot be answered. */
export function restAfterFailureMs(error: unknown, failures: number): number {
  const refusal = error instanceof WorkOSApiError ? error : undefined;
  const factor = refusal && !refusal.retryable ? 10 : 1;
  return refusal?.retryAfterMs ?? Math.min(LONGEST_REST_MS, backOffMs(failures) * factor);
}

/** ms; NaN where it does not say. */
const timeOf = (event: WorkOSApiEvent | undefined): Moment => parseTime(event?.created_at ?? '');

/** The record that webhook-ingress would have published; one that cannot be read is set aside by whoever reads it. */
function recordOf(event: WorkOSApiEvent, provider: IdentityProviderData, otherwiseAt: Moment, now: Date): FoundEvent {
  const body = Buffer.from(JSON.stringify(event));
  const envelope = envelopeOf(body, event);
  return {
    id: event.id,
    type: event.event,
    occurredAt: timeOf(event) || otherwiseAt,
    key: envelope.key,
    value: encodeWorkOSRecord(body, envelope, provider, now, 'events-api'),
  };
}

function envelopeOf(body: Buffer, event: WorkOSApiEvent) {
  try {
    return readWorkOSEnvelope(body);
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    return { id: event.id, type: event.event, key: event.id };
  }
}

/** For a person; says nothing of what was sent or came back. */
function problemOf(error: unknown): string {
  if (!(error instanceof WorkOSApiError)) return (error as Error).message;
  if (error.status === 401 || error.status === 403) return `WorkOS refuses the API key (${error.status})`;
  if (error.status === 429) return 'WorkOS asks us to wait (429)';
  return error.message;
}
