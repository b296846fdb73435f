import 'reflect-metadata';
import type { AddressInfo, Socket } from 'node:net';
import type { Type, DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ConfigError } from './config.js';
import { forgetTypeOfNothing } from './empty-body.js';
import { HealthController } from './health.js';
import { type Logger, NestLogger } from './logging.js';
import { type Problem, ProblemFilter, sendProblem, toProblem } from './problem.js';
import { stopTracing } from './tracing.js';

export interface ServeOptions {
  logger: Logger;
  host: string;
  port: number;
  shutdownTimeoutMs: number;
  /** Bytes; a longer body is refused with 413 `body_too_large`. */
  bodyLimit?: number;
  /** Requests under way at once; what comes beyond is answered with `whenFull` before its body is read. */
  maxInFlight?: { requests: number; whenFull: Problem };
  /** Whether bodies are handed over as the bytes that came in, unread (webhooks). */
  rawBodies?: boolean;
  /** Behind a proxy that is trusted to say where a request came from (`X-Forwarded-For`). */
  trustProxy?: boolean | string[];
}

/** For the whole request to come in: a sender that stops midway holds nothing for ever. */
const REQUEST_TIMEOUT_MS = 15_000;

/** A Nest application as every service has it, not yet listening: problems as RFC 9457, no body before its turn. */
export async function createService(
  module: Type | DynamicModule,
  options: ServeOptions,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: options.bodyLimit ?? 1_048_576,
    trustProxy: options.trustProxy ?? false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1_000 },
    // A path that cannot be read comes to no route, and to no filter.
    frameworkErrors: (error: Error, _request: unknown, reply: FastifyReply) => sendProblem(reply, toProblem(error)),
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: new NestLogger(options.logger),
    bodyParser: !options.rawBodies,
    abortOnError: false,
  });
  const fastify = adapter.getInstance();
  if (options.rawBodies) {
    fastify.removeAllContentTypeParsers();
    // Nearly all say JSON, and a type that is named is found sooner than any other.
    fastify.addContentTypeParser(['application/json', '*'], { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );
  }
  fastify.addHook('onRequest', forgetTypeOfNothing);
  if (options.maxInFlight) {
    const { requests, whenFull } = options.maxInFlight;
    let inFlight = 0;
    fastify.addHook('onRequest', (_request, reply, done) => {
      if (inFlight >= requests) return sendProblem(reply, whenFull);
      inFlight += 1;
      reply.raw.once('close', () => (inFlight -= 1));
      done();
    });
  }
  closeUnusedConnections(fastify);
  app.useGlobalFilters(new ProblemFilter(options.logger));
  return app;
}

/** Browsers open connections that they may need; Node does not take one without any request for idle, and waits for it. */
function closeUnusedConnections(fastify: FastifyInstance): void {
  const unused = new Set<Socket>();
  fastify.server.on('connection', (socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  fastify.server.on('request', ({ socket }) => unused.delete(socket));
  fastify.addHook('preClose', (done) => {
    for (const socket of unused) socket.destroy();
    done();
  });
}

/** Listens, and answers with the URL; `PORT=0` takes any free port. */
export async function listen(app: NestFastifyApplication, options: ServeOptions): Promise<string> {
  await app.listen(options.port, options.host);
  const { port } = app.getHttpServer().address() as AddressInfo;
  options.logger.info({ host: options.host, port }, 'listening');
  return `http://${options.host}:${port}`;
}

/**
 * Stops on SIGTERM or SIGINT: not ready at once, then Nest's own order (requests in flight end, shutdown hooks run).
 * What does not end within the time is left to the crash-safety that everything here has anyway.
 */
export function stopOnSignal(app: NestFastifyApplication, options: ServeOptions): void {
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    app.get(HealthController, { strict: false }).stop();
    options.logger.info({ signal }, 'stopping');
    const late = setTimeout(() => {
      options.logger.error({ timeout_ms: options.shutdownTimeoutMs }, 'did not stop in time');
      process.exit(1);
    }, options.shutdownTimeoutMs);
    const closed = app.close().then(stopTracing);
    closed.then(
      () => {
        clearTimeout(late);
        options.logger.info('stopped');
        process.exit(0);
      },
      (error: unknown) => {
        options.logger.error({ err: error }, 'did not stop cleanly');
        process.exit(1);
      },
    );
  };
  // A second one, of a wrapper that passes on what its child was sent as well, ends nothing before its time; a second Ctrl-C does.
  process.on('SIGTERM', stop);
  process.once('SIGINT', stop);
}

/** The body of every `main.ts`: what cannot start says why in one line, and exits with 1 (78 for its settings). */
export async function main(start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    if (error instanceof ConfigError) {
      console.error(error.message);
      process.exit(78); // EX_CONFIG of sysexits.h
    }
    console.error(error);
    process.exit(1);
  }
}
