import { randomUUID } from 'node:crypto';
import { encodeCloudEvent } from '#contracts/cloud-event.js';
import { REFUSAL_TYPE, type RefusalData } from '#contracts/refusal.js';
import { TOPICS } from '#contracts/topics.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import { RateLimit } from '#platform/rate-limit.js';
import type { Verified } from './verified.js';

const REMEMBERED = 20_000;
/** A mass deprovisioning is told by its revocations; of its refusals, some are enough. */
const PER_SECOND = 50;

/**
 * Tells for people to see that somebody was refused because their access has ended: once for each session and reason, as far as
 * that is remembered. It never holds an answer up, and what Kafka does not take is not told.
 */
export class RefusalReporter {
  private readonly told = new Set<string>();
  /** The same by the remembered token, which is found sooner. */
  private readonly reasons = new WeakMap<Verified, string>();

  constructor(
    private readonly publisher: Pick<BatchPublisher, 'publish'>,
    private readonly limit = new RateLimit({ perSecond: PER_SECOND, burst: PER_SECOND, maxKeys: 1 }),
  ) {}

  refused(verified: Verified, reason: string): void {
    if (this.reasons.get(verified) === reason) return;
    this.reasons.set(verified, reason);
    const { provider, subject } = verified;
    const { userId, organizationId, sessionId } = subject;
    const key = `${provider.id} ${userId} ${sessionId ?? ''} ${reason}`;
    if (this.told.has(key) || this.limit.take('') > 0) return;
    if (this.told.size >= REMEMBERED) this.told.delete(this.told.values().next().value!);
    this.told.add(key);
    const at = new Date().toISOString();
    const event = encodeCloudEvent<RefusalData>({
      id: randomUUID(),
      source: '/token-verification',
      type: REFUSAL_TYPE,
      subject: userId,
      time: at,
      providerid: provider.id,
      data: {
        provider_id: provider.id,
        user_id: userId,
        ...(organizationId === undefined ? {} : { organization_id: organizationId }),
        ...(sessionId === undefined ? {} : { session_id: sessionId }),
        reason,
        at,
      },
    });
    this.publisher.publish(TOPICS.refusals, { key: userId, ...event }).catch(() => undefined);
  }
}
