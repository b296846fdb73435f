import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { keySetUrl } from './keys/provider-keys.js';

/** What others are told of a provider, as the event `providers` has it: by what its tokens are checked, and nothing secret. */
export function toldOf(provider: IdentityProviderData): object {
  const { id, kind, issuers, client_id, audience, audience_policy, algorithms } = provider;
  const { claim_mappings, claim_mappings_confirmed = true, required_claims } = provider;
  const { clock_tolerance_seconds, allow_impersonation } = provider;
  return {
    id,
    kind,
    issuers,
    jwks_uri: keySetUrl(provider),
    client_id,
    audience,
    audience_policy,
    algorithms,
    claim_mappings,
    claim_mappings_confirmed,
    required_claims,
    clock_tolerance_seconds,
    allow_impersonation,
  };
}

/** The list of all, made anew only where one of them has changed. */
export class ToldProviders {
  private known: readonly object[] | undefined;

  constructor(private readonly all: () => readonly IdentityProviderData[]) {}

  readonly list = (): readonly object[] => (this.known ??= this.all().map(toldOf));

  changed(): void {
    this.known = undefined;
  }
}
