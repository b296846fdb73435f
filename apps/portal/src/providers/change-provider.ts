import { createHash, timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Problem } from '#platform/problem.js';
import type { Tx } from '#platform/sql.js';
import { apiKeyOwner, type EncryptionKeys, seal, unseal, webhookSecretOwner } from '#providers/sealing.js';
import { type Change, recordChange } from './changes.sql.js';
import {
  insertProvider,
  insertSecret,
  lockProvider,
  markDeleted,
  type ProviderRow,
  putEndpoint,
  retireSecret,
  type SecretRow,
  touchProvider,
  updateProvider,
  type WebhookRow,
} from './identity-providers.sql.js';
import type { ProviderSettings } from './provider-settings.js';
import { newEndpointToken, newId, newSigningSecret } from './webhook-secret.js';

/** Who changes something, and what seals their secrets. */
export interface Author {
  actor: string;
  keys: EncryptionKeys;
}

export const endpointTokenOwner = (providerId: string): string => `${providerId}/webhook-token`;

/** So many secrets of one origin are live at most: the one in use, and the one that takes its place. */
const LIVE_SECRETS = 2;

export const providerUnknown = (): Problem =>
  new Problem(404, 'provider_unknown', 'There is no identity provider of that id.');

/** The provider, locked until the transaction ends. Throws 404 `provider_unknown`. */
export async function lockExisting(tx: Tx, id: string): Promise<ProviderRow> {
  const row = await lockProvider(tx, id);
  if (!row || row.deleted_at !== null) throw providerUnknown();
  return row;
}

/** The same, to be changed by a person. Throws 409 `declared_in_file` too. */
export async function lockEditable(tx: Tx, id: string): Promise<ProviderRow> {
  const row = await lockExisting(tx, id);
  if (row.declared) throw declaredInFile('This provider is');
  return row;
}

/** Its endpoint may be managed here even where the provider is declared, unless the file says something about it. */
export async function lockForWebhook(tx: Tx, id: string): Promise<ProviderRow> {
  const row = await lockExisting(tx, id);
  if (row.webhook?.declared) throw declaredInFile('The webhook of this provider is');
  return row;
}

const declaredInFile = (what: string): Problem =>
  new Problem(409, 'declared_in_file', `${what} declared in the providers file: change it there.`);

export interface WantedProvider {
  id: string;
  settings: ProviderSettings;
  /** null: none. undefined: as it is. */
  apiKey: string | null | undefined;
  claimsConfirmed: boolean;
  declared: boolean;
}

/** Answers false where the id is taken. */
export async function createProvider(tx: Tx, wanted: WantedProvider, author: Author): Promise<boolean> {
  const { id, settings, apiKey, declared, claimsConfirmed } = wanted;
  const sealed = apiKey ? seal(apiKey, apiKeyOwner(id), author.keys) : null;
  const version = await insertProvider(tx, { id, settings, apiKey: sealed, declared, claimsConfirmed });
  if (version === undefined) return false;
  const detail = { settings, api_key: sealed === null ? 'none' : 'set' };
  await record(tx, author, 'provider_created', id, version, detail);
  return true;
}

/** Makes a new version, unless nothing would be different. `row` is locked. Throws 409 `mode_locked`. */
export async function changeProvider(tx: Tx, row: ProviderRow, wanted: WantedProvider, author: Author): Promise<void> {
  const { id, settings, apiKey, declared } = wanted;
  refuseShadow(row, settings);
  const claimsConfirmed = wanted.claimsConfirmed || row.claims_confirmed_at !== null;
  const keyChanged = apiKey !== undefined && !isSealedIn(row.api_key, apiKey, apiKeyOwner(id), author.keys);
  const fields = differences(row.settings, settings);
  if (
    Object.keys(fields).length === 0 &&
    !keyChanged &&
    declared === row.declared &&
    claimsConfirmed === (row.claims_confirmed_at !== null)
  ) {
    return;
  }
  const sealed = !keyChanged ? row.api_key : apiKey === null ? null : seal(apiKey, apiKeyOwner(id), author.keys);
  const version = await updateProvider(tx, { id, settings, apiKey: sealed, declared, claimsConfirmed });
  await record(tx, author, 'provider_changed', id, version, {
    fields,
    ...(keyChanged ? { api_key: sealed === null ? 'removed' : 'set' } : {}),
    ...(claimsConfirmed !== (row.claims_confirmed_at !== null) ? { claim_mappings: 'confirmed' } : {}),
  });
}

