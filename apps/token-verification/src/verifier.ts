import type { KeyObject } from 'node:crypto';
import { ALGORITHMS, type IdentityProviderData } from '#contracts/identity-provider.js';
import { judge } from '#revocation/judge.js';
import { checkClaims, checkTimes, type TokenProblem } from '#providers/check-claims.js';
import { type ParsedToken, parseToken } from '#providers/parse-token.js';
import type { TokenCache } from '#providers/token-cache.js';
import type { RevocationView } from './domain/revocation-view.js';
import { type Algorithm, isSignature } from './keys/jwk.js';
import type { Found, KeySet } from './keys/key-set.js';
import { scopesOfToken, type Verified } from './verified.js';

/** The answer on one token. `unknown` is neither yes nor no: whoever asks must not let anybody in. */
export type Verdict =
  | { kind: 'active'; verified: Verified }
  | { kind: 'refused'; reason: TokenProblem | (string & {}); provider?: IdentityProviderData; verified?: Verified }
  | { kind: 'unknown'; code: 'view_stale' | 'keys_unavailable' };

export interface VerifierParts {
  view: RevocationView;
  /** Whether the view has caught up since the start, and its newest heartbeat is young enough. */
  isFresh(now: number): boolean;
  providersOf(issuer: string): readonly IdentityProviderData[];
  /** Whether it is still among the providers, in this very version. */
  isCurrent(provider: IdentityProviderData): boolean;
  keysOf(provider: IdentityProviderData): Pick<KeySet, 'find' | 'peek' | 'holds'>;
  cache: TokenCache<Verified>;
  /** Milliseconds since the epoch. */
  now(): number;
}

type Checked = Verified | Exclude<Verdict, { kind: 'active' }>;

/**
 * Judges tokens: signature and claims by their provider, then the rule, from memory. The cache skips the checks that cannot
 * change for the same token; the key, the provider and the times are asked each time, and the rule whenever anything in the
 * view has changed since it was asked last.
 */
export class Verifier {
  constructor(private readonly parts: VerifierParts) {}

  /** At once, unless keys have to be fetched first. */
  verify(token: string): Verdict | Promise<Verdict> {
    const { cache } = this.parts;
    const now = this.parts.now();
    if (!this.parts.isFresh(now)) return STALE;
    const known = cache.get(token);
    if (known !== undefined) {
      if (this.stillHolds(known, now)) return this.judged(known, now);
      cache.delete(token);
    }
    const checked = this.check(token);
    return checked instanceof Promise ? this.concludedLater(token, checked) : this.concluded(token, checked, now);
  }

  /** Fetching keys takes time, in which the view may have grown old. */
  private async concludedLater(token: string, checking: Promise<Checked>): Promise<Verdict> {
    const checked = await checking;
    const now = this.parts.now();
    return this.parts.isFresh(now) ? this.concluded(token, checked, now) : STALE;
  }

  private concluded(token: string, checked: Checked, now: number): Verdict {
    if ('kind' in checked) return checked;
    this.parts.cache.set(token, checked);
    return this.judged(checked, now);
  }

  /** Times and the rule. */
  private judged(verified: Verified, now: number): Verdict {
    const { subject, provider } = verified;
    const late = checkTimes(subject, provider.clock_tolerance_seconds, now);
    if (late !== undefined) return { kind: 'refused', reason: late, provider };
    const { view } = this.parts;
    if (verified.validIn !== view.version) {
      // The scopes that most tokens have are not in the view at all, and need not be compared with it.
      if (!view.knowsNothingOf(verified.places)) {
        const issuedAt = Math.floor(subject.issuedAt) * 1_000;
        const verdict = judge({ kind: 'token', issuedAt, scopes: scopesOfToken(verified) }, view.stateOf);
        if (verdict.void) return { kind: 'refused', reason: verdict.reason, provider, verified };
      }
      verified.validIn = view.version;
    }
    return (verified.active ??= { kind: 'active', verified });
  }

  private stillHolds({ provider, key, keys }: Verified, now: number): boolean {
    return this.parts.isCurrent(provider) && keys.holds(key, now);
  }

  private check(token: string): Checked | Promise<Checked> {
    const parsed = parseToken(token);
    if (!parsed) return refused('malformed');
    const { alg } = parsed.header;
    if (!isAlgorithm(alg)) return refused('algorithm_not_allowed');
    const { iss } = parsed.claims;
    if (iss === undefined || iss === null) return refused('claim_missing');
    if (typeof iss !== 'string') return refused('malformed');
    const providers = this.parts.providersOf(iss);
    if (providers.length === 0) return refused('issuer_unknown');
    const allowing = allowingOf(providers, alg);
    if (allowing.length === 0) return refused('algorithm_not_allowed', providers[0]);
    return this.checkWithKnownKeys(parsed, alg, allowing) ?? this.checkWithFetchedKeys(parsed, alg, allowing);
  }

  /** Undefined where the keys that there are do not settle it. */
  private checkWithKnownKeys(
    parsed: ParsedToken,
    algorithm: Algorithm,
    providers: readonly IdentityProviderData[],
  ): Checked | undefined {
    for (const provider of providers) {
      const keys = this.parts.keysOf(provider);
      const found = keys.peek(parsed.header.kid, algorithm);
      if (!found) return undefined;
      if (isSignature(algorithm, found.key, parsed.signingInput, parsed.signature)) {
        return this.checkedClaims(parsed, provider, keys, found.key);
      }
    }
    return refused('signature_invalid', providers[0]);
  }

  /** Older WorkOS environments share one issuer: whose keys check the signature says which of them it was. */
  private async checkWithFetchedKeys(
    parsed: ParsedToken,
    algorithm: Algorithm,
    providers: readonly IdentityProviderData[],
  ): Promise<Checked> {
    let unavailable = false;
    for (const provider of providers) {
      const keys = this.parts.keysOf(provider);
      const found: Found = await keys.find(parsed.header.kid, algorithm);
      if (found === 'unavailable') unavailable = true;
      if (found === 'unavailable' || found === 'unknown') continue;
      if (!isSignature(algorithm, found.key, parsed.signingInput, parsed.signature)) continue;
      return this.checkedClaims(parsed, provider, keys, found.key);
    }
    return unavailable ? { kind: 'unknown', code: 'keys_unavailable' } : refused('signature_invalid', providers[0]);
  }

  private checkedClaims(
    { claims }: ParsedToken,
    provider: IdentityProviderData,
    keys: Pick<KeySet, 'holds'>,
    key: KeyObject,
  ): Checked {
    const subject = checkClaims(claims, provider);
    if (typeof subject === 'string') return refused(subject, provider);
    const places = this.parts.view.placesOf(provider.id, subject);
    return {
      ...{ provider, key, keys, subject, claims, places },
      // Room for what is found out later: an object that grows is moved.
      validIn: undefined,
      active: undefined,
      answer: undefined,
      introspection: undefined,
    };
  }
}

const STALE: Verdict = { kind: 'unknown', code: 'view_stale' };

/** Mostly the one that there is. */
function allowingOf(providers: readonly IdentityProviderData[], algorithm: Algorithm): readonly IdentityProviderData[] {
  if (providers.length === 1 && providers[0]!.algorithms.includes(algorithm)) return providers;
  return providers.filter(({ algorithms }) => algorithms.includes(algorithm));
}

const isAlgorithm = (alg: string): alg is Algorithm => (ALGORITHMS as readonly string[]).includes(alg);

function refused(reason: TokenProblem, provider?: IdentityProviderData): Extract<Verdict, { kind: 'refused' }> {
  return { kind: 'refused', reason, ...(provider ? { provider } : {}) };
}
