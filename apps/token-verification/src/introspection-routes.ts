import type { FastifyReply } from 'fastify';
import { SecretHolders } from '#platform/api-key.guard.js';
import type { NamedSecret } from '#platform/config.js';
import type { OwnRoute } from '#platform/own-routes.js';
import { Problem } from '#platform/problem.js';
import { type AnswerSigner, SIGNED_ANSWER, wantsSignedAnswer } from './answer-signer.js';
import { introspectionAnswer, introspectionJson } from './answers.js';
import { type ClientClaim, clientCredentials, type ClientCredentials } from './domain/client-credentials.js';
import { whenJudged } from './token-routes.js';
import type { TokenService } from './token-service.js';

/**
 * `POST /oauth2/introspect` (RFC 7662). The client proves itself by `client_secret_basic` or `client_secret_post`, and gets a
 * signed answer where it asks for it by `Accept: application/token-introspection+jwt` (RFC 9701).
 */
export function introspectionRoutes(
  tokens: TokenService,
  signer: AnswerSigner,
  clients: readonly NamedSecret[],
): OwnRoute[] {
  const holders = new SecretHolders(clients);
  return [
    {
      method: 'POST',
      url: '/oauth2/introspect',
      handler: ({ body, headers }, reply) => {
        const form = (body ?? {}) as Record<string, unknown>;
        void reply.header('cache-control', 'no-store').header('vary', 'accept');
        const claim = clientCredentials(headers.authorization, form);
        if (claim === 'ambiguous') return invalidRequest(reply, 'more than one client authentication');
        const client = clientOf(claim, holders);
        if (client === undefined) {
          void reply.status(401).header('www-authenticate', 'Basic realm="rescind"').send({ error: 'invalid_client' });
          return;
        }
        const { token } = form;
        if (typeof token !== 'string' || token === '') return invalidRequest(reply, 'token is missing');
        const signed = isToBeSigned(headers.accept, signer);
        return whenJudged(tokens.judge(token), (judged) => {
          if (signed) return sendSigned(reply, signer.sign(introspectionAnswer(judged), client, Date.now()));
          void reply.type('application/json; charset=utf-8').send(introspectionJson(judged));
          return undefined;
        });
      },
    },
  ];
}

async function sendSigned(reply: FastifyReply, answer: Promise<string>): Promise<undefined> {
  void reply.type(SIGNED_ANSWER).send(await answer);
}

function isToBeSigned(accept: string | undefined, signer: AnswerSigner): boolean {
  const wanted = wantsSignedAnswer(accept);
  if (wanted === 'no' || signer.algorithms.length > 0) return wanted !== 'no';
  if (wanted === 'preferred') return false;
  throw new Problem(
    406,
    'signed_answer_not_configured',
    'There is no key to sign with: set RESCIND_INTROSPECTION_SIGNING_KEY, or accept application/json.',
  );
}

/** The name of the client, if it is one. Constant work, whether or not there is such a client. */
function clientOf(claim: ClientClaim, clients: SecretHolders): string | undefined {
  const { id, secret } = typeof claim === 'string' ? NOBODY : claim;
  return clients.holderOf(secret) === id ? id : undefined;
}

/** What cannot be read costs as much as a wrong secret. No client has an empty name. */
const NOBODY: ClientCredentials = { id: '', secret: '' };

/** RFC 6749, section 5.2. */
function invalidRequest(reply: FastifyReply, error_description: string): undefined {
  void reply.status(400).send({ error: 'invalid_request', error_description });
}
