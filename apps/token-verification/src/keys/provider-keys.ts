import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { KeySet, type KeySetParts } from './key-set.js';

const WORKOS_API = 'https://api.workos.com';

/**
 * Where a provider's keys are: at its `jwks_uri`, which discovery has filled in where it could; else, for WorkOS, at the
 * documented place of the client (`/sso/jwks/<client id>`); else below the issuer.
 */
export function keySetUrl(provider: IdentityProviderData): string {
  if (provider.jwks_uri !== null) return provider.jwks_uri;
  if (provider.kind === 'workos' && provider.client_id !== null) {
    return `${provider.api_base_url ?? WORKOS_API}/sso/jwks/${encodeURIComponent(provider.client_id)}`;
  }
  return `${provider.issuers[0]!.replace(/\/$/, '')}/.well-known/jwks.json`;
}

/** One key set for each address that some provider uses. */
export class ProviderKeys {
  private readonly sets = new Map<string, KeySet>();

  constructor(private readonly parts: Omit<KeySetParts, 'url'>) {}

  of(provider: IdentityProviderData): KeySet {
    const url = keySetUrl(provider);
    let set = this.sets.get(url);
    if (!set) {
      set = new KeySet({ ...this.parts, url });
      set.start();
      this.sets.set(url, set);
    }
    return set;
  }

  /** Keys are asked for before the first token comes; what no provider uses any more is let go. */
  follow(providers: readonly IdentityProviderData[]): void {
    const wanted = new Set(providers.map(keySetUrl));
    for (const provider of providers) this.of(provider);
    for (const [url, set] of this.sets) {
      if (wanted.has(url)) continue;
      set.stop();
      this.sets.delete(url);
    }
  }

  /** Of the set that was not heard of for longest, ms; 0 where there is none. */
  oldestAgeMs(now: number): number {
    return Math.max(0, ...[...this.sets.values()].map((set) => now - set.asOf));
  }

  stop(): void {
    for (const set of this.sets.values()) set.stop();
  }
}
