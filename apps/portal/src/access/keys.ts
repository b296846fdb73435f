import { randomBytes } from 'node:crypto';
import { API_KEY_TYPE, type ApiKeyData } from '#contracts/api-key.js';
import { encodeCloudEvent } from '#contracts/cloud-event.js';
import { TOPICS } from '#contracts/topics.js';
import type { FencedProducer } from '#kafka/fenced-producer.js';
import type { OutgoingRecord } from '#kafka/record.js';
import { type ApiKeys, type Principal, sha256 } from '#platform/api-key.guard.js';
import type { Database } from '#platform/database.js';
import {
  insertSetupToken,
  isSetupGoingOn,
  isThereAnAdministrator,
  markKeysPublished,
  readUnpublishedKeys,
  type UnpublishedKey,
  useApiKey,
  useSetupToken,
} from './keys.sql.js';
import type { Connection } from '../providers/identity-providers.sql.js';

/** 256 random bits; the prefix is for those who look for secrets in the wrong places. */
export const newApiKey = (): string => `rsk_${randomBytes(32).toString('base64url')}`;

const SETUP: Principal = { name: 'first-administrator', permissions: ['administrator'] };

/** The keys as the portal knows them: of its settings, and issued ones as they are in the database at this moment. */
export class PortalKeys {
  constructor(
    readonly configured: ApiKeys,
    private readonly database: Database,
  ) {}

  /** Whose key it is. Throws `DatabaseUnavailable`. */
  async holderOf(keySha256: string): Promise<Principal | undefined> {
    const configured = this.configured.holderOf(keySha256);
    if (configured) return configured;
    const issued = await this.database.read((tx) => useApiKey(tx, keySha256));
    return issued && { name: issued.name, permissions: issued.scopes };
  }

  /** Of a session that was opened with it: a key, or the setup token, which is none. */
  async holderOfSession(keySha256: string): Promise<Principal | undefined> {
    const holder = await this.holderOf(keySha256);
    if (holder) return holder;
    return (await this.database.read((tx) => isSetupGoingOn(tx, keySha256))) ? SETUP : undefined;
  }

  /** Of whoever signs in; a setup token is good for this once. */
  async signIn(keySha256: string): Promise<Principal | undefined> {
    const holder = await this.holderOf(keySha256);
    if (holder) return holder;
    return (await this.database.transaction((tx) => useSetupToken(tx, keySha256))) ? SETUP : undefined;
  }

  /** Where nobody can administrate yet, a token with which somebody can, once. */
  async setupToken(): Promise<string | undefined> {
    if (this.configured.hasAdministrator) return undefined;
    return this.database.transaction(async (tx) => {
      if (await isThereAnAdministrator(tx)) return undefined;
      const token = `rsk_setup_${randomBytes(32).toString('base64url')}`;
      await insertSetupToken(tx, sha256(token));
      return token;
    });
  }
}

const CHUNK = 100;

/** Publishes what Kafka does not have yet of the keys: the key, or that it was revoked. */
export async function drainKeys(connection: Connection, producer: Pick<FencedProducer, 'sendAll'>): Promise<void> {
  for (;;) {
    const keys = await readUnpublishedKeys(connection, CHUNK);
    if (keys.length === 0) return;
    await producer.sendAll(keys.map(recordOf));
    await markKeysPublished(connection, keys);
  }
}

function recordOf({ id, name, scopes, sha256, created_at, revoked }: UnpublishedKey): OutgoingRecord & {
  topic: typeof TOPICS.apiKeys;
} {
  const event = encodeCloudEvent<ApiKeyData>({
    id,
    source: '/portal',
    type: API_KEY_TYPE,
    subject: id,
    time: created_at.toISOString(),
    data: { id, name, scopes, sha256 },
  });
  return {
    topic: TOPICS.apiKeys,
    key: id,
    value: revoked ? null : event.value,
    headers: event.headers,
  };
}
