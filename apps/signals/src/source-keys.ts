import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { checked } from '#contracts/checked.js';
import { guardedFetch } from '#workos/guarded-fetch.js';
import type { SourceRow } from './sources.sql.js';

/** How old a key set may be, and how soon it is fetched again for a key that is not in it. */
const FRESH_MS = 300_000;
const COOLDOWN_MS = 30_000;

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

  /** @param again the key was not in the set. Throws {@link KeysUnavailable}. */
  async of(source: SourceRow, again = false): Promise<JWTVerifyGetKey> {
    const former = await this.known.get(source.id)?.catch(() => undefined);
    const age = former ? performance.now() - former.readAt : Infinity;
    if (former && age < (again ? COOLDOWN_MS : FRESH_MS)) return former.keys;
    const reading = this.read(source);
    this.known.set(source.id, reading);
    try {
      return (await reading).keys;
    } catch (error) {
      this.known.delete(source.id);
      throw new KeysUnavailable((error as Error).message, { cause: error });
    }
  }

  private async read(source: SourceRow): Promise<Known> {
    const jwksUri = source.jwks_uri ?? (await this.discover(source.issuer));
    const { keys } = parse(keySet, await this.fetch(jwksUri));
    return { keys: createLocalJWKSet({ keys } as JSONWebKeySet), readAt: performance.now() };
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
