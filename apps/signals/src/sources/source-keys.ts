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

/** The key sets of sources, found by their SSF configuration (SSF 1.0, section 7.2); with the guard against our own network. */
export class SourceKeys {
  private readonly known = new Map<string, Promise<Known>>();

  constructor(private readonly options: { allowLocalHosts: boolean; timeoutMs: number }) {}

  /** @param maxAgeMs how long ago they may have been read at most. Throws {@link KeysUnavailable}. */
  async of(source: Pick<SourceRow, 'id' | 'issuer' | 'jwks_uri'>, maxAgeMs = FRESH_MS): Promise<JWTVerifyGetKey> {
    const notBefore = performance.now() - maxAgeMs;
    let reading = this.known.get(source.id);
    const former = await reading?.catch(() => undefined);
    if (former && former.readAt >= notBefore) return former.keys;
    // Of several that wait for the same keys one reads them.
    if (reading === this.known.get(source.id)) {
      reading = this.read(source);
      this.known.set(source.id, reading);
    } else {
      reading = this.known.get(source.id);
    }
    try {
      return (await reading!).keys;
    } catch (error) {
      if (this.known.get(source.id) === reading) {
        if (former) this.known.set(source.id, Promise.resolve(former));
        else this.known.delete(source.id);
      }
      throw new KeysUnavailable((error as Error).message, { cause: error });
    }
  }

  private async read(source: Pick<SourceRow, 'issuer' | 'jwks_uri'>): Promise<Known> {
    const readAt = performance.now();
    const jwksUri = source.jwks_uri ?? (await this.discover(source.issuer));
    const { keys } = parse(keySet, await this.fetch(jwksUri));
    return { keys: createLocalJWKSet({ keys } as JSONWebKeySet), readAt };
  }

  private async discover(issuer: string): Promise<string> {
    const found = parse(configuration, await this.fetch(configurationUrl(issuer)));
    if (found.issuer !== issuer) throw new Error('the configuration is of another issuer');
    return found.jwks_uri;
  }

  private async fetch(url: string): Promise<unknown> {
    const { status, body } = await guardedFetch(url, this.options);
    if (status !== 200) throw new Error(`answered ${status}`);
    return JSON.parse(body.toString('utf8'));
  }
}

/** Between host and path. */
function configurationUrl(issuer: string): string {
  const url = new URL(issuer);
  return `${url.origin}/.well-known/ssf-configuration${url.pathname.replace(/\/$/, '')}`;
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = checked(schema, value);
  if (!parsed.success) throw new Error('is not what it should be');
  return parsed.data;
}
