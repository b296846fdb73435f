import { ALGORITHMS, type IdentityProviderData } from '#contracts/identity-provider.js';
import { judge } from '#revocation/judge.js';
import { scopesOf } from '#revocation/scope.js';
import { checkClaims, checkTimes, type Subject, type TokenProblem } from './domain/check-claims.js';
import { type ParsedToken, parseToken } from './domain/parse-token.js';
import type { RevocationView } from './domain/revocation-view.js';
import { type Algorithm, isSignature } from './keys/jwk.js';
import type { Found, KeySet } from './keys/key-set.js';
import { type Verified, VerifiedCache } from './verified-cache.js';

/** The answer on one token. `unknown` is neither yes nor no: whoever asks must not let anybody in. */
export type Verdict =
  | { kind: 'active'; verified: Verified }
  | { kind: 'refused'; reason: TokenProblem | (string & {}); provider?: IdentityProviderData }
  | { kind: 'unknown'; code: 'view_stale' | 'keys_unavailable' };

export interface VerifierParts {
  view: RevocationView;
  /** Whether the view has caught up since the start, and its newest heartbeat is young enough. */
  isFresh(): boolean;
  providersOf(issuer: string): readonly IdentityProviderData[];
  keysOf(provider: IdentityProviderData): Pick<KeySet, 'find' | 'holds'>;
  cache: VerifiedCache;
  /** Milliseconds since the epoch. */
  now(): number;
}

/**
 * Judges tokens: signature and claims by their provider, then the rule, from memory. The cache skips the checks that cannot
 * change for the same token; the key, the provider, the times and the rule are asked each time.
 */
export class Verifier {
  constructor(private readonly parts: VerifierParts) {}

  async verify(token: string): Promise<Verdict> {
    const { cache, isFresh } = this.parts;
    if (!isFresh()) return { kind: 'unknown', code: 'view_stale' };
    const known = cache.get(token);
    if (known) {
      if (this.stillHolds(known)) return this.judged(known);
      cache.delete(token);
    }
    const verified = await this.check(token);
    if ('kind' in verified) return verified;
    cache.set(token, verified);
    // Fetching keys takes time, in which the view may have grown old.
    return isFresh() ? this.judged(verified) : { kind: 'unknown', code: 'view_stale' };
  }

  /** Times and the rule. */
  private judged(verified: Verified): Verdict {
    const { subject, provider, scopes } = verified;
    const late = checkTimes(subject, provider.clock_tolerance_seconds, this.parts.now());
    if (late) return { kind: 'refused', reason: late, provider };
    const issuedAt = Math.floor(subject.issuedAt) * 1_000;
    const verdict = judge({ kind: 'token', issuedAt, scopes }, this.parts.view.stateOf);
    if (verdict.void) return { kind: 'refused', reason: verdict.reason, provider };
    return { kind: 'active', verified };
  }

  private stillHolds({ provider, key }: Verified): boolean {
    const { providersOf, keysOf } = this.parts;
    return providersOf(provider.issuers[0]!).includes(provider) && keysOf(provider).holds(key);
  }

  private async check(token: string): Promise<Verified | Exclude<Verdict, { kind: 'active' }>> {
    const parsed = parseToken(token);
    if (!parsed) return refused('malformed');
    const { alg } = parsed.header;
    if (!isAlgorithm(alg)) return refused('algorithm_not_allowed');
    const { iss } = parsed.claims;
    if (iss === undefined || iss === null) return refused('claim_missing');
    if (typeof iss !== 'string') return refused('malformed');
    const providers = this.parts.providersOf(iss);
    if (providers.length === 0) return refused('issuer_unknown');
    const allowing = providers.filter(({ algorithms }) => algorithms.includes(alg));
    if (allowing.length === 0) return refused('algorithm_not_allowed', providers[0]);
    return this.checkSignature(parsed, alg, allowing);
  }

  /** Older WorkOS environments share one issuer: whose keys check the signature says which of them it was. */
  private async checkSignature(
    parsed: ParsedToken,
    algorithm: Algorithm,
    providers: readonly IdentityProviderData[],
  ): Promise<Verified | Exclude<Verdict, { kind: 'active' }>> {
    let unavailable = false;
    for (const provider of providers) {
      const found: Found = await this.parts.keysOf(provider).find(parsed.header.kid, algorithm);
      if (found === 'unavailable') unavailable = true;
      if (found === 'unavailable' || found === 'unknown') continue;
      if (!isSignature(algorithm, found.key, parsed.signingInput, parsed.signature)) continue;
      const subject = checkClaims(parsed.claims, provider);
      if (typeof subject === 'string') return refused(subject, provider);
      return { provider, key: found.key, subject, claims: parsed.claims, scopes: scopesOfToken(provider, subject) };
    }
    return unavailable ? { kind: 'unknown', code: 'keys_unavailable' } : refused('signature_invalid', providers[0]);
  }
}

function scopesOfToken(provider: IdentityProviderData, { userId, organizationId, sessionId }: Subject): string[] {
  return scopesOf({ providerId: provider.id, userId, organizationId, sessionId });
}

const isAlgorithm = (alg: string): alg is Algorithm => (ALGORITHMS as readonly string[]).includes(alg);

function refused(reason: TokenProblem, provider?: IdentityProviderData): Extract<Verdict, { kind: 'refused' }> {
  return { kind: 'refused', reason, ...(provider ? { provider } : {}) };
}
