import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Authentication, bearerToken } from '#platform/api-key.guard.js';
import { type OwnRoute, permitted } from '#platform/own-routes.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { verifyAnswer } from './answers.js';
import type { Judged, TokenService } from './token-service.js';

export const verifyBody = z.object({ token: z.string() });
const checkBody = valid(verifyBody);

const JSON_TYPE = 'application/json; charset=utf-8';
/** All that Nest's `@All` takes. */
const EVERY_METHOD: OwnRoute['method'] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** `POST /v1/tokens/verify` and `/v1/forward-auth`. */
export function tokenRoutes(tokens: TokenService, authentication: Authentication): OwnRoute[] {
  return [
    {
      method: 'POST',
      url: '/v1/tokens/verify',
      onRequest: permitted(authentication, ['auditor', 'verify']),
      usualJson: usualBody,
      handler: (request, reply) => whenJudged(tokens.judge(tokenIn(request)), (judged) => answer(reply, judged)),
    },
    // Any method and any path below it, since Envoy asks with those of the request that it has before it.
    ...['/v1/forward-auth', '/v1/forward-auth/*'].map((url) => ({ method: EVERY_METHOD, url, handler: forwardAuth })),
  ];

  /** 200 with `active` and either whose token it is or the reason of the refusal; 503 where it is not known. */
  function answer(reply: FastifyReply, judged: Judged): undefined {
    void reply.type(JSON_TYPE).send(verifyAnswer(judged, tokens.asOf()));
  }

  /** For a proxy that asks before it lets a request through: 200 with whose it is, 401 (RFC 6750, section 3), 503. */
  function forwardAuth(request: FastifyRequest, reply: FastifyReply): undefined | Promise<undefined> {
    const token = bearerToken(request.headers.authorization);
    if (token === undefined) throw unauthorized('token_missing', 'Bearer realm="rescind"');
    return whenJudged(tokens.judge(token), (judged) => admit(reply, judged));
  }
}

/** At once where it is there at once: a promise costs more than a verdict. */
export function whenJudged(
  judged: Judged | Promise<Judged>,
  then: (judged: Judged) => undefined | Promise<undefined>,
): undefined | Promise<undefined> {
  return judged instanceof Promise ? judged.then(then) : then(judged);
}

/** No character of a token means anything else in JSON. */
const USUAL_BODY = /^\{"token": ?"([\w.-]*)"\}$/;

function usualBody(body: Buffer): { token: string } | undefined {
  const token = USUAL_BODY.exec(body.toString('latin1'))?.[1];
  return token === undefined ? undefined : { token };
}

/** Throws 400 `request_invalid`. */
function tokenIn({ body }: FastifyRequest): string {
  const token = (body as { token?: unknown } | null | undefined)?.token;
  return typeof token === 'string' ? token : checkBody.transform(body, { type: 'body' }).token;
}

function admit(reply: FastifyReply, judged: Judged): undefined {
  if (judged.kind === 'refused') {
    const description = judged.reason.replace(/[^\w .-]/g, '');
    throw unauthorized(
      'token_refused',
      `Bearer realm="rescind", error="invalid_token", error_description="${description}"`,
    );
  }
  const { subject, provider } = judged.verified;
  void reply.header('x-auth-user', headerValue(subject.userId)).header('x-auth-provider', provider.id);
  if (subject.organizationId !== undefined)
    void reply.header('x-auth-organization', headerValue(subject.organizationId));
  if (subject.sessionId !== undefined) void reply.header('x-auth-session', headerValue(subject.sessionId));
  void reply.header('cache-control', 'no-store').send();
}

function unauthorized(code: string, challenge: string): Problem {
  return new Problem(401, code, undefined, { headers: { 'www-authenticate': challenge, 'cache-control': 'no-store' } });
}

/** An id that a header cannot carry as it is must not be carried as another one. */
function headerValue(id: string): string {
  if (!/^[\x21-\x7e]+$/.test(id)) throw unauthorized('token_refused', 'Bearer realm="rescind", error="invalid_token"');
  return id;
}
