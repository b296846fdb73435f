import { Body, Controller, Headers, HttpCode, Inject, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Public, SecretHolders } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';
import { AnswerSigner, SIGNED_ANSWER, wantsSignedAnswer } from './answer-signer.js';
import { type ClientClaim, clientCredentials, type ClientCredentials } from './domain/client-credentials.js';
import { TokenService } from './token-service.js';
import type { Verdict } from './verifier.js';

export const INTROSPECTION_CLIENTS = Symbol('introspection clients');

/** Token introspection (RFC 7662). The client proves itself by `client_secret_basic` or `client_secret_post`. */
@Public()
@Controller('oauth2')
export class IntrospectionController {
  constructor(
    private readonly tokens: TokenService,
    private readonly signer: AnswerSigner,
    @Inject(INTROSPECTION_CLIENTS) private readonly clients: SecretHolders,
  ) {}

  /**
   * An inactive token is just `{"active":false}`: why, the client is not told (RFC 7662, section 2.2). Signed where the client
   * asks for it by `Accept: application/token-introspection+jwt` (RFC 9701).
   */
  @Post('introspect')
  @HttpCode(200)
  async introspect(
    @Body() body: Record<string, unknown> | undefined,
    @Headers('authorization') authorization: string | undefined,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object | string> {
    void reply.header('cache-control', 'no-store').header('vary', 'accept');
    const claim = clientCredentials(authorization, body ?? {});
    if (claim === 'ambiguous') return invalidRequest(reply, 'more than one client authentication');
    const client = this.clientOf(claim);
    if (client === undefined) {
      void reply.status(401).header('www-authenticate', 'Basic realm="rescind"');
      return { error: 'invalid_client' };
    }
    const token = body?.['token'];
    if (typeof token !== 'string' || token === '') return invalidRequest(reply, 'token is missing');
    const signed = this.isToBeSigned(accept);
    const answer = answerOf(await this.tokens.judge(token));
    if (!signed) return answer;
    void reply.type(SIGNED_ANSWER);
    return this.signer.sign(answer, client, Date.now());
  }

  private isToBeSigned(accept: string | undefined): boolean {
    const wanted = wantsSignedAnswer(accept);
    if (wanted === 'no' || this.signer.algorithms.length > 0) return wanted !== 'no';
    if (wanted === 'preferred') return false;
    throw new Problem(
      406,
      'signed_answer_not_configured',
      'There is no key to sign with: set RESCIND_INTROSPECTION_SIGNING_KEY, or accept application/json.',
    );
  }

  /** The name of the client, if it is one. Constant work, whether or not there is such a client. */
  private clientOf(claim: ClientClaim): string | undefined {
    const { id, secret } = typeof claim === 'string' ? NOBODY : claim;
    return this.clients.holderOf(secret) === id ? id : undefined;
  }
}

/** What cannot be read costs as much as a wrong secret. No client has an empty name. */
const NOBODY: ClientCredentials = { id: '', secret: '' };

/** RFC 6749, section 5.2. */
function invalidRequest(reply: FastifyReply, error_description: string): object {
  void reply.status(400);
  return { error: 'invalid_request', error_description };
}

function answerOf(verdict: Exclude<Verdict, { kind: 'unknown' }>): object {
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
