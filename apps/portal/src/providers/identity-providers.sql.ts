import { rowsOf, type Tx } from '#platform/sql.js';
import type { ProviderSettings } from './provider-settings.js';

/** The channel that tells the publication of a new version. */
export const PUBLICATION_CHANNEL = 'rescind_identity_providers';

export interface ProviderRow {
  id: string;
  settings: ProviderSettings;
  /** Sealed. */
  api_key: string | null;
  declared: boolean;
  claims_confirmed_at: Date | null;
  version: number;
  published_version: number;
  created_at: Date;
  updated_at: Date;
  last_sign_in_at: Date | null;
  deleted_at: Date | null;
  webhook: WebhookRow | null;
}

export interface WebhookRow {
  /** Sealed. */
  token: string;
  token_sha256: string;
  declared: boolean;
  created_at: string;
  secrets: SecretRow[];
}

export interface SecretRow {
  id: string;
  sealed: string;
  origin: 'generated' | 'pasted';
  created_at: string;
  retired_at: string | null;
}

/** A provider with its endpoint and secrets, of one moment. Times within the JSON are UTC with milliseconds. */
const SELECT = `
  select p.id, p.settings, p.api_key, p.declared, p.claims_confirmed_at, p.version, p.published_version,
    p.created_at, p.updated_at, p.deleted_at, p.last_sign_in_at,
    (select json_build_object(
       'token', e.token, 'token_sha256', e.token_sha256, 'declared', e.declared, 'created_at', ${utc('e.created_at')},
       'secrets', coalesce((
         select json_agg(json_build_object(
           'id', s.id, 'sealed', s.sealed, 'origin', s.origin, 'created_at', ${utc('s.created_at')},
           'retired_at', ${utc('s.retired_at')})
           order by s.created_at, s.id)
         from portal.webhook_secrets s where s.provider_id = e.provider_id), '[]'))
     from portal.webhook_endpoints e where e.provider_id = p.id) as webhook
  from portal.identity_providers p`;

