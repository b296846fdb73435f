import type { Database } from '#platform/database.js';
import type { Permission, Principal } from '#platform/api-key.guard.js';
import { CannotUnseal, type EncryptionKeys, seal, unseal } from '#providers/sealing.js';
import type { ProviderSignIn, Tokens } from './auth-kit.js';
import { lockPerson, type RenewedPerson, type SessionPerson, writePerson } from './sessions.sql.js';
import { readRoles } from '../access/roles.sql.js';
import type { Upstream } from '../console/proxy.js';
import { accessUnknown, type ActiveToken, type TokenVerdict, verifyToken } from './verify.js';

/** Who is at the portal as a person. */
export interface Person {
  providerId: string;
  userId: string;
  email: string | null;
  organizationId: string | null;
  workosSessionId: string | null;
}

/** With these the session may well go on, under a newer token. */
const ASK_FOR_ANOTHER = ['expired', 'role_changed'];

/**
 * Whether somebody who signed in is still welcome, and as what: asked with each request, of token-verification, so by the same
 * rule as everywhere. Where that cannot be known, nobody is let in.
 */
export class People {
  /** One at a time for each session: a refresh token is good for one use. */
  private readonly refreshing = new Map<string, Promise<RenewedPerson | undefined>>();

  constructor(
    private readonly database: Database,
    private readonly keys: EncryptionKeys,
    private readonly verifier: Upstream,
    private readonly signIn: ProviderSignIn,
  ) {}

  /**
   * Undefined: the session is over, for the `reason`. Throws 503 `access_unknown` or `identity_provider_unavailable`, and
   * `DatabaseUnavailable`.
   */
  async welcome(sessionId: string, session: SessionPerson): Promise<{ principal: Principal; person: Person } | string> {
    let { email, emailVerified } = session;
    const tokens = this.openable(sessionId, session.tokens);
    if (!tokens) return 'key_gone';
    let verdict = await verifyToken(this.verifier, tokens.access);
    if (isPassing(verdict)) {
      const renewed = await this.renew(sessionId, session);
      if (renewed === undefined) return 'refresh_refused';
      ({ email, emailVerified } = renewed);
      verdict = await verifyToken(this.verifier, this.open(sessionId, renewed.tokens).access);
      // Made in the very second of the change: the next one will not be.
      if (isPassing(verdict)) throw accessUnknown();
    }
    if (!verdict.active) return verdict.reason;
    if (verdict.user_id !== session.userId || verdict.provider_id !== session.providerId) return 'mismatch';
    return this.personOf(verdict, { email, emailVerified });
  }

  seal(sessionId: string, tokens: Tokens): string {
    return seal(JSON.stringify(tokens), ownerOf(sessionId), this.keys);
  }

  private async personOf(token: ActiveToken, { email, emailVerified }: Pick<SessionPerson, 'email' | 'emailVerified'>) {
    const { provider_id: providerId, user_id: userId, organization_id: organizationId } = token;
    const roles = await this.database.read((tx) =>
      readRoles(tx, {
        providerId,
        userId,
        // An address that nobody has proved to be theirs is anybody's.
        email: emailVerified ? email : null,
        organizationRoles:
          organizationId === undefined ? [] : rolesOf(token).map((role) => `${organizationId}/${role}`),
      }),
    );
    // Somebody of WorkOS's dashboard who acts as this person (RFC 8693, section 4.1) does not act as an administrator.
    const permissions: Permission[] = 'act' in token.claims ? ['person'] : [...roles, 'person'];
    return {
      principal: { name: email === null ? userId : `${email} (${userId})`, permissions },
      person: {
        providerId,
        userId,
        email,
        organizationId: organizationId ?? null,
        workosSessionId: token.session_id ?? null,
      },
    };
  }

  private renew(sessionId: string, session: SessionPerson): Promise<RenewedPerson | undefined> {
    const running = this.refreshing.get(sessionId);
    if (running) return running;
    const renewal = this.renewOnce(sessionId, session).finally(() => this.refreshing.delete(sessionId));
    this.refreshing.set(sessionId, renewal);
    return renewal;
  }

  /** What WorkOS gives is kept before anything else is asked: the former refresh token is worth nothing any more. */
  private renewOnce(sessionId: string, session: SessionPerson): Promise<RenewedPerson | undefined> {
    return this.database.transaction(async (tx) => {
      const known = await lockPerson(tx, sessionId);
      if (!known) return undefined;
      // Another replica was at it.
      if (known.tokens !== session.tokens) return known;
      const tokens = this.open(sessionId, known.tokens);
      const answer = await this.signIn.refresh(session.providerId, tokens.refresh);
      if (answer?.user.id !== session.userId) return undefined;
      const renewed = {
        tokens: this.seal(sessionId, { access: answer.access_token, refresh: answer.refresh_token }),
        email: answer.user.email,
        emailVerified: answer.user.email_verified,
      };
      await writePerson(tx, sessionId, renewed);
      return renewed;
    });
  }

  /** Undefined where the key that sealed them was taken out meanwhile: then there is nothing to go on with. */
  private openable(sessionId: string, sealed: string): Tokens | undefined {
    try {
      return this.open(sessionId, sealed);
    } catch (error) {
      if (error instanceof CannotUnseal) return undefined;
      throw error;
    }
  }

  private open(sessionId: string, sealed: string): Tokens {
    return JSON.parse(unseal(sealed, ownerOf(sessionId), this.keys)) as Tokens;
  }
}

const ownerOf = (sessionId: string): string => `portal/session/${sessionId}`;

const isPassing = (verdict: TokenVerdict): boolean => !verdict.active && ASK_FOR_ANOTHER.includes(verdict.reason);

/** AuthKit's `role`, and `roles` where somebody has several. */
function rolesOf({ claims }: ActiveToken): string[] {
  const { role, roles } = claims;
  return [...new Set([role, ...(Array.isArray(roles) ? (roles as unknown[]) : [])])].filter(
    (slug): slug is string => typeof slug === 'string',
  );
}
