import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { withRoles } from '#testing/database.js';
import type { SuspensionRule } from '#revocation/effects.js';
import { applyBatch, type AppliedBatch } from '../src/events/apply-batch.js';
import { Database } from '#platform/database.js';
import type { Grant } from '../src/grants/grants.sql.js';
import { insertGrant } from '../src/grants/grants.sql.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import { GRANTS_SCHEMA } from '../src/grants-schema.js';
import { ulid } from '../src/ulid.js';
import { serverUrl } from './servers.js';

export interface OwnDatabase {
  /** With `roles`: of the role that grants has in an installation. */
  url: string;
  migrationUrl: string | undefined;
  database: Database;
  /** As a superuser. */
  asAdmin: (statement: string) => Promise<void>;
  drop: () => Promise<void>;
}

/**
 * A database of its own for a test file; `drop` removes it.
 * @param roles with the least rights that an installation can give, as `deploy/postgres/roles.sql` does
 */
export async function ownDatabase(poolSize = 10, { roles = false } = {}): Promise<OwnDatabase> {
  const name = `grants_${randomBytes(6).toString('hex')}`;
  const url = new URL(await serverUrl());
  await administer(url.href, `create database ${name}`);
  url.pathname = `/${name}`;
  const own = roles ? await withRoles(url.href) : undefined;
  const urls = { url: own?.grants ?? url.href, migrationUrl: own?.migrator };
  const database = new Database(
    { ...urls, excessRights: roles ? 'refuse' : 'warn', poolSize, timeoutMs: 10_000 },
    GRANTS_SCHEMA,
  );
  await database.start();
  return {
    ...urls,
    database,
    asAdmin: (statement) => administer(url.href, statement),
    drop: async () => {
      await database.close();
      const server = new URL(url);
      server.pathname = '/postgres';
      await administer(server.href, `drop database ${name} with (force)`);
    },
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Whose transactions from the `first` one on (they are counted as they begin) do all their work, and end before they commit. */
export function crashing(database: Database, first: number, last = Infinity): Pick<Database, 'transaction'> {
  let begun = 0;
  return {
    transaction: (work) => {
      const which = ++begun;
      return database.transaction(async (tx) => {
        const done = await work(tx);
        if (which >= first && which <= last) throw new Error('crash');
        return done;
      });
    },
  };
}

let providers = 0;
/** Nothing of one provider touches another one, so each case of a test has its own. */
export const newProvider = (): string => `idp_${++providers}_${randomBytes(3).toString('hex')}`;

export interface RawEvent {
  id: string;
  event: string;
  data: Record<string, unknown>;
  created_at: string;
  context?: { previous_attributes?: Record<string, unknown> };
}

let offset = 0;

/** The event as it stands in Kafka. */
export function recordOf(
  event: RawEvent,
  providerId: string,
  partition = 0,
  mode: IdentityProviderData['mode'] = 'enforced',
): ConsumedRecord {
  const body = Buffer.from(JSON.stringify(event));
  const envelope = readWorkOSEnvelope(body);
  return rawRecord(encodeWorkOSRecord(body, envelope, { id: providerId, mode }, new Date()), envelope.key, partition);
}

export function rawRecord(value: Buffer | null, key: string, partition = 0): ConsumedRecord {
  return {
    topic: 'workos.events',
    partition,
    offset: String(offset++),
    key: Buffer.from(key),
    value,
    headers: {},
    timestamp: String(Date.now()),
  };
}

export const NO_RULE = { suspensionOf: () => undefined, limits: { inline: 5_000 } };

export function apply(
  database: Database,
  records: readonly ConsumedRecord[],
  rule?: SuspensionRule,
  inline = 5_000,
): Promise<AppliedBatch> {
  return database.transaction((tx) => applyBatch(tx, records, { suspensionOf: () => rule, limits: { inline } }));
}

/** A grant as if it had been made at that moment, whatever its scopes say. */
export async function grantedAt(
  database: Database,
  grantedAt: number,
  holder: { providerId: string; userId: string; organizationId?: string; sessionId?: string },
  more: Partial<Grant> = {},
): Promise<string> {
  const grant = {
    id: `grant_${ulid(grantedAt)}`,
    organizationId: undefined,
    sessionId: undefined,
    resource: 'vault',
    scopes: ['read'],
    grantedAt,
    expiresAt: null,
    grantedBy: 'test',
    ...holder,
    ...more,
  };
  await database.transaction((tx) => insertGrant(tx, grant));
  return grant.id;
}

export const all = <Row>(database: Database, text: string, parameters: unknown[] = []): Promise<Row[]> =>
  database.read((tx: Tx) => rowsOf<Row>(tx, text, parameters));

export const AT = Date.parse('2026-03-01T09:00:00.000Z');
let events = 0;
/** An event of a type, `seconds` after nine o'clock. */
export function event(type: string, seconds: number, data: Record<string, unknown>, previous?: object): RawEvent {
  return {
    id: `event_${String(++events).padStart(6, '0')}`,
    event: type,
    data,
    created_at: new Date(AT + seconds * 1000).toISOString(),
    ...(previous ? { context: { previous_attributes: previous as Record<string, unknown> } } : {}),
  };
}
