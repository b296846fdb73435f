import type { KeyObject } from 'node:crypto';
import type { IdentityProviderData } from '#contracts/identity-provider.js';
import type { Access } from '#revocation/judge.js';
import type { Subject } from '#providers/check-claims.js';
import type { KeySet } from './keys/key-set.js';

/** A token whose signature and claims held. Its times and its scopes are looked at again each time. */
export interface Verified {
  /** The very object that the registry held: another version of the provider is another object. */
  provider: IdentityProviderData;
  /** The key that checked it, and the set that must still hold it. */
  key: KeyObject;
  keys: Pick<KeySet, 'holds'>;
  subject: Subject;
  claims: Readonly<Record<string, unknown>>;
  /** As the rule looks at it. */
  access: Access;
  /** The version of the view in which none of its scopes makes it void. What is decided by the clock is not in it. */
  validIn?: number;
  /** Where the view would have its scopes. */
  places?: readonly number[];
  /** The verdict while nothing is against it: one object, since it is asked for again and again. */
  active?: { kind: 'active'; verified: Verified };
  /** What is answered about it, once it was; see answers.ts. */
  answer?: string;
  introspection?: string;
}

const MAX_CACHED_LENGTH = 4_096;
/** As many characters of base64url as a small integer holds; the very last one has bits that are always zero. */
const TAIL_LENGTH = 5;

interface Entry {
  token: string;
  verified: Verified;
}

/**
 * The tokens used last, in two generations: the older one is dropped whole when the younger one is full. They are found by
 * the end of their signature, since it takes long to hash a whole token; that it is this very token is compared after. Of two
 * with the same end, which among a hundred thousand signatures hardly any have, the one used last is kept.
 */
export class VerifiedCache {
  private young = new Map<number, Entry>();
  private old = new Map<number, Entry>();

  /** @param capacity of both generations together */
  constructor(private readonly capacity: number) {}

  get(token: string): Verified | undefined {
    const tail = tailOf(token);
    const found = this.young.get(tail);
    if (found?.token === token) return found.verified;
    const older = this.old.get(tail);
    if (older?.token !== token) return undefined;
    this.keep(tail, older);
    return older.verified;
  }

  set(token: string, verified: Verified): void {
    if (token.length > MAX_CACHED_LENGTH || this.capacity === 0) return;
    this.keep(tailOf(token), { token, verified });
  }

  delete(token: string): void {
    const tail = tailOf(token);
    this.young.delete(tail);
    this.old.delete(tail);
  }

  private keep(tail: number, entry: Entry): void {
    if (this.young.size >= this.capacity / 2) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(tail, entry);
  }
}

function tailOf(token: string): number {
  let tail = 0;
  const end = token.length - 1;
  // 30 bits: of a character the lower six, in which those of base64url differ but for a few.
  for (let i = end - TAIL_LENGTH; i < end; i++) tail = (tail << 6) | (token.charCodeAt(i) & 0x3f);
  return tail;
}
