import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { apiKeyOwner, type EncryptionKeys, unseal } from '#providers/sealing.js';
import { WorkOSApi } from '#workos/api-client.js';

/** WorkOS's API for one provider; throws a sentence for a person where we have no way to use its key. */
export function workosApiOf(provider: IdentityProviderData, keys: EncryptionKeys | undefined): WorkOSApi {
  if (provider.api_key === null) throw new Error('the provider has no API key');
  if (!keys) throw new Error('RESCIND_ENCRYPTION_KEYS is not set, so the API key cannot be read');
  return new WorkOSApi({
    apiKey: unseal(provider.api_key, apiKeyOwner(provider.id), keys),
    ...(provider.api_base_url === null ? {} : { baseUrl: provider.api_base_url }),
  });
}