function utc(column: string): string {
  return `to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** Somebody has signed in with it. To the minute, so that a row is seldom written for it. */
export async function markSignIn(tx: Tx, id: string): Promise<void> {
  await tx.query(
    `update identity_providers set last_sign_in_at = clock_timestamp()
     where id = $1 and (last_sign_in_at is null or last_sign_in_at < clock_timestamp() - interval '1 minute')`,
    [id],
  );
}

/** Ids come in paths, which can hold what Postgres cannot. */
const isNobodys = (id: string): boolean => id.includes('\0');

export const readProviders = (tx: Tx): Promise<ProviderRow[]> =>
  rowsOf(tx, `${SELECT} where p.deleted_at is null order by p.created_at, p.id`);

export async function readProvider(tx: Tx, id: string): Promise<ProviderRow | undefined> {
  if (isNobodys(id)) return undefined;
  const [row] = await rowsOf<ProviderRow>(tx, `${SELECT} where p.id = $1 and p.deleted_at is null`, [id]);
  return row;
}

/** Keeps everybody else from changing it until this ends; also one that was deleted. */
export async function lockProvider(tx: Tx, id: string): Promise<ProviderRow | undefined> {
  if (isNobodys(id)) return undefined;
  await tx.query('select 1 from identity_providers where id = $1 for update', [id]);
  const [row] = await rowsOf<ProviderRow>(tx, `${SELECT} where p.id = $1`, [id]);
  return row;
}

export interface ProviderValues {
  id: string;
  settings: ProviderSettings;
  apiKey: string | null;
  declared: boolean;
  claimsConfirmed: boolean;
}

/** Version 1, or the next one of an id that there was before. Answers undefined where the id is taken. */
export async function insertProvider(tx: Tx, values: ProviderValues): Promise<number | undefined> {
  const [row] = await rowsOf<{ version: number }>(
    tx,
    `insert into identity_providers as p (id, name, kind, settings, api_key, declared, claims_confirmed_at, version)
     values ($1, $2, $3, $4, $5, $6, case when $7::boolean then clock_timestamp() end, 1)
     on conflict (id) do update set
       name = excluded.name, kind = excluded.kind, settings = excluded.settings, api_key = excluded.api_key,
       declared = excluded.declared, claims_confirmed_at = excluded.claims_confirmed_at, version = p.version + 1,
       created_at = clock_timestamp(), updated_at = clock_timestamp(), deleted_at = null
     where p.deleted_at is not null
     returning version`,
    parametersOf(values),
  );
  if (row) await announce(tx);
  return row?.version;
}

/** Answers the new version, which is to be published once this commits. */
export async function updateProvider(tx: Tx, values: ProviderValues): Promise<number> {
  const [row] = await rowsOf<{ version: number }>(
    tx,
    `update identity_providers set name = $2, kind = $3, settings = $4, api_key = $5, declared = $6,
       claims_confirmed_at = case when $7::boolean then coalesce(claims_confirmed_at, clock_timestamp()) end,
       version = version + 1, updated_at = clock_timestamp()
     where id = $1 returning version`,
    parametersOf(values),
  );
  await announce(tx);
  return row!.version;
}

const parametersOf = ({ id, settings, apiKey, declared, claimsConfirmed }: ProviderValues): unknown[] => [
  id,
  settings.name,
  settings.kind,
  JSON.stringify(settings),
  apiKey,
  declared,
  claimsConfirmed,
];

/** A new version of a provider, of which something else than its own row changed. */
export async function touchProvider(tx: Tx, id: string): Promise<number> {
  const [row] = await rowsOf<{ version: number }>(
    tx,
    'update identity_providers set version = version + 1, updated_at = clock_timestamp() where id = $1 returning version',
    [id],
  );
  await announce(tx);
  return row!.version;
}

/** Its secrets go at once; the row stays as the newest version, which is none. */
export async function markDeleted(tx: Tx, id: string): Promise<number> {
  await tx.query('delete from webhook_endpoints where provider_id = $1', [id]);
  const [row] = await rowsOf<{ version: number }>(
    tx,
    `update identity_providers
     set deleted_at = clock_timestamp(), updated_at = clock_timestamp(), api_key = null, declared = false, version = version + 1
     where id = $1 returning version`,
    [id],
  );
  await announce(tx);
  return row!.version;
}

/** It is no longer in the providers file; nothing changes for the services. */
export async function release(tx: Tx, id: string): Promise<void> {
  await tx.query('update identity_providers set declared = false where id = $1', [id]);
  await releaseEndpoint(tx, id);
}

export async function releaseEndpoint(tx: Tx, providerId: string): Promise<void> {
  await tx.query('update webhook_endpoints set declared = false where provider_id = $1', [providerId]);
}

export async function putEndpoint(
  tx: Tx,
  endpoint: { providerId: string; token: string; tokenSha256: string; declared: boolean },
): Promise<void> {
  await tx.query(
    `insert into webhook_endpoints (provider_id, token, token_sha256, declared) values ($1, $2, $3, $4)
     on conflict (provider_id) do update
       set token = excluded.token, token_sha256 = excluded.token_sha256, declared = excluded.declared`,
    [endpoint.providerId, endpoint.token, endpoint.tokenSha256, endpoint.declared],
  );
}

export async function insertSecret(
  tx: Tx,
  secret: { id: string; providerId: string; sealed: string; origin: SecretRow['origin'] },
): Promise<void> {
  await tx.query('insert into webhook_secrets (id, provider_id, sealed, origin) values ($1, $2, $3, $4)', [
    secret.id,
    secret.providerId,
    secret.sealed,
    secret.origin,
  ]);
}

/** The same secrets under another key. */
export async function replaceSealed(
  tx: Tx,
  id: string,
  sealed: { apiKey: string | null; token: string | null; secrets: ReadonlyMap<string, string> },
): Promise<number> {
  await tx.query('update identity_providers set api_key = $2 where id = $1', [id, sealed.apiKey]);
  await tx.query('update webhook_endpoints set token = coalesce($2, token) where provider_id = $1', [id, sealed.token]);
  await tx.query(
    `update webhook_secrets s set sealed = n.sealed
     from unnest($1::text[], $2::text[]) as n (id, sealed) where s.id = n.id`,
    [[...sealed.secrets.keys()], [...sealed.secrets.values()]],
  );
  return touchProvider(tx, id);
}

/** It stays in the list with its time; what was sealed goes. */
export async function retireSecret(tx: Tx, id: string): Promise<void> {
  await tx.query(
    `update webhook_secrets set retired_at = clock_timestamp(), sealed = '' where id = $1 and retired_at is null`,
    [id],
  );
}

const announce = (tx: Tx): Promise<unknown> => tx.query(`select pg_notify('${PUBLICATION_CHANNEL}', '')`);

/** What `pg` itself can do: the publication reads over the very connection that makes it the leader. */
export interface Connection {
  query(text: string, parameters?: unknown[]): Promise<{ rows: unknown[] }>;
}

/** Providers whose newest version Kafka does not have, deleted ones too; the longest waiting first. */
export async function readUnpublished(connection: Connection, limit: number): Promise<ProviderRow[]> {
  const { rows } = await connection.query(
    `${SELECT} where p.published_version < p.version order by p.updated_at, p.id limit $1`,
    [limit],
  );
  return rows as ProviderRow[];
}

/** Kafka holds these versions. */
export async function markPublished(connection: Connection, rows: readonly ProviderRow[]): Promise<void> {
  await connection.query(
    `update portal.identity_providers p set published_version = n.version
     from unnest($1::text[], $2::int[]) as n (id, version)
     where p.id = n.id and p.published_version < n.version`,
    [rows.map(({ id }) => id), rows.map(({ version }) => version)],
  );
}

/** id → version of everything that there is or was. */
export async function readVersions(
  connection: Connection,
): Promise<Map<string, { version: number; deleted: boolean; published: boolean }>> {
  const { rows } = await connection.query(
    `select id, version, deleted_at is not null as deleted, published_version = version as published
     from portal.identity_providers`,
  );
  return new Map(
    (rows as { id: string; version: number; deleted: boolean; published: boolean }[]).map(({ id, ...row }) => [
      id,
      row,
    ]),
  );
}

/** Publishes the newest version once more, as a version newer than the one that Kafka has. */
export async function publishAgain(
  connection: Connection,
  providers: readonly { id: string; versionInKafka: number }[],
): Promise<void> {
  await connection.query(
    `update portal.identity_providers p
     set published_version = 0, version = case when p.version < n.version then n.version + 1 else p.version end
     from unnest($1::text[], $2::int[]) as n (id, version) where p.id = n.id`,
    [providers.map(({ id }) => id), providers.map(({ versionInKafka }) => versionInKafka)],
  );
}

/** How many changes wait for Kafka, and for how long the first of them has, seconds. */
export async function backlog(tx: Tx): Promise<{ changes: number; seconds: number }> {
  const [row] = await rowsOf<{ changes: number; seconds: number }>(
    tx,
    `select count(*)::int as changes,
       coalesce(extract(epoch from clock_timestamp() - min(updated_at)), 0)::float8 as seconds
     from identity_providers where published_version < version`,
  );
  return row!;
}
