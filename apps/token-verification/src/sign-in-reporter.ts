import { randomUUID } from 'node:crypto';
import { encodeCloudEvent } from '#contracts/cloud-event.js';
import { SIGN_IN_TYPE, type SignInData } from '#contracts/sign-in.js';
import { TOPICS } from '#contracts/topics.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import type { Verified } from './verified.js';

const REMEMBERED = 100_000;

/**
 * Reports a person and their session when a valid token of theirs is first seen here, so that they appear. It never holds
 * an answer up; what cannot be reported is forgotten, and reported at the next token.
 */
export class SignInReporter {
  private young = new Set<string>();
  private old = new Set<string>();
  /** The same by the remembered token, which is found sooner. */
  private tokens = new WeakSet<Verified>();

  constructor(
    private readonly publisher: Pick<BatchPublisher, 'publish'>,
    private readonly now: () => Date = () => new Date(),
  ) {}

  seen(verified: Verified): void {
    if (this.tokens.has(verified)) return;
    this.tokens.add(verified);
    const { provider, subject, claims } = verified;
    const { userId, organizationId, sessionId } = subject;
    const key = `${provider.id} ${userId} ${sessionId ?? ''} ${organizationId ?? ''}`;
    if (this.young.has(key) || this.old.has(key)) return;
    this.remember(key);
    const at = this.now().toISOString();
    const data: SignInData = {
      provider_id: provider.id,
      user_id: userId,
      ...(organizationId === undefined ? {} : { organization_id: organizationId }),
      ...(sessionId === undefined ? {} : { session_id: sessionId }),
      ...(typeof claims['email'] === 'string' ? { email: claims['email'] } : {}),
      claims: claimNames(claims),
      at,
      seen_by: 'token-verification',
    };
    const event = encodeCloudEvent({
      id: randomUUID(),
      source: '/token-verification',
      type: SIGN_IN_TYPE,
      subject: userId,
      time: at,
      providerid: provider.id,
      data,
    });
    this.publisher.publish(TOPICS.signIns, { key: userId, ...event }).catch(() => {
      this.young.delete(key);
      this.old.delete(key);
      this.tokens = new WeakSet();
    });
  }

  private remember(key: string): void {
    if (this.young.size >= REMEMBERED / 2) {
      this.old = this.young;
      this.young = new Set();
    }
    this.young.add(key);
  }
}

const MOST_NAMES = 50;
const LONGEST_NAME = 100;

/** Names alone, so that whoever wants to read another claim can be told in whose tokens it is. */
function claimNames(claims: Verified['claims']): string[] {
  return Object.entries(claims)
    .flatMap(([name, value]) => [
      name,
      ...(isObject(value) ? Object.keys(value).map((inner) => `${name}.${inner}`) : []),
    ])
    .filter((name) => name.length <= LONGEST_NAME)
    .slice(0, MOST_NAMES);
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
