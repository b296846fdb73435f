import { All, Controller, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isPermitted, onlyReads, permissionMissing, Permits } from '#platform/api-key.guard.js';
import type { PortalPrincipal } from '../auth/portal-authentication.js';
import { ask, pathOf, type Upstream } from './proxy.js';

export const UPSTREAMS = Symbol('services behind the portal');
export interface Upstreams {
  grants: Upstream;
  tokenVerification: Upstream;
  signals: Upstream;
}

type ProxyRequest = FastifyRequest & { principal: PortalPrincipal };

/** Questions that are asked with a body; they change nothing. */
const READING_POSTS = ['/v1/access/check', '/v1/tokens/verify'];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** The other services, for the page: an auditor reads, an administrator may do everything. */
@Permits('auditor')
@Controller('api')
export class ProxyController {
  constructor(@Inject(UPSTREAMS) private readonly upstreams: Upstreams) {}

  @All('grants/*')
  grants(@Req() request: ProxyRequest, @Res() reply: FastifyReply): Promise<void> {
    return proxy(this.upstreams.grants, '/api/grants', request, reply);
  }

  @All('token-verification/*')
  tokenVerification(@Req() request: ProxyRequest, @Res() reply: FastifyReply): Promise<void> {
    return proxy(this.upstreams.tokenVerification, '/api/token-verification', request, reply);
  }

  @All('signals/*')
  signals(@Req() request: ProxyRequest, @Res() reply: FastifyReply): Promise<void> {
    return proxy(this.upstreams.signals, '/api/signals', request, reply);
  }
}

async function proxy(upstream: Upstream, prefix: string, request: ProxyRequest, reply: FastifyReply): Promise<void> {
  const { method, principal, body } = request;
  const target = request.url.slice(prefix.length);
  const isReading = onlyReads(method) || (method === 'POST' && READING_POSTS.includes(pathOf(target)));
  if (!METHODS.includes(method) || (!isReading && !isPermitted(principal, method, []))) throw permissionMissing();
  const answer = await ask(upstream, {
    method,
    target,
    actor: principal.name,
    headers: request.headers,
    ...(body === undefined || body === null ? {} : { body }),
  });
  void reply.status(answer.status).headers(answer.headers).send(answer.body);
}
