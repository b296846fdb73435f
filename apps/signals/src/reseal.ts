import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { rowsOf } from '#platform/sql.js';
import { CannotUnseal, type EncryptionKeys, seal, sealingKeyOf, unseal } from '#providers/sealing.js';
import { streamSecretOwner } from './streams.sql.js';

/**
 * Seals with the current key the secrets of streams that are still sealed with an earlier one, so that the earlier one can be taken out of
 * RESCIND_ENCRYPTION_KEYS. What no key opens stays as it is, and is told. Throws `DatabaseUnavailable`.
 */
export async function resealStreams(database: Database, keys: EncryptionKeys, logger: Logger): Promise<void> {
  const current = keys[0]!.id;
  await database.transaction(async (tx) => {
    const rows = await rowsOf<{ id: string; secret: string }>(
      tx,
      'select id, secret from streams where secret is not null for update',
    );
    for (const { id, secret } of rows) {
      if (sealingKeyOf(secret) === current) continue;
      try {
        const again = seal(unseal(secret, streamSecretOwner(id), keys), streamSecretOwner(id), keys);
        await tx.query('update streams set secret = $2 where id = $1', [id, again]);
      } catch (error) {
        if (!(error instanceof CannotUnseal)) throw error;
        logger.error({ err: error, stream_id: id }, 'a secret cannot be opened, and stays under its key');
      }
    }
  });
}
