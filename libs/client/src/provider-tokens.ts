import { compactVerify, createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { ALGORITHMS } from '#contracts/algorithms.js';
import { isStorableId } from '#contracts/storable.js';
import { checkClaims, type ClaimRules, isIdOrNone, type Subject } from '#providers/check-claims.js';
import { claimAt } from '#providers/claim-at.js';
import { type ParsedToken, parseToken } from '#providers/parse-token.js';
import type { Provider } from './provider.js';
import type { Claims } from './verdict.js';

export interface CheckedToken {
  provider: ProviderTokens;
  subject: Subject;
  claims: Claims;
}

export type CheckOutcome =
  CheckedToken | { kind: 'refused'; reason: string } | { kind: 'unknown'; code: 'keys_unavailable' };

/** One provider, and how its tokens are checked: the signature by jose, the claims by what token-verification checks with. */
export class ProviderTokens {
  readonly id: string;
  readonly issuers: readonly string[];
  readonly toleranceSeconds: number;
  private readonly algorithms: string[];
  private readonly rules: ClaimRules;
  private readonly keys: JWTVerifyGetKey | undefined;

  /** @param problem hears why a signature could not be checked */
  constructor(
    private readonly provider: Provider,
    private readonly problem: (error: Error) => void,
  ) {
    const { claims = {}, clientId = null } = provider;
    this.id = provider.id;
    this.issuers = provider.issuers;
    this.toleranceSeconds = provider.clockToleranceSeconds ?? 5;
    this.algorithms = [...(provider.algorithms ?? ['RS256'])];
    if (!this.algorithms.every(isKnown)) {
      throw new TypeError(`${provider.id}: algorithms are those with a public key: ${ALGORITHMS.join(', ')}`);
    }
    this.rules = {
      kind: provider.kind ?? 'workos',
      claim_mappings: {
        user_id: claims.userId ?? 'sub',
        organization_id: claims.organizationId ?? 'org_id',
        session_id: claims.sessionId ?? 'sid',
      },
      claim_mappings_confirmed: provider.claimsConfirmed ?? true,
      required_claims: [...(provider.requiredClaims ?? [])],
      client_id: clientId,
      audience: [...(provider.audience ?? [])],
      audience_policy: provider.requireAudience ? 'required' : 'bound_by_keys',
      allow_impersonation: provider.allowImpersonation ?? false,
    };
    this.keys = provider.jwksUri === undefined ? undefined : remoteKeys(provider.jwksUri);
  }

  /** Whether it checks as this provider is to be checked; then its keys need not be fetched again. */
  isOf(provider: Provider): boolean {
    return JSON.stringify(provider) === JSON.stringify(this.provider);
  }

  /** Whose access a token's claims are, and since when; a code where they do not say. */
  accessOf(
    claims: Claims,
  ): Pick<Subject, 'userId' | 'organizationId' | 'sessionId' | 'issuedAt'> | 'claim_missing' | 'malformed' {
    const { iat } = claims;
    const names = this.rules.claim_mappings;
    const userId = claimAt(claims, names.user_id) ?? undefined;
    const organizationId = claimAt(claims, names.organization_id) ?? undefined;
    const sessionId = claimAt(claims, names.session_id) ?? undefined;
    if (userId === undefined || iat === undefined || iat === null) return 'claim_missing';
    if (typeof iat !== 'number' || !Number.isFinite(iat)) return 'malformed';
    if (!isStorableId(userId) || !isIdOrNone(organizationId) || !isIdOrNone(sessionId)) return 'malformed';
    return { userId, organizationId, sessionId, issuedAt: iat };
  }

  allows(algorithm: string): boolean {
    return this.algorithms.includes(algorithm);
  }

  /** Signature and claims; not the times, which pass. */
  async check(token: string, { claims }: ParsedToken): Promise<CheckOutcome> {
    if (!this.keys) throw new TypeError(`${this.id} was given no jwksUri, which verify needs`);
    try {
      await compactVerify(token, this.keys, { algorithms: this.algorithms });
    } catch (error) {
      const reason = reasonOf(error);
      if (reason !== undefined) return refused(reason);
      this.problem(error as Error);
      return { kind: 'unknown', code: 'keys_unavailable' };
    }
    const subject = checkClaims(claims, this.rules);
    return typeof subject === 'string' ? refused(subject) : { provider: this, subject, claims };
  }
}

/** Those whose tokens are judged. */
export class ProvidersByIssuer {
  private readonly byIssuer = new Map<string, ProviderTokens[]>();
  private readonly all: ReadonlySet<ProviderTokens>;

  constructor(providers: readonly ProviderTokens[]) {
    this.all = new Set(providers);
    for (const provider of providers) {
      for (const issuer of provider.issuers) this.byIssuer.set(issuer, [...this.of(issuer), provider]);
    }
  }

  of(issuer: unknown): readonly ProviderTokens[] {
    return this.byIssuer.get(issuer as string) ?? [];
  }

  /** Whether it is one of them, in this very version. */
  has(provider: ProviderTokens): boolean {
    return this.all.has(provider);
  }

  /** What they are now; of those that stay as they were the keys are kept. One that cannot be used is said and left out. */
  changedTo(providers: readonly Provider[], problem: (error: Error) => void): ProvidersByIssuer {
    const known = [...this.all];
    const next = providers.flatMap((provider) => {
      try {
        return known.find((one) => one.isOf(provider)) ?? new ProviderTokens(provider, problem);
      } catch (error) {
        problem(error as Error);
        return [];
      }
    });
    return new ProvidersByIssuer(next);
  }
}

/** Checks a token by whichever of the providers it is: older WorkOS environments share one issuer. */
export async function checkToken(token: string, known: ProvidersByIssuer): Promise<CheckOutcome> {
  const parsed = parseToken(token);
  if (!parsed) return refused('malformed');
  const { alg } = parsed.header;
  if (!isKnown(alg)) return refused('algorithm_not_allowed');
  const { iss } = parsed.claims;
  if (typeof iss !== 'string') return refused(iss === undefined || iss === null ? 'claim_missing' : 'malformed');
  const providers = known.of(iss);
  if (providers.length === 0) return refused('issuer_unknown');
  let outcome = refused('algorithm_not_allowed');
  for (const provider of providers.filter((one) => one.allows(alg))) {
    const next = await provider.check(token, parsed);
    if ('provider' in next) return next;
    // One whose keys could not be had may be the one: then it is not known.
    if (!('kind' in outcome && outcome.kind === 'unknown')) outcome = next;
  }
  return outcome;
}

const isKnown = (algorithm: string): boolean => (ALGORITHMS as readonly string[]).includes(algorithm);

const refused = (reason: string): CheckOutcome => ({ kind: 'refused', reason });

function remoteKeys(uri: string): JWTVerifyGetKey {
  const url = new URL(uri);
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal)) {
    throw new TypeError('jwksUri must be https; plain http only on this machine');
  }
  return createRemoteJWKSet(url) as JWTVerifyGetKey;
}

/** What a token is refused for; undefined where it could not be checked. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature_invalid';
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return 'signature_invalid';
  }
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported)
    return 'algorithm_not_allowed';
  return error instanceof errors.JWSInvalid ? 'malformed' : undefined;
}
