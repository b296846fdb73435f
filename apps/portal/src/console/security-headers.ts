import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';

/** What an answer says unless its route says something else; the page has a policy of its own. */
const HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** Security headers on every answer of the portal, refusals too. */
@Injectable()
export class SecurityHeaders implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost,
    /** Whether browsers have us over https. */
    private readonly secure: boolean,
  ) {}

  onModuleInit(): void {
    const headers = Object.entries({
      ...HEADERS,
      ...(this.secure ? { 'strict-transport-security': 'max-age=31536000' } : {}),
    });
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    fastify.addHook('onSend', (_request, reply, _payload, done) => {
      for (const [name, value] of headers) if (!reply.hasHeader(name)) void reply.header(name, value);
      done();
    });
  }
}
