import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { isStorableId } from '#contracts/storable.js';
import { claimAt } from './claim-at.js';

/** Why a token is not accepted, before the rule is asked. Stable codes. */
export type TokenProblem =
  | 'malformed'
  | 'signature_invalid'
  | 'algorithm_not_allowed'
  | 'issuer_unknown'
  | 'audience_mismatch'
  | 'expired'
  | 'not_yet_valid'
  | 'claim_missing'
  /** Beyond the contract's list: somebody acts as another person, and the provider does not allow it (RFC 8693, 4.1). */
  | 'claim_not_allowed'
  /** Beyond the contract's list: nobody has confirmed yet which claims say who it is. */
  | 'claim_mapping_unconfirmed';

/** Whose token it is, in our words; times in seconds. */
export interface Subject {
  userId: string;
  organizationId: string | undefined;
  sessionId: string | undefined;
  issuedAt: number;
  expiresAt: number;
  notBefore: number | undefined;
}

type Claims = Readonly<Record<string, unknown>>;
/** What the claims of its tokens are held against. */
export type ClaimRules = Pick<
  IdentityProviderData,
  | 'kind'
  | 'claim_mappings'
  | 'claim_mappings_confirmed'
  | 'required_claims'
  | 'client_id'
  | 'audience'
  | 'audience_policy'
  | 'allow_impersonation'
>;

/**
 * Whether the claims of a genuine token fit its provider (RFC 7519, section 4.1; RFC 8725, sections 3.8 and 3.9). Says
 * nothing of the time: {@link checkTimes} does, again at each use.
 */
export function checkClaims(claims: Claims, provider: ClaimRules): Subject | TokenProblem {
  if (provider.claim_mappings_confirmed === false) return 'claim_mapping_unconfirmed';
  const { claim_mappings: names, required_claims } = provider;
  const { exp, iat, nbf } = claims;
  const userId = claimAt(claims, names.user_id);
  const organizationId = claimAt(claims, names.organization_id) ?? undefined;
  const sessionId = claimAt(claims, names.session_id) ?? undefined;
  if (isNone(exp) || isNone(iat) || isNone(userId)) return 'claim_missing';
  if (sessionId === undefined && provider.kind === 'workos') return 'claim_missing';
  for (const name of required_claims) if (isNone(claimAt(claims, name))) return 'claim_missing';

  if (!isNumericDate(exp) || !isNumericDate(iat) || (nbf !== undefined && !isNumericDate(nbf))) return 'malformed';
  if (!isStorableId(userId) || !isIdOrNone(organizationId) || !isIdOrNone(sessionId)) return 'malformed';

  const audience = checkAudience(claims, provider);
  if (audience) return audience;
  if (claims['act'] !== undefined && !provider.allow_impersonation) return 'claim_not_allowed';

  return {
    userId,
    organizationId,
    sessionId,
    issuedAt: iat,
    expiresAt: exp,
    notBefore: nbf,
  };
}

/** Whether the token may be used at `now` (ms): `exp`, `nbf`, and an `iat` that has come. */
export function checkTimes(subject: Subject, toleranceSeconds: number, now: number): TokenProblem | undefined {
  const seconds = now / 1000;
  if (seconds >= subject.expiresAt + toleranceSeconds) return 'expired';
  const notBefore = Math.max(subject.notBefore ?? -Infinity, subject.issuedAt);
  return seconds < notBefore - toleranceSeconds ? 'not_yet_valid' : undefined;
}

/**
 * `aud` (RFC 7519, section 4.1.3) as the provider's policy says, and `client_id` wherever it is there. Real WorkOS tokens
 * often have neither: then the key set, which belongs to one client, binds them.
 */
function checkAudience(claims: Claims, provider: ClaimRules): TokenProblem | undefined {
  const { aud, client_id: clientId } = claims;
  if (clientId !== undefined && typeof clientId !== 'string') return 'malformed';
  if (clientId !== undefined && provider.client_id !== null && clientId !== provider.client_id)
    return 'audience_mismatch';

  if (aud === undefined) return provider.audience_policy === 'required' ? 'audience_mismatch' : undefined;
  const given = Array.isArray(aud) ? (aud as unknown[]) : [aud];
  if (given.length === 0 || !given.every((entry) => typeof entry === 'string')) return 'malformed';
  const accepted =
    provider.audience.length > 0 ? provider.audience : provider.client_id === null ? [] : [provider.client_id];
  return given.some((entry) => accepted.includes(entry as string)) ? undefined : 'audience_mismatch';
}

const isNone = (value: unknown): boolean => value === undefined || value === null;

/** Seconds since the epoch (RFC 7519, section 2), such that its milliseconds are still exact. */
const isNumericDate = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= 8.64e12;

export const isIdOrNone = (value: unknown): value is string | undefined => value === undefined || isStorableId(value);
