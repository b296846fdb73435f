import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { rowsOf } from '#platform/sql.js';
import { CannotUnseal, type EncryptionKeys, seal, sealingKeyOf, unseal } from '#providers/sealing.js';
import { sourceSecretOwner } from './sources/sources.sql.js';
import { streamSecretOwner } from './streams/streams.sql.js';

const SEALED = [
  { table: 'streams', key: 'id', ownerOf: streamSecretOwner },
  { table: 'polled_sources', key: 'source_id', ownerOf: sourceSecretOwner },
  { table: 'source_streams', key: 'source_id', ownerOf: sourceSecretOwner },
] as const;

/**
 * Seals with the current key the secrets of streams and sources that are still sealed with an earlier one, so that the earlier one can be
 * taken out of RESCIND_ENCRYPTION_KEYS. What no key opens stays as it is, and is told. Throws `DatabaseUnavailable`.
 */
export async function resealSecrets(database: Database, keys: EncryptionKeys, logger: Logger): Promise<void> {
  const current = keys[0]!.id;
  await database.transaction(async (tx) => {
    for (const { table, key, ownerOf } of SEALED) {
      const rows = await rowsOf<{ id: string; secret: string }>(
        tx,
        `select ${key} as id, secret from ${table} where secret is not null for update`,
      );
      for (const { id, secret } of rows) {
        if (sealingKeyOf(secret) === current) continue;
        try {
          const again = seal(unseal(secret, ownerOf(id), keys), ownerOf(id), keys);
          await tx.query(`update ${table} set secret = $2 where ${key} = $1`, [id, again]);
        } catch (error) {
          if (!(error instanceof CannotUnseal)) throw error;
          logger.error({ err: error, table, id }, 'a secret cannot be opened, and stays under its key');
        }
      }
    }
  });
}
