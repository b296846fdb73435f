import { addressMatcher, sourceOf } from '#platform/addresses.js';
import { Problem } from '#platform/problem.js';
import { RateLimit } from '#platform/rate-limit.js';
import { badCredentialsLimit, rateLimited } from '#platform/request-limits.js';
import type { IngressConfig } from './config.js';
import type { IngressMetrics } from './ingress-metrics.js';

/** Refusals of somebody who does not prove to be the sender. */
const NO_PROOF = new Set([
  'endpoint_unknown',
  'signature_missing',
  'signature_malformed',
  'signature_stale',
  'signature_mismatch',
]);

/** Who may deliver, and how often. */
export class Gate {
  private readonly isSource: ((address: string) => boolean) | undefined;
  private readonly withoutProof: RateLimit;
  private readonly perEndpoint: RateLimit;

  constructor(
    config: Pick<IngressConfig, 'webhookSources' | 'badCredentialsPerMinute' | 'endpointDeliveriesPerSecond'>,
    private readonly metrics: Pick<IngressMetrics, 'rateLimited'>,
  ) {
    const { webhookSources, badCredentialsPerMinute, endpointDeliveriesPerSecond: perSecond } = config;
    this.isSource = webhookSources.length > 0 ? addressMatcher(webhookSources) : undefined;
    this.withoutProof = badCredentialsLimit(badCredentialsPerMinute);
    this.perEndpoint = new RateLimit({ perSecond, burst: perSecond });
  }

  /** Throws 403 `source_not_allowed` unless deliveries are taken from this address. */
  checkSource(address: string): void {
    if (this.isSource?.(address) === false) {
      throw new Problem(
        403,
        'source_not_allowed',
        'This address is not among WEBHOOK_SOURCES. Behind a proxy, its own address belongs into TRUSTED_PROXIES.',
      );
    }
  }

  /** Throws 429. Only what was proved to be the sender's counts: nobody else can use the endpoint's share up. */
  countDelivery(providerId: string): void {
    const seconds = this.perEndpoint.take(providerId);
    if (seconds === 0) return;
    this.metrics.rateLimited('endpoint');
    throw rateLimited(seconds, 'Too many deliveries to this endpoint: ENDPOINT_DELIVERIES_PER_SECOND. Send it again.');
  }

  /**
   * The refusal itself, or 429 in its place where its source has had too many of them. Each is still looked at, so a genuine
   * delivery comes through whoever else sends from the same address.
   */
  refusal(problem: Problem, address: string): Problem {
    if (!NO_PROOF.has(problem.code)) return problem;
    const seconds = this.withoutProof.take(sourceOf(address));
    if (seconds === 0) return problem;
    this.metrics.rateLimited('bad_credentials');
    return rateLimited(seconds, 'Too many deliveries without a valid signature from this address.');
  }
}
