import { type CanActivate, createParamDecorator, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { bearerToken, sha256 } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';
import { AccessTokens, RECEIVER_SCOPES, type ReceiverScope } from './access-tokens.js';
import { Database } from '#platform/database.js';
import { readReceiverOf, type ReceiverRow } from './receivers.sql.js';

const NEEDS = Symbol('needs a scope');
export const Needs = (scope: ReceiverScope): MethodDecorator & ClassDecorator => SetMetadata(NEEDS, scope);

/** Who is calling. */
export const Receiver = createParamDecorator((_: unknown, context: ExecutionContext): ReceiverRow => {
  const { receiver } = context.switchToHttp().getRequest<{ receiver: ReceiverRow }>();
  return receiver;
});

/**
 * `Authorization: Bearer`: a receiver's own key, which may do everything with its streams, or an access token that it got for
 * the key (RFC 6749, section 4.4), which may do what its scopes say. Never in the query (RFC 6750, section 2.3).
 */
@Injectable()
export class ReceiverGuard implements CanActivate {
  constructor(
    private readonly database: Database,
    private readonly tokens: AccessTokens,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest & { receiver?: ReceiverRow }>();
    const needed = this.reflector.getAllAndOverride<ReceiverScope>(NEEDS, [context.getHandler(), context.getClass()]);
    const given = bearerToken(request.headers.authorization);
    if (given === undefined) throw unauthorized();
    const byKey = await this.database.read((tx) => readReceiverOf(tx, sha256(given)));
    const found = byKey ? { receiver: byKey, scopes: RECEIVER_SCOPES } : await this.tokens.read(given);
    if (!found) throw unauthorized('invalid_token');
    // Whoever may manage may read.
    if (!found.scopes.includes(needed) && !found.scopes.includes('ssf.manage')) throw insufficient(needed);
    request.receiver = found.receiver;
    return true;
  }
}

/** RFC 6750, section 3.1: without credentials no error is named. */
const unauthorized = (error?: string): Problem =>
  new Problem(401, 'receiver_unknown', 'Send Authorization: Bearer, with the key of a receiver or a token for it.', {
    headers: { 'www-authenticate': `Bearer realm="signals"${error === undefined ? '' : `, error="${error}"`}` },
  });

const insufficient = (scope: ReceiverScope): Problem =>
  new Problem(403, 'scope_insufficient', `This takes the scope ${scope}.`, {
    headers: { 'www-authenticate': `Bearer realm="signals", error="insufficient_scope", scope="${scope}"` },
  });
