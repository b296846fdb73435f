import { hash, timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiKeyScope } from '#contracts/api-key.js';
import type { NamedSecret } from './config.js';
import { Problem } from './problem.js';

const PUBLIC = Symbol('public');
const PERMITS = Symbol('permits');

/** A route that asks for no API key: health, metrics, webhooks, and what has an authentication of its own. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(PUBLIC, true);

/** Who may call: the scopes of an API key, and `person`, who sees their own access alone. */
export type Permission = ApiKeyScope | 'person';

/**
 * Who else may call a route. Without it an administrator may call everything, an auditor what only reads (GET, HEAD), and
 * nobody else anything.
 */
export const Permits = (...permissions: Permission[]): MethodDecorator & ClassDecorator =>
  SetMetadata(PERMITS, permissions);

/** Who is calling. */
export interface Principal {
  /** For the audit: the name of the API key, or of the person. */
  name: string;
  permissions: readonly Permission[];
}

/** Finds out who is calling; undefined: nobody that is known. Throws a `Problem` where it cannot be known (503). */
export interface Authentication {
  principalOf(request: FastifyRequest, reply: FastifyReply): Principal | undefined | Promise<Principal | undefined>;
}

export const sha256 = (text: string): string => hash('sha256', text, 'hex');

const MOST_REMEMBERED = 256;
const LONGEST_REMEMBERED = 256;

/** SHA-256, hex, of the secrets that were given last: remembered is what a secret says itself; whose it is, is asked each time. */
class Digests {
  private readonly known = new Map<string, string>();

  of(secret: string): string {
    const known = this.known.get(secret);
    if (known !== undefined) return known;
    const digest = sha256(secret);
    if (secret.length > LONGEST_REMEMBERED) return digest;
    if (this.known.size >= MOST_REMEMBERED) this.known.clear();
    this.known.set(secret, digest);
    return digest;
  }
}

/** Finds the holder of a secret in constant work, whichever it is and whether or not there is one. */
export class SecretHolders {
  private readonly holders: { name: string; digest: Buffer }[];
  private readonly digests = new Digests();

  constructor(secrets: readonly NamedSecret[]) {
    this.holders = secrets.map(({ name, secret }) => ({ name, digest: Buffer.from(sha256(secret), 'hex') }));
  }

  holderOf(secret: string): string | undefined {
    return this.holderOfDigest(Buffer.from(this.digests.of(secret), 'hex'));
  }

  /** @param given SHA-256 of the secret */
  holderOfDigest(given: Buffer): string | undefined {
    let found: string | undefined;
    for (const holder of this.holders) if (timingSafeEqual(given, holder.digest)) found = holder.name;
    return found;
  }
}

/** API keys that the portal has issued, as a service knows them. */
export interface IssuedKeys {
  /** Whether all of them are known. */
  isReady(): boolean;
  /** @param sha256 of the key, hex */
  find(sha256: string): { id: string; name: string; scopes: readonly ApiKeyScope[] } | undefined;
  /** It was used, now. */
  used(id: string): void;
}

/** The holder of the key of this name in `RESCIND_API_KEYS` is the portal, and may say for whom it calls. */
export const PORTAL_KEY = 'portal';
/** For whom the portal calls, percent-encoded; it goes into the audit. */
export const ACTOR_HEADER = 'x-rescind-actor';
const LONGEST_ACTOR = 300;

/** `Authorization: Bearer <API key>`: one of the settings, which may do everything, or one that the portal issued. */
export class ApiKeys implements Authentication {
  private readonly configured: SecretHolders;
  private readonly names: string[];
  private readonly digests = new Digests();

  constructor(
    keys: readonly NamedSecret[],
    private readonly issued?: IssuedKeys,
  ) {
    this.configured = new SecretHolders(keys);
    this.names = keys.map(({ name }) => name);
  }

  /** Whether one of the settings is a person's or a program's, and not the portal's own. */
  get hasAdministrator(): boolean {
    return this.names.some((name) => name !== PORTAL_KEY);
  }

