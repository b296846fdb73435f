import { All, Body, Controller, Headers, HttpCode, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { bearerToken, Permits, Public } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { TokenService } from './token-service.js';

export const verifyBody = z.object({ token: z.string() });

@Controller('v1')
export class TokensController {
  constructor(private readonly tokens: TokenService) {}

  /** 200 with `active` and either whose token it is or the reason of the refusal; 503 where it is not known. */
  @Permits('auditor', 'verify')
  @Post('tokens/verify')
  @HttpCode(200)
  async verify(@Body(valid(verifyBody)) { token }: z.infer<typeof verifyBody>): Promise<object> {
    const verdict = await this.tokens.judge(token);
    const as_of = this.tokens.asOf();
    if (verdict.kind === 'refused') return { active: false, reason: verdict.reason, as_of };
    const { subject, claims, provider } = verdict.verified;
    return {
      active: true,
      user_id: subject.userId,
      organization_id: subject.organizationId,
      session_id: subject.sessionId,
      claims,
      provider_id: provider.id,
      as_of,
    };
  }

  /**
   * For a proxy that asks before it lets a request through: 200 with whose it is, 401 (RFC 6750, section 3), 503. Any method
   * and any path below it, since Envoy asks with those of the request that it has before it.
   */
  @Public()
  @All(['forward-auth', 'forward-auth/*'])
  @HttpCode(200)
  async forwardAuth(
    @Headers('authorization') authorization: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const token = bearerToken(authorization);
    if (token === undefined) throw unauthorized('token_missing', 'Bearer realm="rescind"');
    const verdict = await this.tokens.judge(token);
    if (verdict.kind === 'refused') {
      const description = verdict.reason.replace(/[^\w .-]/g, '');
      throw unauthorized(
        'token_refused',
        `Bearer realm="rescind", error="invalid_token", error_description="${description}"`,
      );
    }
    const { subject, provider } = verdict.verified;
    void reply.header('x-auth-user', headerValue(subject.userId)).header('x-auth-provider', provider.id);
    if (subject.organizationId !== undefined)
      void reply.header('x-auth-organization', headerValue(subject.organizationId));
    if (subject.sessionId !== undefined) void reply.header('x-auth-session', headerValue(subject.sessionId));
    void reply.header('cache-control', 'no-store');
  }
}

function unauthorized(code: string, challenge: string): Problem {
  return new Problem(401, code, undefined, { headers: { 'www-authenticate': challenge, 'cache-control': 'no-store' } });
}

/** An id that a header cannot carry as it is must not be carried as another one. */
function headerValue(id: string): string {
  if (!/^[\x21-\x7e]+$/.test(id)) throw unauthorized('token_refused', 'Bearer realm="rescind", error="invalid_token"');
  return id;
}
