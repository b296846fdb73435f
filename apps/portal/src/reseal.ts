import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import {
  apiKeyOwner,
  CannotUnseal,
  type EncryptionKeys,
  seal,
  sealingKeyOf,
  unseal,
  webhookSecretOwner,
} from '#providers/sealing.js';
import { endpointTokenOwner, live } from './providers/change-provider.js';
import { PORTAL, recordChange } from './providers/changes.sql.js';
import { lockProvider, type ProviderRow, readProviders, replaceSealed } from './providers/identity-providers.sql.js';

/**
 * Seals with the current key whatever is still sealed with an earlier one, so that the earlier one can be taken out of
 * RESCIND_ENCRYPTION_KEYS. What no key opens stays as it is, and is told.
 */
export async function resealAll(database: Database, keys: EncryptionKeys, logger: Logger): Promise<void> {
  const current = keys[0]!.id;
  const rows = await database.read(readProviders);
  for (const { id } of rows.filter((row) => hasEarlierKey(row, current))) {
    try {
      await database.transaction(async (tx) => {
        const row = await lockProvider(tx, id);
        if (!row || row.deleted_at !== null || !hasEarlierKey(row, current)) return;
        const again = (sealed: string, owner: string): string => seal(unseal(sealed, owner, keys), owner, keys);
        const version = await replaceSealed(tx, id, {
          apiKey: row.api_key && again(row.api_key, apiKeyOwner(id)),
          token: row.webhook && again(row.webhook.token, endpointTokenOwner(id)),
          secrets: new Map(
            live(row.webhook).map((secret) => [secret.id, again(secret.sealed, webhookSecretOwner(id, secret.id))]),
          ),
        });
        const detail = { key: current };
        await recordChange(tx, { actor: PORTAL, action: 'secrets_resealed', providerId: id, version, detail });
        logger.info({ provider_id: id, key_id: current }, 'sealed with the current key');
      });
    } catch (error) {
      if (!(error instanceof CannotUnseal)) throw error;
      logger.error({ err: error, provider_id: id }, 'a secret cannot be opened, and stays under its key');
    }
  }
}

function hasEarlierKey({ api_key, webhook }: ProviderRow, current: string): boolean {
  const sealed = [api_key, webhook?.token ?? null, ...live(webhook).map((secret) => secret.sealed)];
  return sealed.some((text) => text !== null && sealingKeyOf(text) !== current);
}
