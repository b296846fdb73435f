/** An identity provider, as the portal of Rescind has it. */
export interface Provider {
  /** Rescind's id of it: `idp_…`. */
  id: string;
  /** What its tokens say in `iss`, exactly. */
  issuers: readonly string[];
  /** Its keys, for `verify`: https, plain http only on this machine. */
  jwksUri?: string;
  /** Default: `workos`, whose tokens all have a session. */
  kind?: 'workos' | 'oidc';
  /** What `client_id` must be where a token has that claim. */
  clientId?: string;
  /** What a token's `aud` may be, where it has one; default: the client id. */
  audience?: readonly string[];
  /** Whether a token without `aud` is refused. Those of WorkOS often have none. */
  requireAudience?: boolean;
  /** Default: `RS256` alone. */
  algorithms?: readonly string[];
  /** Where a token says whose it is; default `sub`, `org_id`, `sid`. `o.id` is the member of a claim. */
  claims?: { userId?: string; organizationId?: string; sessionId?: string };
  /** Default: 5. */
  clockToleranceSeconds?: number;
  /** Whether tokens of somebody who acts as another (`act`) are good. Default: no. */
  allowImpersonation?: boolean;
  /** Claims that a token must have besides. */
  requiredClaims?: readonly string[];
  /** False: nobody has looked at {@link claims} yet, and no token is accepted. Default: true. */
  claimsConfirmed?: boolean;
}

/** A provider as the stream tells it. Throws where it is not understood: then none of its tokens is accepted. */
export function providerFromJson(wire: Readonly<Record<string, unknown>>): Provider {
  const text = (name: string, value: unknown = wire[name]): string => {
    if (typeof value !== 'string' || value === '') throw notUnderstood(name);
    return value;
  };
  const texts = (name: string): string[] => {
    const value = wire[name];
    if (!Array.isArray(value)) throw notUnderstood(name);
    return value.map((entry) => text(name, entry));
  };
  const flag = (name: string): boolean => {
    const value = wire[name];
    if (typeof value !== 'boolean') throw notUnderstood(name);
    return value;
  };
  const { client_id: clientId, clock_tolerance_seconds: tolerance, claim_mappings: mappings } = wire;
  if (typeof tolerance !== 'number' || !(tolerance >= 0)) throw notUnderstood('clock_tolerance_seconds');
  const names = (typeof mappings === 'object' ? (mappings ?? {}) : {}) as Record<string, unknown>;
  const audience = texts('audience');
  return {
    id: text('id'),
    issuers: texts('issuers'),
    jwksUri: text('jwks_uri'),
    kind: text('kind') === 'workos' ? 'workos' : 'oidc',
    ...(clientId === null ? {} : { clientId: text('client_id') }),
    audience,
    requireAudience: text('audience_policy') === 'required',
    algorithms: texts('algorithms'),
    claims: {
      userId: text('claim_mappings', names['user_id']),
      organizationId: text('claim_mappings', names['organization_id']),
      sessionId: text('claim_mappings', names['session_id']),
    },
    clockToleranceSeconds: tolerance,
    allowImpersonation: flag('allow_impersonation'),
    requiredClaims: texts('required_claims'),
    claimsConfirmed: flag('claim_mappings_confirmed'),
  };
}

const notUnderstood = (name: string): Error => new Error(`a provider is not understood: ${name}`);
