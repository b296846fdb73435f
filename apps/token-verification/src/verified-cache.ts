import type { KeyObject } from 'node:crypto';
import type { IdentityProviderData } from '#contracts/identity-provider.js';
import type { Subject } from './domain/check-claims.js';

/** A token whose signature and claims held. Its times and its scopes are looked at again each time. */
export interface Verified {
  /** The very object that the registry held: another version of the provider is another object. */
  provider: IdentityProviderData;
  key: KeyObject;
  subject: Subject;
  claims: Readonly<Record<string, unknown>>;
  scopes: readonly string[];
}

const MAX_CACHED_LENGTH = 4_096;

/** The tokens used last, in two generations: the older one is dropped whole when the younger one is full. */
export class VerifiedCache {
  private young = new Map<string, Verified>();
  private old = new Map<string, Verified>();

  /** @param capacity of both generations together */
  constructor(private readonly capacity: number) {}

  get(token: string): Verified | undefined {
    const found = this.young.get(token);
    if (found) return found;
    const older = this.old.get(token);
    if (older) this.set(token, older);
    return older;
  }

  set(token: string, verified: Verified): void {
    if (token.length > MAX_CACHED_LENGTH || this.capacity === 0) return;
    if (this.young.size >= this.capacity / 2) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(token, verified);
  }

  delete(token: string): void {
    this.young.delete(token);
    this.old.delete(token);
  }
}
