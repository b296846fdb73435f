import { isDeepStrictEqual } from 'node:util';
import { encodeCloudEvent } from '#contracts/cloud-event.js';
import { TOPICS } from '#contracts/topics.js';
import {
  decodeWebhookActivity,
  mergeActivity,
  WEBHOOK_ACTIVITY_TYPE,
  type WebhookActivity,
} from '#contracts/webhook-activity.js';
import type { KafkaClient } from '#kafka/client.js';
import { CompactedView } from '#kafka/compacted-view.js';
import { BatchPublisher } from '#kafka/publisher.js';
import type { Logger } from '#platform/logging.js';
import type { ProviderRegistry } from '#providers/registry.js';
import type { IngressMetrics } from './ingress-metrics.js';

/** Short, since nobody waits for it but a service that stops. */
const REPORT_TIMEOUT_MS = 2_000;

const nothing = (provider_id: string): WebhookActivity => ({
  provider_id,
  last_delivery_at: null,
  last_refused: null,
  secrets: {},
});

/**
 * Tells the portal what happens at the webhook endpoints: one record a provider on a compacted topic, shared by all replicas.
 * Each publishes, at most once an interval, what it knows together with what it has read there, until the record says it
 * all; as that is merged by maximum, the replicas need not know of each other.
 *
 * A delivery only leaves a note in memory. The notes travel by a connection of their own, so that neither a slow broker nor
 * a topic that may not be written to holds a delivery up.
 */
export class WebhookActivityReport {
  private readonly view: CompactedView<WebhookActivity>;
  private readonly publisher: BatchPublisher;
  /** When this replica stored one last, ms: by provider, and by secret. No more than that is written down at each delivery. */
  private readonly storedAt = new Map<string, Map<string, number>>();
  /** What this replica saw, by provider. */
  private readonly seen = new Map<string, WebhookActivity>();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  /** While one is on its way no other one begins. */
  private reporting: Promise<void> | undefined;

  constructor(
    client: KafkaClient,
    private readonly providers: Pick<ProviderRegistry, 'get' | 'isReady'>,
    private readonly metrics: Pick<IngressMetrics, 'activity'>,
    private readonly intervalMs: number,
    private readonly logger: Logger,
  ) {
    this.view = new CompactedView(client, { topic: TOPICS.webhookActivity, decode: decodeWebhookActivity, logger });
    this.publisher = new BatchPublisher(client, { deliveryTimeoutMs: REPORT_TIMEOUT_MS });
  }

  stored(providerId: string, secretId: string, at: Date): void {
    let bySecret = this.storedAt.get(providerId);
    if (!bySecret) this.storedAt.set(providerId, (bySecret = new Map()));
    bySecret.set(secretId, Math.max(at.getTime(), bySecret.get(secretId) ?? 0));
  }

  refused(providerId: string, code: string, source: string, at: Date): void {
    this.note({ ...nothing(providerId), last_refused: { at: at.toISOString(), code, source } });
  }

  /** Resolves once reading and reporting have begun. */
  async start(): Promise<void> {
    await Promise.all([this.view.start(), this.publisher.start()]);
    if (this.closed) return;
    this.timer ??= setInterval(() => void this.report(), this.intervalMs);
  }

  /** Resolves once it is known what was reported before. */
  get ready(): Promise<void> {
    return this.view.ready;
  }

  /** Reports a last time, as far as Kafka is there. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    await this.reporting;
    if (this.timer && this.publisher.isHealthy()) await this.report();
    await this.publisher.close();
    await this.view.close();
  }

  private noteStored(): void {
    for (const [providerId, bySecret] of this.storedAt) {
      for (const [secretId, at] of bySecret) {
        const moment = new Date(at).toISOString();
        this.note({ ...nothing(providerId), last_delivery_at: moment, secrets: { [secretId]: moment } });
      }
    }
    this.storedAt.clear();
  }

  private note(news: WebhookActivity): void {
    const known = this.seen.get(news.provider_id);
    this.seen.set(news.provider_id, known ? mergeActivity(known, news) : news);
  }

  /** Never rejects; what could not be published is tried again at the next interval. */
  private report(): Promise<void> {
    this.reporting ??= this.reportOnce().finally(() => (this.reporting = undefined));
    return this.reporting;
  }

  private async reportOnce(): Promise<void> {
    // What others have written before has to be known, or a restart would forget it.
    if (!this.view.isReady() || !this.providers.isReady()) return;
    this.noteStored();
    const due = [...new Set([...this.seen.keys(), ...this.view.keys()])].flatMap((id) => this.dueOf(id));
    try {
      await Promise.all(due.map((record) => this.publisher.publish(TOPICS.webhookActivity, record)));
      this.metrics.activity('published', due.length);
    } catch (error) {
      this.metrics.activity('failed', due.length);
      this.logger.warn({ err: error, records: due.length }, 'what happened at the webhooks could not be reported');
    }
  }

  private dueOf(providerId: string): { key: string; value: Buffer | null; headers?: Record<string, string> }[] {
    const webhook = this.providers.get(providerId)?.webhook;
    const onTopic = this.view.get(providerId);
    if (!webhook) {
      this.seen.delete(providerId);
      return onTopic ? [{ key: providerId, value: null }] : [];
    }
    const own = this.seen.get(providerId);
    if (!own) return [];
    const live = new Set(webhook.secrets.map(({ id }) => id));
    const before = onTopic && ofSecrets(onTopic, live);
    const after = ofSecrets(onTopic ? mergeActivity(onTopic, own) : own, live);
    if (before && isDeepStrictEqual(before, after)) return [];
    return [{ key: providerId, ...encode(after) }];
  }
}

/** Secrets that were retired are forgotten, or the record would grow with each rotation. */
const ofSecrets = (activity: WebhookActivity, live: ReadonlySet<string>): WebhookActivity => ({
  ...activity,
  secrets: Object.fromEntries(
    Object.entries(activity.secrets)
      .filter(([id]) => live.has(id))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  ),
});

function encode(data: WebhookActivity): ReturnType<typeof encodeCloudEvent> {
  const newest = [data.last_delivery_at, data.last_refused?.at ?? null].reduce((a, b) =>
    (a ?? '') > (b ?? '') ? a : b,
  );
  return encodeCloudEvent({
    id: `${data.provider_id}/${newest}`,
    source: '/webhook-ingress',
    type: WEBHOOK_ACTIVITY_TYPE,
    subject: data.provider_id,
    ...(newest === null ? {} : { time: newest }),
    providerid: data.provider_id,
    data,
  });
}
