import { createHash, timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import type { NamedSecret } from './config.js';
import { Problem } from './problem.js';

const PUBLIC = Symbol('public');

/** A route that asks for no API key: health, metrics, webhooks, and what has an authentication of its own. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(PUBLIC, true);

/** Who is calling: the name of the API key. */
export interface Principal {
  name: string;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Finds the holder of a secret in constant work, whichever it is and whether or not there is one. */
export class SecretHolders {
  private readonly holders: { name: string; digest: Buffer }[];
  constructor(secrets: readonly NamedSecret[]) {
    this.holders = secrets.map(({ name, secret }) => ({ name, digest: digest(secret) }));
  }

  holderOf(secret: string): string | undefined {
    const given = digest(secret);
    let found: string | undefined;
    for (const holder of this.holders) if (timingSafeEqual(given, holder.digest)) found = holder.name;
    return found;
  }
}

/** `Authorization: Bearer <API key>` on every route that is not public; the principal is put on the request. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly keys: SecretHolders,
    private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    if (context.getType() !== 'http') return true;
    if (this.reflector.getAllAndOverride<boolean>(PUBLIC, [context.getHandler(), context.getClass()])) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest & { principal?: Principal }>();
    const name = this.keys.holderOf(bearerToken(request.headers.authorization) ?? '');
    if (name === undefined) {
      throw new Problem(401, 'api_key_invalid', 'Send Authorization: Bearer <API key>.', {
        headers: { 'www-authenticate': 'Bearer realm="rescind"' },
      });
    }
    request.principal = { name };
    return true;
  }
}

/** The token of `Authorization: Bearer <token>` (RFC 6750, section 2.1), or undefined. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +([^\s]+) *$/i.exec(header ?? '')?.[1];
}
