import { z } from 'zod';
import type { ProviderRow } from './identity-providers.sql.js';
import { providerSettings, type ProviderSettings } from './provider-settings.js';

const warning = z.object({ code: z.string(), message: z.string() });

/** A provider as the API shows it. What is secret stands here only as "there is one". */
export const providerView = z.object({
  id: z.string(),
  ...providerSettings.shape,
  api_key_set: z.boolean(),
  webhook_enabled: z.boolean(),
  /** In the providers file, and to be changed there. */
  declared: z.boolean(),
  /** Before, no token is accepted; from then on a mapping changes only with `confirm_remap`. */
  claim_mappings_confirmed_at: z.string().nullable(),
  version: z.int(),
  /** Whether Kafka has this version; the services follow within moments. */
  published: z.boolean(),
  /** When somebody last signed in with AuthKit, to the minute. */
  last_sign_in_at: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  warnings: z.array(warning),
});
export type ProviderView = z.output<typeof providerView>;

/** @param others the other providers, some of which may not go together with this one */
export function viewOf(row: ProviderRow, others: readonly ProviderRow[]): ProviderView {
  return {
    id: row.id,
    ...row.settings,
    api_key_set: row.api_key !== null,
    webhook_enabled: row.webhook !== null,
    declared: row.declared,
    claim_mappings_confirmed_at: row.claims_confirmed_at?.toISOString() ?? null,
    version: row.version,
    published: row.published_version === row.version,
    last_sign_in_at: row.last_sign_in_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    warnings: [...unconfirmed(row), ...warningsOf(row.settings), ...sharedIssuers(row, others)],
  };
}

function unconfirmed(row: ProviderRow): z.output<typeof warning>[] {
  if (row.claims_confirmed_at !== null) return [];
  const { user_id, organization_id, session_id } = row.settings.claim_mappings;
  return [
    {
      code: 'claim_mappings_unconfirmed',
      message:
        `No token of this provider is accepted yet. Look at its claim mappings (user ${user_id}, organization ` +
        `${organization_id}, session ${session_id}) and send confirm_claim_mappings: true.`,
    },
  ];
}

function warningsOf(settings: ProviderSettings): z.output<typeof warning>[] {
  if (settings.kind !== 'oidc' || settings.audience_policy === 'required') return [];
  return [
    {
      code: 'audience_not_required',
      message:
        'The keys of this issuer may sign tokens for other clients too; without a required audience those are accepted as well.',
    },
  ];
}

/** Two providers of one issuer are told apart by their keys alone. */
function sharedIssuers(row: ProviderRow, others: readonly ProviderRow[]): z.output<typeof warning>[] {
  const { issuers, jwks_uri } = row.settings;
  return others
    .filter(({ id, settings }) => id !== row.id && settings.issuers.some((issuer) => issuers.includes(issuer)))
    .map(({ id, settings }) =>
      settings.jwks_uri === jwks_uri
        ? {
            code: 'issuer_and_keys_shared',
            message: `${id} has the same issuer and the same keys: a token could belong to either. Keep one of them.`,
          }
        : {
            code: 'issuer_shared',
            message: `${id} has the same issuer; as their keys differ, each token still belongs to one of them.`,
          },
    );
}
