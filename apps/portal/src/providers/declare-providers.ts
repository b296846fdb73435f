import { isDeepStrictEqual } from 'node:util';
import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { type Author, changeProvider, createProvider, declareWebhook, lockExisting } from './change-provider.js';
import { PROVIDERS_FILE, recordChange } from './changes.sql.js';
import { lockProvider, readProvider, readProviders, release, releaseEndpoint } from './identity-providers.sql.js';
import { type AskForKeySet, findKeySet } from './key-sets.js';
import { changed, complete, type KeySet } from './provider-settings.js';
import type { DeclaredProvider } from './providers-file.js';

export interface DeclarationParts {
  database: Database;
  ask: AskForKeySet;
  keys: Author['keys'];
  logger: Logger;
}

/**
 * Makes the declared providers what the file says, each in a transaction of its own; where nothing is different, nothing
 * happens. A provider that the file no longer has is not deleted, since an empty file must not shut everybody out: it
 * becomes an ordinary one, which can be deleted by hand. Several replicas may do so at once.
 */
export async function declareProviders(declared: readonly DeclaredProvider[], parts: DeclarationParts): Promise<void> {
  for (const provider of declared) await declare(provider, parts);
  const ids = new Set(declared.map(({ id }) => id));
  const released = (await parts.database.read(readProviders)).filter((row) => row.declared && !ids.has(row.id));
  for (const { id } of released) {
    await parts.database.transaction(async (tx) => {
      const row = await lockProvider(tx, id);
      if (!row?.declared) return;
      await release(tx, id);
      const change = {
        actor: PROVIDERS_FILE,
        action: 'provider_released',
        providerId: id,
        version: row.version,
      } as const;
      await recordChange(tx, change);
    });
    parts.logger.warn(
      { provider_id: id },
      'no longer in the providers file; it stays, and can be changed in the portal',
    );
  }
}

async function declare({ id, given, apiKey, webhook }: DeclaredProvider, parts: DeclarationParts): Promise<void> {
  const { database, keys } = parts;
  const author: Author = { actor: PROVIDERS_FILE, keys };
  const keySet = await keySetOf(id, given, parts);
  await database.transaction(async (tx) => {
    const wanted = { id, settings: complete(given, keySet), apiKey, claimsConfirmed: true, declared: true };
    // Whoever keeps the group claim in a file has confirmed it there, also when it changes.
    if (!(await createProvider(tx, wanted, author)))
      await changeProvider(tx, await lockExisting(tx, id), wanted, author);
    const row = await lockExisting(tx, id);
    if (webhook) await declareWebhook(tx, row, webhook, author);
    else if (row.webhook?.declared) await releaseEndpoint(tx, id);
  });
}

/** Nobody is asked again while what the answer depends on is the same: a restart must not need the issuer. */
async function keySetOf(
  id: string,
  given: DeclaredProvider['given'],
  { database, ask }: DeclarationParts,
): Promise<KeySet> {
  const row = await database.read((tx) => readProvider(tx, id));
  if (row && row.settings.jwks_uri_source !== 'well_known') {
    const before = changed(row.settings, {});
    const completed = complete(given, row.settings);
    const same = (['kind', 'issuers', 'client_id', 'api_base_url'] as const).every((field) =>
      isDeepStrictEqual(before[field] ?? null, completed[field] ?? null),
    );
    if (same && (given.jwks_uri ?? null) === (before.jwks_uri ?? null)) {
      return { jwks_uri: row.settings.jwks_uri, jwks_uri_source: row.settings.jwks_uri_source };
    }
  }
  return findKeySet(given, ask);
}
