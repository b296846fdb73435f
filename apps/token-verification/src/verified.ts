import type { KeyObject } from 'node:crypto';
import type { IdentityProviderData } from '#contracts/identity-provider.js';
import type { Subject } from '#providers/check-claims.js';
import { type ScopeKey, scopesOf } from '#revocation/scope.js';
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
  /** The version of the view in which none of its scopes makes it void. What is decided by the clock is not in it. */
  validIn: number | undefined;
  /** Where the view would have its scopes. */
  places: readonly number[];
  /** The verdict while nothing is against it: one object, since it is asked for again and again. */
  active: { kind: 'active'; verified: Verified } | undefined;
  /** What is answered about it, once it was; see answers.ts. */
  answer: string | undefined;
  introspection: string | undefined;
}

/** What its access belongs to, widest first. */
export const scopesOfToken = ({ provider, subject }: Verified): ScopeKey[] =>
  scopesOf({ providerId: provider.id, ...subject });
