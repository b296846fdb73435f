import { randomUUID } from 'node:crypto';
import { encodeCloudEvent } from '#contracts/cloud-event.js';
import { SIGN_IN_TYPE, type SignInData } from '#contracts/sign-in.js';
import { TOPICS } from '#contracts/topics.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import type { Logger } from '#platform/logging.js';
import type { SignedIn } from './auth-kit.js';

/**
 * A person appears by signing in: it is published, and grants writes it down unless they were deleted. It holds nobody up;
 * what Kafka does not take, token-verification says when it sees the token.
 */
export class SignInPublisher {
  constructor(
    private readonly publisher: Pick<BatchPublisher, 'publish'>,
    private readonly logger: Logger,
  ) {}

  signedIn({ token, user }: SignedIn): void {
    const at = new Date().toISOString();
    const { provider_id, user_id, organization_id, session_id } = token;
    const data: SignInData = {
      provider_id,
      user_id,
      ...(organization_id === undefined ? {} : { organization_id }),
      ...(session_id === undefined ? {} : { session_id }),
      email: user.email,
      at,
      seen_by: 'portal',
    };
    const event = encodeCloudEvent({
      id: randomUUID(),
      source: '/portal',
      type: SIGN_IN_TYPE,
      subject: user_id,
      time: at,
      providerid: provider_id,
      data,
    });
    this.publisher
      .publish(TOPICS.signIns, { key: user_id, ...event })
      .catch((error: unknown) => this.logger.warn({ err: error, user_id }, 'sign-in not published'));
  }
}
