import { Body, Controller, Headers, HttpCode, Inject, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Public, SecretHolders } from '#platform/api-key.guard.js';
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
    if (!this.isClient(credentials(authorization, body ?? {}))) {
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
  private isClient({ id, secret }: Credentials): boolean {
    return this.clients.holderOf(secret) === id && id !== '';
  }
}

interface Credentials {
  id: string;
  secret: string;
}

const NOBODY: Credentials = { id: '', secret: '' };

function credentials(authorization: string | undefined, body: Record<string, unknown>): Credentials {
  const basic = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(authorization ?? '')?.[1];
  if (basic !== undefined) {
    const text = Buffer.from(basic, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon < 0) return NOBODY;
    return { id: formDecoded(text.slice(0, colon)), secret: formDecoded(text.slice(colon + 1)) };
  }
  const { client_id: id, client_secret: secret } = body;
  return typeof id === 'string' && typeof secret === 'string' ? { id, secret } : NOBODY;
}

/** RFC 6749, section 2.3.1: both parts are form-encoded before they are joined. */
function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
