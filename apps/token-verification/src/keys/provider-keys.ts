import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { KeySet, type KeySetParts } from './key-set.js';

/** So long at most a service that starts is not ready for want of keys: one issuer that is away must not keep it from the others' tokens. */
const FIRST_KEYS_MS = 5_000;

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
  private providers: readonly IdentityProviderData[] = [];
  private isStarting = true;
  /** Of the wait for the first keys. */
  private timer: NodeJS.Timeout | undefined;

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

  /** Keys are asked for before the first token comes; what no provider uses any more is let go. To be called at each change. */
  follow(providers: readonly IdentityProviderData[]): void {
    this.providers = providers;
    const wanted = new Set(providers.map(keySetUrl));
    for (const provider of providers) this.of(provider);
    for (const [url, set] of this.sets) {
      if (wanted.has(url)) continue;
      set.stop();
      this.sets.delete(url);
    }
    this.timer ??= this.waitForFirstKeys();
  }

  /** The ids of the providers without any key that may be used: their tokens are answered `keys_unavailable`. */
  missing(): string[] {
    return this.providers.filter((provider) => !this.of(provider).isUsable()).map(({ id }) => id);
  }

  /** Why it is too early to be ready: at the start the first keys are waited for, once and not long. */
  problem(): string | undefined {
    return this.isStarting ? 'the first keys are being fetched' : undefined;
  }

  private waitForFirstKeys(): NodeJS.Timeout {
    const end = (): void => void (this.isStarting = false);
    void Promise.all(Array.from(this.sets.values(), (set) => set.prepare())).then(end);
    return setTimeout(end, FIRST_KEYS_MS).unref();
  }

  /** Others were told the keys of this address. */
  hear(url: string): void {
    void this.sets.get(url)?.hear();
  }

  /** Of the set that was not heard of for longest, ms; 0 where there is none. */
  oldestAgeMs(now: number): number {
    return Math.max(0, ...[...this.sets.values()].map((set) => now - set.asOf));
  }

  stop(): void {
    clearTimeout(this.timer);
    for (const set of this.sets.values()) set.stop();
  }
}
