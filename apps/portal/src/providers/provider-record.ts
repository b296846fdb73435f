import { encodeCloudEvent, identityProviderSource } from '#contracts/cloud-event.js';
import { IDENTITY_PROVIDER_TYPE, type IdentityProviderData } from '#contracts/identity-provider.js';
import { TOPICS } from '#contracts/topics.js';
import type { OutgoingRecord } from '#kafka/record.js';
import type { ProviderRow } from './identity-providers.sql.js';

/** What the services need to know of a provider. Secrets are sealed; those that were retired are gone. */
export function providerData(row: ProviderRow): IdentityProviderData {
  const { jwks_uri_source: _, ...settings } = row.settings;
  return {
    id: row.id,
    ...settings,
    claim_mappings_confirmed: row.claims_confirmed_at !== null,
    api_key: row.api_key,
    webhook: row.webhook && {
      endpoint_token_sha256: row.webhook.token_sha256,
      secrets: row.webhook.secrets
        .filter(({ retired_at }) => retired_at === null)
        .map(({ id, sealed, origin, created_at }) => ({ id, sealed, origin, created_at })),
    },
    version: row.version,
    updated_at: row.updated_at.toISOString(),
  };
}

/** The record on `identity.providers`; without a value where the provider was deleted. */
export function providerRecord(row: ProviderRow): OutgoingRecord & { topic: typeof TOPICS.identityProviders } {
  const { value, headers } = encodeCloudEvent({
    id: `${row.id}/${row.version}`,
    source: identityProviderSource(row.id),
    type: IDENTITY_PROVIDER_TYPE,
    subject: row.id,
    time: row.updated_at.toISOString(),
    providerid: row.id,
    data: providerData(row),
  });
  return {
    topic: TOPICS.identityProviders,
    key: row.id,
    value: row.deleted_at === null ? value : null,
    headers,
  };
}
