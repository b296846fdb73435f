import type { OnModuleInit } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { Counter, type Registry } from 'prom-client';
import { z } from 'zod';
import { addressList, sourceOf } from './addresses.js';
import { Problem, problemBody, sendProblem } from './problem.js';
import { RateLimit } from './rate-limit.js';

/** Spread into the `z.object` of every service that takes API keys. */
export const limitSettings = {
  /** Proxies that are believed about where a request came from (`X-Forwarded-For`): addresses or ranges. */
  TRUSTED_PROXIES: addressList.default([]),
  /** Wrong credentials from one source, each minute; what comes beyond is answered with 429. 0: no limit. */
  BAD_CREDENTIALS_PER_MINUTE: z.coerce.number().int().min(0).default(600),
  /** Requests with one credential, each second and replica. 0: no limit. */
  API_KEY_REQUESTS_PER_SECOND: z.coerce.number().int().min(0).default(50_000),
};

export function limitsFrom(env: z.infer<z.ZodObject<typeof limitSettings>>): Limits {
  return {
    badCredentialsPerMinute: env.BAD_CREDENTIALS_PER_MINUTE,
    apiKeyRequestsPerSecond: env.API_KEY_REQUESTS_PER_SECOND,
  };
}

export interface Limits {
  badCredentialsPerMinute: number;
  apiKeyRequestsPerSecond: number;
}

/** What Fastify is told of `TRUSTED_PROXIES`: the right-most address that is none of them is where a request came from. */
export const trustedProxies = (addresses: readonly string[]): { trustProxy?: string[] } =>
  addresses.length === 0 ? {} : { trustProxy: [...addresses] };

/** Wrong credentials by source; a burst of a minute's worth. */
export const badCredentialsLimit = (perMinute: number): RateLimit =>
  new RateLimit({ perSecond: perMinute / 60, burst: perMinute });

export const rateLimited = (seconds: number, detail: string): Problem =>
  new Problem(429, 'rate_limited', detail, { headers: { 'retry-after': String(seconds) } });

/** Longer than any API key or client secret; what is longer is a token that somebody asks about, or no credential. */
const LONGEST_CREDENTIAL = 512;
const REMEMBERED_CREDENTIALS = 2_000;

/**
 * Two limits before every route of a service.
 *
 * A wrong credential beyond the limit of its source is answered with 429 in place of 401. It is still looked at, and a right
 * one is always let in: whoever shares an address (a proxy, a NAT) with somebody who guesses is not locked out. Guessing
 * is made hopeless by the length of keys; the limit makes it seen (`rescind_rate_limited_total`) and cheap.
 *
 * And each credential has a total, which nobody can use up who does not have it.
 */
export class RequestLimits implements OnModuleInit {
  private readonly wrong: RateLimit;
  private readonly total: RateLimit;
  private readonly limited: Counter<'limit'>;

  /** @param publicRoutes where 401 is said of a token that is asked about and not of who asks */
  constructor(
    private readonly http: HttpAdapterHost,
    limits: Limits,
    registry: Registry,
    private readonly publicRoutes: readonly string[] = [],
  ) {
    const { badCredentialsPerMinute, apiKeyRequestsPerSecond: perSecond } = limits;
    this.wrong = badCredentialsLimit(badCredentialsPerMinute);
    this.total = new RateLimit({ perSecond, burst: perSecond, maxKeys: REMEMBERED_CREDENTIALS });
    this.limited = rateLimitedCounter(registry);
  }

  onModuleInit(): void {
    const server = this.http.httpAdapter.getInstance<FastifyInstance>();
    server.addHook('onRequest', (request, reply, done) => {
      const credential = request.headers.authorization;
      if (credential === undefined || credential.length > LONGEST_CREDENTIAL) return done();
      const seconds = this.total.take(credential);
      if (seconds === 0) return done();
      this.limited.inc({ limit: 'credential' });
      sendProblem(reply, rateLimited(seconds, 'Too many requests with this API key: API_KEY_REQUESTS_PER_SECOND.'));
    });
    server.addHook('onSend', (request, reply, payload, done) => {
      if (reply.statusCode !== 401) return done(null, payload);
      const { url = '' } = request.routeOptions;
      if (this.publicRoutes.some((route) => url === route || url.startsWith(`${route}/`))) return done(null, payload);
      const seconds = this.wrong.take(sourceOf(request.ip));
      if (seconds === 0) return done(null, payload);
      this.limited.inc({ limit: 'bad_credentials' });
      done(null, asProblem(reply, rateLimited(seconds, 'Too many wrong credentials from this address.')));
    });
  }
}

export const rateLimitedCounter = (registry: Registry): Counter<'limit'> =>
  new Counter({
    name: 'rescind_rate_limited_total',
    help: 'Requests answered with 429, by the limit: bad_credentials, credential or endpoint.',
    labelNames: ['limit'],
    registers: [registry],
  });

/** Another answer in the place of one that is just being sent. */
function asProblem(reply: FastifyReply, problem: Problem): string {
  const body = JSON.stringify(problemBody(problem));
  reply.removeHeader('www-authenticate');
  void reply
    .status(problem.status)
    .headers(problem.options.headers ?? {})
    .type('application/problem+json')
    .header('content-length', Buffer.byteLength(body));
  return body;
}
