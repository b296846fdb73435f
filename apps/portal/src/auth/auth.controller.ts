import { Body, Controller, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Permits, Public, sha256 } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { PortalKeys } from '../access/keys.js';
import { PortalAuthentication, type PortalPrincipal, roleOf } from './portal-authentication.js';
import { Sessions } from './sessions.js';
import { ProviderSignIn } from './auth-kit.js';
import { FailureThrottle } from './throttle.js';

export const signInBody = z.strictObject({ api_key: z.string().min(1).max(500) });

export const sessionView = z.object({
  role: z.enum(['administrator', 'auditor', 'person']),
  name: z.string(),
  user_id: z.string().optional(),
  provider_id: z.string().optional(),
  /** For the header x-csrf-token; null where the request came with an API key, which needs none. */
  csrf_token: z.string().nullable(),
});

@Controller('auth/session')
export class AuthController {
  constructor(
    @Inject(PortalKeys) private readonly keys: PortalKeys,
    @Inject(ProviderSignIn) private readonly authKit: ProviderSignIn,
    @Inject(Sessions) private readonly sessions: Sessions,
    @Inject(PortalAuthentication) private readonly portal: PortalAuthentication,
    @Inject(FailureThrottle) private readonly throttle: FailureThrottle,
  ) {}

  /** A browser signs in with an API key of a person's role. The session is a new one, whatever the browser had before. */
  @Public()
  @Post()
  @HttpCode(204)
  async signIn(
    @Body(valid(signInBody)) { api_key }: z.output<typeof signInBody>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    refuseOtherSites(request);
    const seconds = this.throttle.retryAfter(request.ip);
    if (seconds !== undefined) throw tooMany(seconds);
    const keySha256 = sha256(api_key);
    const holder = await this.keys.signIn(keySha256);
    if (!holder) {
      this.throttle.failed(request.ip);
      throw new Problem(401, 'api_key_invalid', 'There is no such API key.');
    }
    if (roleOf(holder) === undefined) {
      throw new Problem(403, 'api_key_has_no_role', 'This API key is for services: sign in with one of a person.');
    }
    await this.portal.open(request, reply, keySha256);
  }

  @Permits('person')
  @Get()
  get(@Req() { principal }: { principal: PortalPrincipal }): z.infer<typeof sessionView> {
    const role = roleOf(principal);
    if (role === undefined) throw new Problem(403, 'api_key_has_no_role', 'This API key is for services.');
    const { person, session } = principal;
    return {
      role,
      name: person?.email ?? principal.name,
      ...(person ? { user_id: person.userId, provider_id: person.providerId } : {}),
      csrf_token: session?.csrfToken ?? null,
    };
  }

  @Permits('auditor', 'person')
  @Post('sign-out')
  @HttpCode(204)
  async signOut(
    @Req() { principal }: { principal: PortalPrincipal },
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    if (principal.session) await this.sessions.end(principal.session.id, 'signed_out');
    this.portal.take(reply);
    const { person } = principal;
    if (person?.workosSessionId) await this.authKit.endAtWorkOS(person.providerId, person.workosSessionId);
  }
}

/** Else another site could sign somebody in as somebody else (login CSRF). Browsers alone send this header. */
function refuseOtherSites({ headers }: FastifyRequest): void {
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return;
  throw new Problem(403, 'cross_site', 'Signing in is for pages of the portal itself.');
}

export function tooMany(seconds: number): Problem {
  return new Problem(429, 'rate_limited', `Too many failures from this address; try again in ${seconds} s.`, {
    headers: { 'retry-after': String(seconds) },
  });
}