  hasName(name: string): boolean {
    return this.names.includes(name);
  }

  principalOf({ headers }: FastifyRequest): Principal | undefined {
    const key = bearerToken(headers.authorization);
    const found = key === undefined ? undefined : this.holderOf(this.digests.of(key));
    const actor = headers[ACTOR_HEADER];
    if (actor === undefined || found === undefined) return found;
    if (found.keyId !== undefined || found.name !== PORTAL_KEY) {
      throw new Problem(403, 'actor_not_allowed', `Only the portal may send ${ACTOR_HEADER}.`);
    }
    return { ...found, name: actorFrom(actor) };
  }

  /**
   * Whose key it is, and which of the issued ones. Throws 503 `api_keys_unknown` where it may be one that was issued.
   * @param keySha256 SHA-256 of the key, hex
   */
  holderOf(keySha256: string): (Principal & { keyId?: string }) | undefined {
    const name = this.configured.holderOfDigest(Buffer.from(keySha256, 'hex'));
    if (name !== undefined) return { name, permissions: ['administrator'] };
    if (!this.issued) return undefined;
    const key = this.issued.find(keySha256);
    if (key) {
      this.issued.used(key.id);
      return { name: key.name, permissions: key.scopes, keyId: key.id };
    }
    if (this.issued.isReady()) return undefined;
    throw new Problem(503, 'api_keys_unknown', 'Which API keys there are is not known yet; try again.', {
      headers: { 'retry-after': '1' },
    });
  }
}

function actorFrom(header: string | string[]): string {
  try {
    const actor = decodeURIComponent(String(header));
    if (actor !== '' && actor.length <= LONGEST_ACTOR && !/\p{Cc}/u.test(actor) && actor.isWellFormed()) return actor;
  } catch {
    // told below
  }
  throw new Problem(400, 'actor_malformed', `${ACTOR_HEADER} is a name, percent-encoded.`);
}

/** Asks who is calling on every route that is not public, and whether they may; the principal is put on the request. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly authentication: Authentication,
    private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    if (context.getType() !== 'http') return true;
    const places = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(PUBLIC, places)) return true;
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest & { principal?: Principal }>();
    const permits = this.reflector.getAllAndOverride<Permission[] | undefined>(PERMITS, places) ?? [];
    const principal = this.authentication.principalOf(request, http.getResponse<FastifyReply>());
    return principal instanceof Promise
      ? principal.then((found) => admit(request, found, permits))
      : admit(request, principal, permits);
  }
}

/** Puts the principal on the request. Throws 401 `api_key_invalid` or 403 `permission_missing`. */
export function admit(
  request: FastifyRequest & { principal?: Principal },
  principal: Principal | undefined,
  permits: readonly Permission[],
): true {
  if (principal === undefined) throw keyInvalid();
  if (!isPermitted(principal, request.method, permits)) throw permissionMissing(permits);
  request.principal = principal;
  return true;
}

function keyInvalid(): Problem {
  return new Problem(401, 'api_key_invalid', 'Send Authorization: Bearer <API key>.', {
    headers: { 'www-authenticate': 'Bearer realm="rescind"' },
  });
}

export const onlyReads = (method: string): boolean => method === 'GET' || method === 'HEAD';

/** @param permits who may besides an administrator, and an auditor who only reads */
export function isPermitted({ permissions }: Principal, method: string, permits: readonly Permission[]): boolean {
  if (permissions.includes('administrator')) return true;
  if (onlyReads(method) && permissions.includes('auditor')) return true;
  return permits.some((permitted) => permissions.includes(permitted));
}

export function permissionMissing(permits: readonly Permission[] = []): Problem {
  const asked = [...new Set<Permission>(['administrator', ...permits])];
  return new Problem(403, 'permission_missing', `This takes ${asked.join(' or ')}.`, { extra: { permits: asked } });
}

/** The token of `Authorization: Bearer <token>` (RFC 6750, section 2.1), or undefined. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +([^\s]+) *$/i.exec(header ?? '')?.[1];
}
