import type { ApiKeyScope } from '#contracts/api-key.js';
import { codeOf } from '#platform/database-errors.js';
import { Problem } from '#platform/problem.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import { type Connection, PUBLICATION_CHANNEL } from '../providers/identity-providers.sql.js';

export interface ApiKeyRow {
  id: string;
  name: string;
  scopes: ApiKeyScope[];
  created_at: Date;
  created_by: string;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

const COLUMNS = 'id, name, scopes, created_at, created_by, last_used_at, revoked_at';

/** Throws 409 `api_key_name_taken`. */
export async function insertApiKey(
  tx: Tx,
  key: { id: string; name: string; scopes: readonly ApiKeyScope[]; sha256: string; createdBy: string },
): Promise<ApiKeyRow> {
  try {
    const [row] = await rowsOf<ApiKeyRow>(
      tx,
      `insert into api_keys (id, name, scopes, sha256, created_by) values ($1, $2, $3, $4, $5) returning ${COLUMNS}`,
      [key.id, key.name, key.scopes, key.sha256, key.createdBy],
    );
    await announce(tx);
    return row!;
  } catch (error) {
    if (codeOf(error) !== '23505') throw error;
    throw new Problem(409, 'api_key_name_taken', 'There is a key of this name: in the audit they would be one.');
  }
}

/** The newest first; revoked ones stay in the list. */
export const readApiKeys = (tx: Tx): Promise<ApiKeyRow[]> =>
  rowsOf(tx, `select ${COLUMNS} from api_keys order by created_at desc, id limit 1000`);

/** A live one; that it was used is kept to the minute. */
export async function useApiKey(tx: Tx, sha256: string): Promise<ApiKeyRow | undefined> {
  const [row] = await rowsOf<ApiKeyRow & { seen: boolean }>(
    tx,
    `select ${COLUMNS}, coalesce(last_used_at > clock_timestamp() - interval '1 minute', false) as seen
     from api_keys where sha256 = $1 and revoked_at is null`,
    [sha256],
  );
  if (row && !row.seen) await tx.query('update api_keys set last_used_at = clock_timestamp() where id = $1', [row.id]);
  return row;
}

/** Answers whether there is, or was, a key of this id; `name` where it was live until now. */
export async function revokeApiKey(tx: Tx, id: string): Promise<{ name: string | undefined } | undefined> {
  const [row] = await rowsOf<{ name: string }>(
    tx,
    `update api_keys set revoked_at = clock_timestamp(), published = false where id = $1 and revoked_at is null
     returning name`,
    [id],
  );
  if (row) {
    await announce(tx);
    return row;
  }
  const known = await rowsOf(tx, 'select 1 from api_keys where id = $1', [id]);
  return known.length > 0 ? { name: undefined } : undefined;
}

const announce = (tx: Tx): Promise<unknown> => tx.query(`select pg_notify('${PUBLICATION_CHANNEL}', '')`);

export interface UnpublishedKey {
  id: string;
  name: string;
  scopes: ApiKeyScope[];
  sha256: string;
  created_at: Date;
  revoked: boolean;
}

export async function readUnpublishedKeys(connection: Connection, limit: number): Promise<UnpublishedKey[]> {
  const { rows } = await connection.query(
    `select id, name, scopes, sha256, created_at, revoked_at is not null as revoked
     from portal.api_keys where not published order by created_at, id limit $1`,
    [limit],
  );
  return rows as UnpublishedKey[];
}

/** Kafka holds them as they were read; one that was revoked meanwhile still waits. */
export async function markKeysPublished(connection: Connection, keys: readonly UnpublishedKey[]): Promise<void> {
  await connection.query(
    `update portal.api_keys k set published = true
     from unnest($1::text[], $2::boolean[]) as n (id, revoked)
     where k.id = n.id and (k.revoked_at is not null) = n.revoked`,
    [keys.map(({ id }) => id), keys.map(({ revoked }) => revoked)],
  );
}

/** All of them are told once more: Kafka may have lost them, or have been made anew. */
export async function publishKeysAgain(connection: Connection): Promise<void> {
  await connection.query('update portal.api_keys set published = false where published');
}

/** Whether somebody can administrate: by a key, or by a role. */
export async function isThereAnAdministrator(tx: Tx): Promise<boolean> {
  const [row] = await rowsOf<{ found: boolean }>(
    tx,
    `select exists (select 1 from api_keys where revoked_at is null and 'administrator' = any(scopes)) as found`,
  );
  return row!.found;
}

export async function insertSetupToken(tx: Tx, sha256: string): Promise<void> {
  await tx.query(`delete from setup_tokens where created_at < clock_timestamp() - interval '1 day'`);
  await tx.query('insert into setup_tokens (sha256) values ($1)', [sha256]);
}

/** Whether it is a setup token that nobody has used; from now on somebody has, and the others are gone. */
export async function useSetupToken(tx: Tx, sha256: string): Promise<boolean> {
  const used = await rowsOf(
    tx,
    `update setup_tokens set used_at = clock_timestamp()
     where sha256 = $1 and used_at is null and created_at > clock_timestamp() - interval '1 day' returning sha256`,
    [sha256],
  );
  if (used.length > 0) await tx.query('delete from setup_tokens where sha256 <> $1', [sha256]);
  return used.length > 0;
}

/** Whether what was opened with it is still good: for an hour. */
export async function isSetupGoingOn(tx: Tx, sha256: string): Promise<boolean> {
  const rows = await rowsOf(
    tx,
    `select 1 from setup_tokens where sha256 = $1 and used_at > clock_timestamp() - interval '1 hour'`,
    [sha256],
  );
  return rows.length > 0;
}