/** What was ended stays ended, so that a provider whose events have had effect would be a shadow in name only. */
function refuseShadow(row: ProviderRow, settings: ProviderSettings): void {
  if (row.webhook === null || row.settings.mode === 'shadow' || settings.mode !== 'shadow') return;
  throw new Problem(
    409,
    'mode_locked',
    'Events of this provider take effect already. For a dry run add it once more, in shadow mode and with a webhook of its own.',
  );
}

function differences(from: ProviderSettings, to: ProviderSettings): Record<string, { from: unknown; to: unknown }> {
  const found: Record<string, { from: unknown; to: unknown }> = {};
  for (const field of Object.keys(to) as (keyof ProviderSettings)[]) {
    if (!isDeepStrictEqual(from[field], to[field])) found[field] = { from: from[field], to: to[field] };
  }
  return found;
}

/** Whether `sealed` holds just this; what we cannot open holds something else. */
function isSealedIn(sealed: string | null, secret: string | null, owner: string, keys: EncryptionKeys): boolean {
  if (sealed === null || secret === null) return sealed === secret;
  try {
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
    return timingSafeEqual(digest(unseal(sealed, owner, keys)), digest(secret));
  } catch {
    return false;
  }
}

export async function deleteProvider(tx: Tx, row: ProviderRow, author: Author): Promise<void> {
  await record(tx, author, 'provider_deleted', row.id, await markDeleted(tx, row.id), { name: row.settings.name });
}

export interface EnabledWebhook {
  token: string;
  /** In plain text for the only time. */
  secret: string;
  secretId: string;
  isNew: boolean;
}

/**
 * Gives the endpoint its token and a generated secret. Called again it keeps the token, hence the URL, and adds a new
 * generated secret; the two newest generated ones are live, so nothing breaks while the new one is put in place.
 */
export async function enableWebhook(tx: Tx, row: ProviderRow, author: Author): Promise<EnabledWebhook> {
  const { id } = row;
  const token = row.webhook
    ? unseal(row.webhook.token, endpointTokenOwner(id), author.keys)
    : await addEndpoint(tx, id, newEndpointToken(), false, author);
  const outlived = live(row.webhook, 'generated').slice(0, 1 - LIVE_SECRETS);
  for (const old of outlived) await retireSecret(tx, old.id);
  const secret = newSigningSecret();
  const secretId = await addSecret(tx, id, secret, 'generated', author);
  await record(tx, author, 'webhook_enabled', id, await touchProvider(tx, id), {
    secret_id: secretId,
    ...(outlived.length > 0 ? { retired: outlived.map((old) => old.id) } : {}),
  });
  return { token, secret, secretId, isNew: row.webhook === null };
}

async function addEndpoint(tx: Tx, providerId: string, token: string, declared: boolean, { keys }: Author) {
  const tokenSha256 = createHash('sha256').update(token).digest('hex');
  await putEndpoint(tx, {
    providerId,
    token: seal(token, endpointTokenOwner(providerId), keys),
    tokenSha256,
    declared,
  });
  return token;
}

async function addSecret(tx: Tx, providerId: string, secret: string, origin: SecretRow['origin'], { keys }: Author) {
  const id = newId('whs');
  await insertSecret(tx, { id, providerId, origin, sealed: seal(secret, webhookSecretOwner(providerId, id), keys) });
  return id;
}

