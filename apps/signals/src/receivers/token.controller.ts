import { Body, Controller, Headers, HttpCode, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Public, sha256 } from '#platform/api-key.guard.js';
import { Database } from '#platform/database.js';
import { AccessTokens, RECEIVER_SCOPES, type ReceiverScope, TOKEN_SECONDS } from './access-tokens.js';
import { readReceiverOf, type ReceiverRow } from './receivers.sql.js';

/** The client credentials grant (RFC 6749, section 4.4): the id of a receiver and its key, for a token of some minutes. */
@Public()
@Controller('oauth2')
export class TokenController {
  constructor(
    private readonly database: Database,
    private readonly tokens: AccessTokens,
  ) {}

  @Post('token')
  @HttpCode(200)
  async token(
    @Body() body: Record<string, unknown> | undefined,
    @Headers('authorization') authorization: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    void reply.header('cache-control', 'no-store');
    const receiver = await this.receiverOf(authorization, body ?? {});
    if (!receiver) {
      void reply.status(401).header('www-authenticate', 'Basic realm="signals"');
      return { error: 'invalid_client' };
    }
    if (body?.['grant_type'] !== 'client_credentials') {
      void reply.status(400);
      return { error: 'unsupported_grant_type' };
    }
    const scopes = scopesOf(body['scope']);
    if (!scopes) {
      void reply.status(400);
      return { error: 'invalid_scope' };
    }
    return {
      access_token: await this.tokens.issue(receiver, scopes, new Date()),
      token_type: 'Bearer',
      expires_in: TOKEN_SECONDS,
      scope: scopes.join(' '),
    };
  }

  /** `client_secret_basic` or `client_secret_post`; the id has to be that of the key. */
  private async receiverOf(
    authorization: string | undefined,
    body: Record<string, unknown>,
  ): Promise<ReceiverRow | undefined> {
    const basic = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(authorization ?? '')?.[1];
    const given =
      basic === undefined
        ? [body['client_id'], body['client_secret']]
        : Buffer.from(basic, 'base64').toString('utf8').split(':').map(formDecoded);
    const [id, key, ...rest] = given;
    if (typeof id !== 'string' || typeof key !== 'string' || rest.length > 0) return undefined;
    const receiver = await this.database.read((tx) => readReceiverOf(tx, sha256(key)));
    return receiver?.id === id ? receiver : undefined;
  }
}

function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

/** Left out: all. Undefined: one that there is not. */
function scopesOf(scope: unknown): readonly ReceiverScope[] | undefined {
  if (scope === undefined || scope === '') return RECEIVER_SCOPES;
  const asked = typeof scope === 'string' ? scope.split(' ') : [];
  const known = RECEIVER_SCOPES.filter((one) => asked.includes(one));
  return known.length === asked.length && known.length > 0 ? known : undefined;
}
