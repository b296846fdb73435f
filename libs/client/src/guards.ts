import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Rescind } from './rescind.js';
import type { Holder, Verdict } from './verdict.js';

/** Why somebody is not let in: 401 (RFC 6750, section 3) or 503, as a problem (RFC 9457). */
export class NotAdmitted extends Error {
  override readonly name = 'NotAdmitted';
  constructor(
    readonly statusCode: 401 | 503,
    readonly code: string,
    readonly headers: Readonly<Record<string, string>>,
  ) {
    super(code);
  }

  get body(): object {
    const title = this.statusCode === 401 ? 'Unauthorized' : 'Service Unavailable';
    return { type: 'about:blank', title, status: this.statusCode, code: this.code };
  }
}

/** Whose bearer token it is; throws, or rejects with, {@link NotAdmitted}. At once where the token was checked before. */
export function admit(rescind: Rescind, authorization: string | undefined): Holder | Promise<Holder> {
  const token = /^Bearer +([^\s]+) *$/i.exec(authorization ?? '')?.[1];
  if (token === undefined) throw new NotAdmitted(401, 'token_missing', { 'www-authenticate': 'Bearer' });
  const verdict = rescind.verify(token);
  return verdict instanceof Promise ? verdict.then(holderOf) : holderOf(verdict);
}

function holderOf(verdict: Verdict): Holder {
  if (verdict.kind === 'active') return verdict.holder;
  if (verdict.kind === 'unknown') throw new NotAdmitted(503, verdict.code, { 'retry-after': '1' });
  // A revocation by hand has a person's own words.
  const description = verdict.reason.replace(/[^\w .-]/g, '');
  throw new NotAdmitted(401, verdict.reason, {
    'www-authenticate': `Bearer error="invalid_token", error_description="${description}"`,
  });
}

type WithHolder<T> = T & { rescind?: Holder };

/** For Express, Connect and bare `node:http`: puts whose it is on `request.rescind`, or answers 401 or 503. */
export function expressGuard(
  rescind: Rescind,
): (request: WithHolder<IncomingMessage>, response: ServerResponse, next: (error?: unknown) => void) => void {
  return (request, response, next) => {
    void (async () => admit(rescind, request.headers.authorization))().then(
      (holder) => {
        request.rescind = holder;
        next();
      },
      (error: unknown) => {
        if (!(error instanceof NotAdmitted)) return next(error);
        response.writeHead(error.statusCode, { ...error.headers, 'content-type': 'application/problem+json' });
        response.end(JSON.stringify(error.body));
      },
    );
  };
}

interface FastifyReplyLike {
  code(status: number): FastifyReplyLike;
  headers(headers: Readonly<Record<string, string>>): FastifyReplyLike;
  type(type: string): FastifyReplyLike;
  send(body: unknown): unknown;
}

/** For Fastify: `app.addHook('onRequest', fastifyGuard(rescind))`; puts whose it is on `request.rescind`. */
export function fastifyGuard(
  rescind: Rescind,
): (
  request: WithHolder<{ headers: { authorization?: string | undefined } }>,
  reply: FastifyReplyLike,
) => Promise<unknown> {
  return async (request, reply) => {
    try {
      request.rescind = await admit(rescind, request.headers.authorization);
      return undefined;
    } catch (error) {
      if (!(error instanceof NotAdmitted)) throw error;
      return reply
        .code(error.statusCode)
        .headers(error.headers)
        .type('application/problem+json')
        .send(JSON.stringify(error.body));
    }
  };
}

interface ExecutionContextLike {
  switchToHttp(): { getRequest<T>(): T; getResponse<T>(): T };
}

/**
 * For Nest: `app.useGlobalGuards(nestGuard(rescind, HttpException))`; puts whose it is on `request.rescind`.
 * @param HttpException that of `@nestjs/common`, which this package does not depend on: Nest answers by it
 */
export function nestGuard(
  rescind: Rescind,
  HttpException: new (body: object, status: number) => Error,
): { canActivate(context: ExecutionContextLike): Promise<boolean> } {
  return {
    canActivate: async (context) => {
      const http = context.switchToHttp();
      const request = http.getRequest<WithHolder<{ headers?: { authorization?: string } }>>();
      try {
        request.rescind = await admit(rescind, request.headers?.authorization);
        return true;
      } catch (error) {
        if (!(error instanceof NotAdmitted)) throw error;
        sendHeaders(http.getResponse(), error.headers);
        throw new HttpException(error.body, error.statusCode);
      }
    },
  };
}

interface ResponseLike {
  header?(name: string, value: string): unknown;
  setHeader?(name: string, value: string): unknown;
}

/** Fastify's reply has `header`, Express's response `setHeader`. */
function sendHeaders(response: ResponseLike, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (response.setHeader) response.setHeader(name, value);
    else response.header?.(name, value);
  }
}
