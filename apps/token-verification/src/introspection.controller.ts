import { Body, Controller, Headers, HttpCode, Inject, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Public, SecretHolders } from '#platform/api-key.guard.js';
import { type ClientClaim, clientCredentials, type ClientCredentials } from './domain/client-credentials.js';
import { TokenService } from './token-service.js';

export const INTROSPECTION_CLIENTS = Symbol('introspection clients');

/** Token introspection (RFC 7662). The client proves itself by `client_secret_basic` or `client_secret_post`. */
@Public()
@Controller('oauth2')
export class IntrospectionController {
  constructor(
    private readonly tokens: TokenService,
    @Inject(INTROSPECTION_CLIENTS) private readonly clients: SecretHolders,
  ) {}

  /** An inactive token is just `{"active":false}`: why, the client is not told (RFC 7662, section 2.2). */
  @Post('introspect')
  @HttpCode(200)
  async introspect(
    @Body() body: Record<string, unknown> | undefined,
    @Headers('authorization') authorization: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    void reply.header('cache-control', 'no-store');
    const claim = clientCredentials(authorization, body ?? {});
    if (claim === 'ambiguous') {
      void reply.status(400);
      return { error: 'invalid_request', error_description: 'more than one client authentication' };
    }
    if (!this.isClient(claim)) {
      void reply.status(401).header('www-authenticate', 'Basic realm="rescind"');
      return { error: 'invalid_client' };
    }
    const token = body?.['token'];
    if (typeof token !== 'string' || token === '') {
      void reply.status(400);
      return { error: 'invalid_request', error_description: 'token is missing' };
    }
    const verdict = await this.tokens.judge(token);
    if (verdict.kind === 'refused') return { active: false };
    const { subject, claims, provider } = verdict.verified;
    return {
      ...claims,
      active: true,
      token_type: 'Bearer',
      sub: subject.userId,
      org_id: subject.organizationId,
      sid: subject.sessionId,
      provider_id: provider.id,
    };
  }

  /** Constant work, whether or not there is such a client. */
  private isClient(claim: ClientClaim): boolean {
    const { id, secret } = typeof claim === 'string' ? NOBODY : claim;
    return this.clients.holderOf(secret) === id;
  }
}

/** What cannot be read costs as much as a wrong secret. No client has an empty name. */
const NOBODY: ClientCredentials = { id: '', secret: '' };
