import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';

/** A database of a test's own, on the server that `DATABASE_URL` names. */
export interface TestDatabase {
  url: string;
  drop(): Promise<void>;
}

/** Creates it; call `drop` when the test is over. */
export async function testDatabase(): Promise<TestDatabase> {
  const server = process.env['DATABASE_URL'];
  if (!server) throw new Error('DATABASE_URL is not set: run this test with npm test');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await onServer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => onServer(server, `drop database if exists ${name} with (force)`) };
}

/** URLs of one database, for each of the roles that an installation has. */
export interface RoleUrls {
  migrator: string;
  grants: string;
  portal: string;
  signals: string;
}

/** Makes the roles just as an installation does, by `deploy/postgres/roles.sql`; `url` must be of a superuser. */
export async function withRoles(url: string): Promise<RoleUrls> {
  const roles = await readFile(new URL('../../../deploy/postgres/roles.sql', import.meta.url), 'utf8');
  const password = 'of-the-tests-alone';
  const names = {
    migrator: 'rescind_migrator',
    grants: 'rescind_grants',
    portal: 'rescind_portal',
    signals: 'rescind_signals',
  };
  // Roles belong to the server, which other tests use at the same time.
  const maintenance = new URL(url);
  maintenance.pathname = '/postgres';
  const client = new pg.Client({ connectionString: maintenance.href });
  await client.connect();
  try {
    await client.query(`select pg_advisory_lock(hashtext('rescind/test roles'))`);
    await onServer(url, roles);
    for (const name of Object.values(names)) await client.query(`alter role ${name} password '${password}'`);
  } finally {
    await client.end();
  }
  const of = (user: string): string => Object.assign(new URL(url), { username: user, password }).href;
  return {
    migrator: of(names.migrator),
    grants: of(names.grants),
    portal: of(names.portal),
    signals: of(names.signals),
  };
}

async function onServer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
