import type { IdentityProviderData } from '#contracts/identity-provider.js';

/** What the portal publishes of a provider whose tokens may be judged: WorkOS's ordinary settings but for what is given. */
export function providerRecord(id: string, given: Partial<IdentityProviderData> = {}): IdentityProviderData {
  return {
    id,
    name: id,
    kind: 'workos',
    issuers: [`https://issuer.test/${id}`],
    jwks_uri: null,
    client_id: null,
    audience: [],
    audience_policy: 'bound_by_keys',
    algorithms: ['RS256'],
    claim_mappings: { user_id: 'sub', organization_id: 'org_id', session_id: 'sid' },
    claim_mappings_confirmed: true,
    required_claims: [],
    clock_tolerance_seconds: 0,
    allow_impersonation: false,
    suspension_rule: null,
    mode: 'enforced',
    guard: null,
    api_base_url: null,
    api_key: null,
    webhook: null,
    version: 1,
    updated_at: '2026-01-01T00:00:00.000Z',
    ...given,
  };
}
