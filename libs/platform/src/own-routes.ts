import type { Provider } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods, onRequestHookHandler } from 'fastify';
import { admit, type Authentication, type Permission, type Principal } from './api-key.guard.js';
import type { Logger } from './logging.js';
import { sendProblem, toProblem } from './problem.js';

/** A route of Fastify's own. The handler sends the answer itself; what it throws or rejects with becomes a problem. */
export interface OwnRoute {
  method: HTTPMethods | HTTPMethods[];
  url: string;
  /** Before the body is read, such as {@link permitted}. */
  onRequest?: onRequestHookHandler;
  /** The body as nearly everybody writes it, read sooner than JSON is; undefined for any other, which is read as JSON. */
  usualJson?(body: Buffer): unknown;
  handler(request: FastifyRequest, reply: FastifyReply): undefined | Promise<undefined>;
}

/**
 * Routes that are asked often, on the very server that Nest has, without Nest's pipeline, which takes several times as long
 * as a verdict. For a client they are like all others: the same limits, and problems as RFC 9457.
 */
export function ownRoutes(routes: readonly OwnRoute[], logger: Logger): Provider {
  return {
    provide: Symbol('routes of our own'),
    inject: [HttpAdapterHost],
    useFactory: ({ httpAdapter }: HttpAdapterHost) => ({
      onModuleInit: () => addRoutes(httpAdapter.getInstance<FastifyInstance>(), routes, logger),
    }),
  };
}

function addRoutes(server: FastifyInstance, routes: readonly OwnRoute[], logger: Logger): void {
  for (const route of routes) {
    const { usualJson } = route;
    if (!usualJson) {
      addRoute(server, route, logger);
      continue;
    }
    // A parser belongs to a part of the server; this one is made when all hooks of the whole are there.
    void server.register(async (part) => {
      const readJson = part.getDefaultJsonParser('error', 'error');
      part.removeContentTypeParser('application/json');
      part.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
        const usual = usualJson(body);
        if (usual !== undefined) done(null, usual);
        else void readJson(request, body as unknown as string, done);
      });
      addRoute(part, route, logger);
    });
  }
}

function addRoute(server: FastifyInstance, { method, url, onRequest, handler }: OwnRoute, logger: Logger): void {
  server.route({
    method,
    url,
    ...(onRequest ? { onRequest } : {}),
    handler,
    errorHandler: (error, request, reply) => {
      const problem = toProblem(error);
      if (problem.status === 500) logger.error({ err: error, method: request.method, route: url }, 'request failed');
      sendProblem(reply, problem);
    },
  });
}

/** What `ApiKeyGuard` asks of the routes of Nest: who is calling, and whether they may. */
export function permitted(authentication: Authentication, permits: readonly Permission[]): onRequestHookHandler {
  return (request, reply, done) => {
    const later = (principal: Principal | undefined): void => {
      admit(request, principal, permits);
      done();
    };
    try {
      const principal = authentication.principalOf(request, reply);
      if (principal instanceof Promise) principal.then(later).catch(done);
      else later(principal);
    } catch (error) {
      done(error as Error);
    }
  };
}