/** Oldest first. */
export function live(webhook: WebhookRow | null, origin?: SecretRow['origin']): SecretRow[] {
  const secrets = webhook?.secrets.filter(({ retired_at }) => retired_at === null) ?? [];
  return origin === undefined ? secrets : secrets.filter((secret) => secret.origin === origin);
}

/**
 * Adds the signing secret that WorkOS shows. Pasted a second time it is found, and nothing changes.
 * Throws 409 `webhook_not_enabled` or `webhook_secrets_full`.
 */
export async function pasteSecret(
  tx: Tx,
  row: ProviderRow,
  secret: string,
  author: Author,
): Promise<{ id: string; isNew: boolean }> {
  if (!row.webhook) {
    throw new Problem(
      409,
      'webhook_not_enabled',
      'Enable the webhook first: POST /v1/identity-providers/<id>/webhook.',
    );
  }
  const known = live(row.webhook).find(({ id, sealed }) =>
    isSealedIn(sealed, secret, webhookSecretOwner(row.id, id), author.keys),
  );
  if (known) return { id: known.id, isNew: false };
  if (live(row.webhook, 'pasted').length >= LIVE_SECRETS) {
    throw new Problem(
      409,
      'webhook_secrets_full',
      `${LIVE_SECRETS} pasted secrets are live, the old one and the new one of a rotation: retire one of them first.`,
    );
  }
  const id = await addSecret(tx, row.id, secret, 'pasted', author);
  await record(tx, author, 'webhook_secret_pasted', row.id, await touchProvider(tx, row.id), { secret_id: id });
  return { id, isNew: true };
}

/** From the moment that the services know, what it has signed is refused. Throws 404 `webhook_secret_unknown`. */
export async function retire(tx: Tx, row: ProviderRow, secretId: string, author: Author): Promise<void> {
  const secret = row.webhook?.secrets.find(({ id }) => id === secretId);
  if (!secret) throw new Problem(404, 'webhook_secret_unknown', 'This endpoint has no secret of that id.');
  if (secret.retired_at !== null) return;
  await retireSecret(tx, secretId);
  const detail = { secret_id: secretId, origin: secret.origin };
  await record(tx, author, 'webhook_secret_retired', row.id, await touchProvider(tx, row.id), detail);
}

/** The endpoint just as the providers file has it. `row` is locked. */
export async function declareWebhook(
  tx: Tx,
  row: ProviderRow,
  wanted: { token: string; secrets: readonly string[] },
  author: Author,
): Promise<void> {
  const { id, webhook } = row;
  const tokenIsNew = !webhook || !isSealedIn(webhook.token, wanted.token, endpointTokenOwner(id), author.keys);
  if (tokenIsNew || !webhook.declared) await addEndpoint(tx, id, wanted.token, true, author);
  const holds = (secret: SecretRow, text: string): boolean =>
    isSealedIn(secret.sealed, text, webhookSecretOwner(id, secret.id), author.keys);
  const added = wanted.secrets.filter((text) => !live(webhook).some((secret) => holds(secret, text)));
  const gone = live(webhook).filter((secret) => !wanted.secrets.some((text) => holds(secret, text)));
  for (const { id: old } of gone) await retireSecret(tx, old);
  const ids: string[] = [];
  for (const text of added) ids.push(await addSecret(tx, id, text, 'pasted', author));
  if (!tokenIsNew && webhook.declared && added.length + gone.length === 0) return;
  await record(tx, author, 'webhook_changed', id, await touchProvider(tx, id), {
    ...(tokenIsNew ? { token: 'set' } : {}),
    added: ids,
    retired: gone.map((old) => old.id),
  });
}

async function record(
  tx: Tx,
  { actor }: Author,
  action: Change['action'],
  providerId: string,
  version: number,
  detail: Record<string, unknown>,
): Promise<void> {
  await recordChange(tx, { actor, action, providerId, version, detail });
}
