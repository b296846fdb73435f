import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { checked } from '#contracts/checked.js';
import { guardedFetch } from '#workos/guarded-fetch.js';
import type { SourceRow } from './sources.sql.js';

/** How old a key set may be. */
const FRESH_MS = 300_000;

/** The keys of a source cannot be had: it is not known who signed. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

const configuration = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });
const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

interface Known {
  keys: JWTVerifyGetKey;
  readAt: number;
}

type KeysOf = Pick<SourceRow, 'id' | 'issuer' | 'jwks_uri'>;

/** The key sets of sources, found by their SSF configuration (SSF 1.0, section 7.2); with the guard against our own network. */
export class SourceKeys {
  private readonly known = new Map<string, Known>();
  /** Of several that wait for the same keys one reads them. */
  private readonly reading = new Map<string, Promise<Known>>();

  constructor(private readonly options: { allowLocalHosts: boolean; timeoutMs: number }) {}

  /** @param maxAgeMs how long ago they may have been read at most. Throws {@link KeysUnavailable}. */
  async of(source: KeysOf, maxAgeMs = FRESH_MS): Promise<JWTVerifyGetKey> {
    const notBefore = performance.now() - maxAgeMs;
    let known = this.known.get(source.id);
    // What is being read already may have been asked for too early; then once more.
    while (!known || known.readAt < notBefore) known = await (this.reading.get(source.id) ?? this.readAnew(source));
    return known.keys;
  }

  /** Where it fails, what was known is kept. */
  private readAnew(source: KeysOf): Promise<Known> {
    const reading = this.read(source)
      .then((known) => {
        this.known.set(source.id, known);
        return known;
      })
      .catch((error: unknown) => {
        throw new KeysUnavailable((error as Error).message, { cause: error });
      })
      .finally(() => this.reading.delete(source.id));
    this.reading.set(source.id, reading);
    return reading;
  }

  private async read(source: KeysOf): Promise<Known> {
    const readAt = performance.now();
    const jwksUri = source.jwks_uri ?? (await this.discover(source.issuer));
    const { keys } = parse(keySet, await this.fetch(jwksUri));
    return { keys: createLocalJWKSet({ keys } as JSONWebKeySet), readAt };
  }

  private async discover(issuer: string): Promise<string> {
    const found = parse(configuration, await this.fetch(wellKnown(issuer, 'ssf-configuration')));
    if (found.issuer !== issuer) throw new Error('the configuration is of another issuer');
    return found.jwks_uri;
  }

  private async fetch(url: string): Promise<unknown> {
    const { status, body } = await guardedFetch(url, this.options);
    if (status !== 200) throw new Error(`answered ${status}`);
    return JSON.parse(body.toString('utf8'));
  }
}

/** What an issuer says of itself: between host and path (SSF 1.0, section 7.2; RFC 8414 and RFC 9728 alike). */
export function wellKnown(issuer: string, name: string): string {
  const url = new URL(issuer);
  return `${url.origin}/.well-known/${name}${url.pathname.replace(/\/$/, '')}`;
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = checked(schema, value);
  if (!parsed.success) throw new Error('is not what it should be');
  return parsed.data;
}
