import { timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ApiKeys, type Authentication, onlyReads, type Principal } from '#platform/api-key.guard.js';
import { DatabaseUnavailable } from '#platform/database-errors.js';
import { Problem } from '#platform/problem.js';
import { clearCookie, cookieOf, SESSION_COOKIE, setCookie } from './auth-cookies.js';
import type { LiveSession, Sessions } from './auth-sessions.js';

/** Who is at the portal: by an API key with each request, or by a session. */
export interface PortalPrincipal extends Principal {
  session?: LiveSession;
}

export const CSRF_HEADER = 'x-csrf-token';

/**
 * API keys, as everywhere, and the sessions of browsers. A session is worth what its API key is worth now: when the key is
 * revoked, the next request finds no session. What changes something needs the session's CSRF token.
 */
export class PortalAuthentication implements Authentication {
  constructor(
    private readonly keys: ApiKeys,
    private readonly sessions: Sessions,
    private readonly secureCookies: boolean,
  ) {}

  async principalOf(request: FastifyRequest, reply: FastifyReply): Promise<PortalPrincipal | undefined> {
    if (request.headers.authorization !== undefined) return this.keys.principalOf(request);
    const token = cookieOf(request, SESSION_COOKIE);
    if (token === undefined) return undefined;
    const resumed = await known(() => this.sessions.resume(token));
    const principal = resumed && this.principalFor(resumed.session);
    if (!principal) {
      if (resumed) await known(() => this.sessions.end(resumed.session.id, 'api_key_gone'));
      clearCookie(reply, SESSION_COOKIE, { secure: this.secureCookies });
      throw new Problem(401, 'session_ended', 'Sign in again.');
    }
    if (!onlyReads(request.method)) checkCsrf(request, resumed.session.csrfToken);
    if (resumed.nextToken !== undefined) this.give(reply, resumed.nextToken);
    return principal;
  }

  /** Whether whoever began to listen may go on; asked now and then while a feed is open. */
  async isStillWelcome({ session }: PortalPrincipal): Promise<boolean> {
    if (!session) return true;
    const still = await known(() => this.sessions.isLive(session.id));
    return still && this.principalFor(session) !== undefined;
  }

  give(reply: FastifyReply, token: string): void {
    setCookie(reply, SESSION_COOKIE, token, {
      secure: this.secureCookies,
      maxAgeSeconds: Math.ceil(this.sessions.limits.maxMs / 1_000),
    });
  }

  take(reply: FastifyReply): void {
    clearCookie(reply, SESSION_COOKIE, { secure: this.secureCookies });
  }

  private principalFor(session: LiveSession): PortalPrincipal | undefined {
    const holder = this.keys.holderOf(session.keySha256);
    if (!holder || roleOf(holder) === undefined) return undefined;
    return { name: holder.name, permissions: holder.permissions, session };
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
export async function known<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error;
    throw new Problem(503, 'database_unavailable', 'The database does not answer; try again.', {
      headers: { 'retry-after': '1' },
    });
  }
}
