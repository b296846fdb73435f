import { rowsOf, type Tx } from '#platform/sql.js';

/** Who changed what of which provider. When, the database says. */
export interface Change {
  /** The name of an API key, or {@link PROVIDERS_FILE}. */
  actor: string;
  action:
    | 'provider_created'
    | 'provider_changed'
    | 'provider_deleted'
    | 'provider_released'
    | 'secrets_resealed'
    | 'webhook_enabled'
    | 'webhook_changed'
    | 'webhook_secret_pasted'
    | 'webhook_secret_retired'
    | 'api_key_created'
    | 'api_key_revoked'
    | 'role_assigned'
    | 'role_withdrawn'
    | 'signing_key_made';
  /** Null: it is about no provider. */
  providerId: string | null;
  /** That it made of the provider. */
  version: number | null;
  /** Names and values of fields; of a secret, its id at most. */
  detail?: Record<string, unknown>;
}

export const PROVIDERS_FILE = 'providers-file';
export const PORTAL = 'portal';

/** Rows are never changed; the database sees to it. */
export async function recordChange(tx: Tx, change: Change): Promise<void> {
  await tx.query('insert into changes (actor, action, provider_id, version, detail) values ($1, $2, $3, $4, $5)', [
    change.actor,
    change.action,
    change.providerId,
    change.version,
    change.detail ? JSON.stringify(change.detail) : null,
  ]);
}

export interface ChangeRow {
  id: string;
  at: Date;
  actor: string;
  action: string;
  provider_id: string | null;
  version: number | null;
  detail: Record<string, unknown> | null;
}

/** Newest first, before an id. */
export function readChanges(
  tx: Tx,
  filter: { providerId: string | undefined },
  page: { before: string | undefined; limit: number },
): Promise<ChangeRow[]> {
  return rowsOf(
    tx,
    `select id, at, actor, action, provider_id, version, detail from changes
     where ($1::bigint is null or id < $1) and ($2::text is null or provider_id = $2)
     order by id desc limit $3`,
    [page.before ?? null, filter.providerId ?? null, page.limit],
  );
}
