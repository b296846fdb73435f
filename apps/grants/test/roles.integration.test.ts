import pg from 'pg';
import { Database } from '#platform/database.js';
import { type RoleUrls, testDatabase, type TestDatabase, withRoles } from '#testing/database.js';
import { sealAudit, verifyAudit } from '../src/audit/audit-chain.js';
import { GRANTS_SCHEMA } from '../src/grants-schema.js';
import { apply, event, newProvider, recordOf } from './support.js';

const SETTINGS = { poolSize: 2, timeoutMs: 10_000, excessRights: 'refuse' as const };
let server: TestDatabase;
let roles: RoleUrls;
let database: Database;

beforeAll(async () => {
  server = await testDatabase();
  roles = await withRoles(server.url);
  await withRoles(server.url); // again does no harm
  database = new Database({ ...SETTINGS, url: roles.grants, migrationUrl: roles.migrator }, GRANTS_SCHEMA);
  await database.start();
  await apply(database, [recordOf(event('user.deleted', 1, { id: 'user_a' }), newProvider())]);
  expect(await database.transaction((tx) => sealAudit(tx, 100))).toBe(1);
});
afterAll(async () => {
  await database.close();
  await server.drop();
});

async function as(url: string, statement: string): Promise<{ code?: string }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`set search_path = grants; ${statement}`);
    return {};
  } catch (error) {
    return { code: (error as { code: string }).code };
  } finally {
    await client.end();
  }
}
const DENIED = '42501'; // insufficient_privilege
const TAMPERINGS = [
  `update audit set reason = 'nothing'`,
  'delete from audit',
  'truncate audit',
  'update audit_chain set seq = seq + 1',
  'delete from audit_chain',
  'truncate audit_chain',
];

test.each([
  ...TAMPERINGS,
  'alter table audit disable trigger all',
  'drop trigger audit_is_append_only on audit',
  'drop table audit_chain',
  `create or replace function audit_is_append_only() returns trigger language plpgsql as 'begin return new; end'`,
  'set session_replication_role = replica',
  'set role rescind_migrator',
  'grant delete on audit to rescind_grants; delete from audit', // the first alone is but a warning
  'create table mine (id int)',
  'delete from scopes',
  'delete from grants',
  'delete from receipts',
  'update scope_closings set actor = null',
  'delete from audit_head',
  'delete from migrations',
])('by privilege the service cannot: %s', async (statement) => {
  expect(await as(roles.grants, statement)).toEqual({ code: DENIED });
});

test.each(TAMPERINGS)('by trigger not even the owner can, while nobody has disabled it: %s', async (statement) => {
  // The owner takes its own right back first, which is noticed by nobody but the chain.
  const { code } = await as(roles.migrator, `grant update, delete, truncate on audit, audit_chain to rescind_migrator; ${statement}`); // prettier-ignore
  expect(code).toBe(DENIED);
});

test.each(['select * from grants.audit', 'insert into grants.outbox (topic) values (1)', 'create schema mine'])(
  'the portal has no business here: %s',
  async (statement) => {
    expect(await as(roles.portal, statement)).toEqual({ code: DENIED });
  },
);

test('whoever disables the trigger as the owner is found out by the chain', async () => {
  const tampering = `grant update on audit to rescind_migrator; alter table audit disable trigger audit_is_append_only;
    update audit set reason = 'nothing'; alter table audit enable trigger audit_is_append_only`;
  expect((await database.read((tx) => verifyAudit(tx))).problems).toEqual([]);
  expect(await as(roles.migrator, tampering)).toEqual({});
  expect((await database.read((tx) => verifyAudit(tx))).problems).toEqual([
    expect.stringMatching('is not what was sealed'),
  ]);
});

test('migrated already, it starts without the owner; several at once as well', async () => {
  const services = Array.from({ length: 4 }, (_, index) => {
    const migrationUrl = index % 2 ? roles.migrator : undefined;
    return new Database({ ...SETTINGS, url: roles.grants, migrationUrl }, GRANTS_SCHEMA);
  });
  await Promise.all(services.map((service) => service.start()));
  for (const service of services) expect(await service.problem()).toBeUndefined();
  await Promise.all(services.map((service) => service.close()));
});

test.each([
  ['a superuser', () => server.url, 'is a superuser'],
  ['the owner', () => roles.migrator, 'owns the schema'],
])('%s is refused where that is asked for, and otherwise warned of', async (_, urlOf, sentence) => {
  const warnings: unknown[] = [];
  const logger = { warn: (warning: unknown) => void warnings.push(warning) };
  const strict = new Database({ ...SETTINGS, url: urlOf() }, GRANTS_SCHEMA, logger);
  await expect(strict.start()).rejects.toThrow(sentence);
  await strict.close();
  const lenient = new Database({ ...SETTINGS, excessRights: 'warn', url: urlOf() }, GRANTS_SCHEMA, logger);
  await lenient.start();
  await lenient.close();
  expect(warnings).toEqual([expect.stringContaining(sentence)]);
});

test('without an owner and without tables it says that it may not make them', async () => {
  const empty = await testDatabase();
  const { grants } = await withRoles(empty.url);
  const service = new Database({ ...SETTINGS, url: grants }, GRANTS_SCHEMA);
  await expect(service.start()).rejects.toThrow('permission denied');
  await service.close();
  await empty.drop();
});
