import { randomUUID } from 'node:crypto';
import { API_KEY_USE_TYPE, type ApiKeyData, type ApiKeyUseData, decodeApiKey } from '#contracts/api-key.js';
import { encodeCloudEvent } from '#contracts/cloud-event.js';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { CompactedView } from '#kafka/compacted-view.js';
import type { KafkaLogger } from '#kafka/logger.js';
import { BatchPublisher } from '#kafka/publisher.js';
import type { IssuedKeys } from '#platform/api-key.guard.js';

/** A key that is used all the time is reported so often. */
const REPORT_EVERY_MS = 60_000;

/**
 * The API keys that the portal has issued, from the compacted topic alone: a service takes them without the portal, and sees
 * that one was revoked within moments. That a key was used is reported now and then; it holds nothing up.
 */
export class ApiKeyRegistry implements IssuedKeys {
  private readonly view: CompactedView<ApiKeyData>;
  private readonly publisher: BatchPublisher;
  private readonly bySha256 = new Map<string, ApiKeyData>();
  /** Key id → its digest, to forget it by. */
  private readonly digests = new Map<string, string>();
  private readonly reported = new Map<string, number>();

  constructor(
    client: KafkaClient,
    private readonly service: string,
    logger?: KafkaLogger,
  ) {
    this.publisher = new BatchPublisher(client);
    this.view = new CompactedView(client, {
      topic: TOPICS.apiKeys,
      decode: decodeApiKey,
      ...(logger ? { logger } : {}),
    });
    this.view.onChange((id, key) => this.take(id, key));
  }

  /** Resolves once reading has begun; until Kafka can be reached it goes on trying. */
  async start(): Promise<void> {
    void this.publisher.start();
    await this.view.start();
  }

  isReady(): boolean {
    return this.view.isReady();
  }

  /** For readiness. */
  problem(): string | undefined {
    return this.isReady() ? undefined : 'the API keys are not known yet';
  }

  find(sha256: string): ApiKeyData | undefined {
    return this.bySha256.get(sha256);
  }

  used(id: string): void {
    const now = performance.now();
    if (now - (this.reported.get(id) ?? -Infinity) < REPORT_EVERY_MS) return;
    this.reported.set(id, now);
    const at = new Date().toISOString();
    const event = encodeCloudEvent<ApiKeyUseData>({
      id: randomUUID(),
      source: `/${this.service}`,
      type: API_KEY_USE_TYPE,
      subject: id,
      time: at,
      data: { api_key_id: id, service: this.service, at },
    });
    this.publisher
      .publish(TOPICS.apiKeyUses, { key: `${id}/${this.service}`, ...event })
      .catch(() => this.reported.delete(id));
  }

  async close(): Promise<void> {
    await Promise.all([this.view.close(), this.publisher.close()]);
  }

  private take(id: string, key: ApiKeyData | undefined): void {
    const former = this.digests.get(id);
    if (former !== undefined) this.bySha256.delete(former);
    this.digests.delete(id);
    this.reported.delete(id);
    if (!key) return;
    this.digests.set(id, key.sha256);
    this.bySha256.set(key.sha256, key);
  }
}
