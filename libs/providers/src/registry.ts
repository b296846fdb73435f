import { hash } from 'node:crypto';
import { CANARY_PROVIDER_ID, decodeIdentityProvider, type IdentityProviderData } from '#contracts/identity-provider.js';
import { TOPICS } from '#contracts/topics.js';
import { within } from '#kafka/backoff.js';
import type { KafkaClient } from '#kafka/client.js';
import { CompactedView } from '#kafka/compacted-view.js';
import type { KafkaLogger } from '#kafka/logger.js';

/**
 * The identity providers of this installation, from the compacted topic alone: a service starts and goes on without the
 * portal, and sees a change within moments of its being made.
 */
export class ProviderRegistry {
  private readonly view: CompactedView<IdentityProviderData>;
  /** What was asked for since the last change. */
  private ofIssuer = new Map<string, IdentityProviderData[]>();
  private ofEndpoint: Map<string, IdentityProviderData> | undefined;

  constructor(client: KafkaClient, logger?: KafkaLogger) {
    this.view = new CompactedView(client, {
      topic: TOPICS.identityProviders,
      decode: decodeIdentityProvider,
      ...(logger ? { logger } : {}),
    });
    this.view.onChange(() => {
      this.ofIssuer = new Map();
      this.ofEndpoint = undefined;
    });
  }

  /** Resolves once reading has begun; until Kafka can be reached it goes on trying. See {@link ready}. */
  start(): Promise<void> {
    return this.view.start();
  }

  /** Resolves once every provider that was there at the start is known. */
  get ready(): Promise<void> {
    return this.view.ready;
  }

  isReady(): boolean {
    return this.view.isReady();
  }

  /**
   * Resolves once it is certain of each id whether there is such a provider: it is known, or everything was read that was
   * published until now. An event names only providers that were published before it, so what is still unknown then
   * was removed. Throws after `timeoutMs`: not known yet is neither "none" nor any guess at its settings.
   */
  async settle(ids: Iterable<string>, timeoutMs: number): Promise<void> {
    if ([...ids].every((id) => this.view.has(id))) return;
    const isRead = await within(
      timeoutMs,
      this.view.upToNow().then(() => true),
    );
    if (!isRead) throw new Error(`the identity providers could not be read to the end within ${timeoutMs} ms`);
  }

  get(id: string): IdentityProviderData | undefined {
    return this.view.get(id);
  }

  /** Those that people have made; the canary's own is none of them. */
  all(): IdentityProviderData[] {
    return this.everyone().filter(({ id }) => id !== CANARY_PROVIDER_ID);
  }

  private everyone(): IdentityProviderData[] {
    return [...this.view.values()];
  }

  /** Several environments that are older than per-client issuers share one issuer; their keys tell them apart. */
  byIssuer(issuer: string): readonly IdentityProviderData[] {
    const known = this.ofIssuer.get(issuer);
    if (known) return known;
    const found = this.everyone().filter((provider) => provider.issuers.includes(issuer));
    if (found.length > 0) this.ofIssuer.set(issuer, found);
    return found;
  }

  /**
   * One digest and one look, whether or not there is such an endpoint and however many there are.
   * @param token the last part of a webhook endpoint's URL; looked up by its digest, so that time tells nothing of it
   */
  byEndpointToken(token: string): IdentityProviderData | undefined {
    const digest = hash('sha256', token, 'hex');
    this.ofEndpoint ??= new Map(
      this.everyone().flatMap((provider) =>
        provider.webhook ? [[provider.webhook.endpoint_token_sha256, provider] as const] : [],
      ),
    );
    return this.ofEndpoint.get(digest);
  }

  /** Calls back with the id of each provider that was added, changed or removed. Returns what ends it. */
  onChange(listener: (providerId: string) => void): () => void {
    return this.view.onChange(listener);
  }

  close(): Promise<void> {
    return this.view.close();
  }
}
