import { timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Authentication, onlyReads, type Principal } from '#platform/api-key.guard.js';
import { bearerToken, sha256 } from '#platform/api-key.guard.js';
import { DatabaseUnavailable } from '#platform/database-errors.js';
import { Problem } from '#platform/problem.js';
import type { PortalKeys } from '../access/keys.js';
import { clearCookie, cookieOf, sessionCookie, setCookie } from './cookies.js';
import type { SignedIn } from './auth-kit.js';
import type { People, Person } from './people.js';
import type { LiveSession, Sessions } from './sessions.js';

/** Who is at the portal: by an API key with each request, or by a session; of AuthKit's, the person too. */
export interface PortalPrincipal extends Principal {
  session?: LiveSession;
  person?: Person;
}

export const CSRF_HEADER = 'x-csrf-token';

/**
 * API keys, as everywhere, and the sessions of browsers. A session is worth what its API key, or its person, is worth now: when
 * the key is revoked or the person shut out, the next request finds no session. What changes something needs the session's
 * CSRF token.
 */
export class PortalAuthentication implements Authentication {
  private readonly cookie: string;

  constructor(
    private readonly keys: PortalKeys,
    private readonly sessions: Sessions,
    private readonly people: People,
    private readonly secureCookies: boolean,
  ) {
    this.cookie = sessionCookie(secureCookies);
  }

  async principalOf(request: FastifyRequest, reply: FastifyReply): Promise<PortalPrincipal | undefined> {
    if (request.headers.authorization !== undefined) {
      const key = bearerToken(request.headers.authorization);
      return key === undefined ? undefined : known(() => this.keys.holderOf(sha256(key)));
    }
    const token = cookieOf(request, this.cookie);
    if (token === undefined) return undefined;
    const resumed = await known(() => this.sessions.resume(token));
    if (!resumed) throw this.sessionEnded(reply);
    const { session, nextToken } = resumed;
    const principal = await known(() => this.principalFor(session));
    if (typeof principal === 'string') {
      await known(() => this.sessions.end(session.id, principal));
      throw this.sessionEnded(reply, principal);
    }
    if (!onlyReads(request.method)) checkCsrf(request, session.csrfToken);
    if (nextToken !== undefined) this.give(reply, nextToken);
    return principal;
  }

  /** Whether whoever began to listen may go on; asked now and then while a feed is open. */
  async isStillWelcome({ session }: PortalPrincipal): Promise<boolean> {
    if (!session) return true;
    const current = await known(() => this.sessions.live(session.id));
    return current !== undefined && typeof (await known(() => this.principalFor(current))) !== 'string';
  }

  /** A new session for whoever has an API key. */
  async open(request: FastifyRequest, reply: FastifyReply, keySha256: string): Promise<void> {
    await this.endFormer(request);
    this.give(reply, await this.sessions.open({ keySha256 }));
  }

  /** A new session for a person. */
  async openFor(request: FastifyRequest, reply: FastifyReply, { token, user, tokens }: SignedIn): Promise<void> {
    await this.endFormer(request);
    const person = (sessionId: string) => ({
      providerId: token.provider_id,
      userId: token.user_id,
      email: user.email,
      emailVerified: user.email_verified,
      tokens: this.people.seal(sessionId, tokens),
    });
    this.give(reply, await this.sessions.open({ person }));
  }

  take(reply: FastifyReply): void {
    clearCookie(reply, this.cookie, { secure: this.secureCookies });
  }

  private give(reply: FastifyReply, token: string): void {
    setCookie(reply, this.cookie, token, {
      secure: this.secureCookies,
      maxAgeSeconds: Math.ceil(this.sessions.limits.maxMs / 1_000),
    });
  }

  /** Else one that somebody else put into the browser would still be there. */
  private async endFormer(request: FastifyRequest): Promise<void> {
    const token = cookieOf(request, this.cookie);
    const former = token === undefined ? undefined : await this.sessions.resume(token);
    if (former) await this.sessions.end(former.session.id, 'signed_in_again');
  }

  /** Or why there is none any more. */
  private async principalFor(session: LiveSession): Promise<PortalPrincipal | string> {
    if (session.person) {
      const welcome = await this.people.welcome(session.id, session.person);
      return typeof welcome === 'string' ? welcome : { ...welcome.principal, session, person: welcome.person };
    }
    const holder = await this.keys.holderOfSession(session.keySha256!);
    if (!holder || roleOf(holder) === undefined) return 'api_key_gone';
    return { name: holder.name, permissions: holder.permissions, session };
  }

  private sessionEnded(reply: FastifyReply, reason?: string): Problem {
    this.take(reply);
    return new Problem(401, 'session_ended', 'Sign in again.', reason === undefined ? {} : { extra: { reason } });
  }
}

export type Role = 'administrator' | 'auditor' | 'person';

/** The highest one. Undefined: an API key for services, with which nobody signs in. */
export const roleOf = ({ permissions }: Principal): Role | undefined =>
  (['administrator', 'auditor', 'person'] as const).find((role) => permissions.includes(role));

function checkCsrf({ headers }: FastifyRequest, expected: string): void {
  const given = Buffer.from(String(headers[CSRF_HEADER] ?? ''));
  const right = Buffer.from(expected);
  if (given.length === right.length && timingSafeEqual(given, right)) return;
  throw new Problem(403, 'csrf_token_invalid', `Send the csrf_token of GET /auth/session as ${CSRF_HEADER}.`);
}

/** Guards run before the interceptor that says so for the routes. */
async function known<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error;
    throw new Problem(503, 'database_unavailable', 'The database does not answer; try again.', {
      headers: { 'retry-after': '1' },
    });
  }
}
