import type { QueryRunner } from 'typeorm';
import { rowsOf, type Tx } from './sql.js';

/** What the role of a service may do with the tables of its schema; with those that are not named here, everything. */
export interface SchemaRights {
  /** Rows are added and read, and never changed. */
  appendOnly: readonly string[];
  /** Rows are added, read and changed, and never removed. */
  kept: readonly string[];
}

/**
 * Gives the role of a service just the rights that it works with, in one transaction, as the owner of the schema. Nobody is
 * ever given TRUNCATE, TRIGGER or what only an owner has: to disable a trigger, or to drop one.
 */
export async function grantRights(
  runner: QueryRunner,
  schema: string,
  { appendOnly, kept }: SchemaRights,
  role: string,
): Promise<void> {
  const [{ owner }] = (await runner.query('select current_user as owner')) as [{ owner: string }];
  if (owner === role)
    throw new Error('MIGRATION_DATABASE_URL and DATABASE_URL have the same role: leave the former out');
  const to = `"${role.replaceAll('"', '""')}"`;
  const tables = (names: readonly string[]): string => names.map((name) => `${schema}.${name}`).join(', ');
  await runner.startTransaction();
  try {
    await runner.query(`
      grant usage on schema ${schema} to ${to};
      revoke all on all tables in schema ${schema} from ${to};
      grant select, insert, update, delete on all tables in schema ${schema} to ${to};
      grant usage, select on all sequences in schema ${schema} to ${to};
      revoke insert, update, delete on ${schema}.migrations from ${to};
      revoke update, delete on ${tables(appendOnly)} from ${to};
      ${kept.length > 0 ? `revoke delete on ${tables(kept)} from ${to};` : ''}
    `);
    await runner.commitTransaction();
  } catch (error) {
    await runner.rollbackTransaction();
    throw error;
  }
}

/** How the role of this connection could rewrite what is append-only; undefined where it could not. */
export async function excessOf(tx: Tx, schema: string, { appendOnly }: SchemaRights): Promise<string | undefined> {
  const [row] = await rowsOf<{ role: string; superuser: boolean; owner: boolean; may: boolean }>(
    tx,
    `select current_user as role,
       (select rolsuper from pg_roles where rolname = current_user) as superuser,
       bool_or(pg_has_role(c.relowner, 'usage')) as owner,
       bool_or(has_table_privilege(c.oid, 'update') or has_table_privilege(c.oid, 'delete')
         or has_table_privilege(c.oid, 'truncate') or has_table_privilege(c.oid, 'trigger')) as may
     from pg_class c where c.oid = any($1::text[]::regclass[]::oid[])`,
    [appendOnly.map((table) => `${schema}.${table}`)],
  );
  const { role, superuser, owner, may } = row!;
  if (superuser) return `the database role ${role} is a superuser: it could rewrite the audit`;
  if (owner) return `the database role ${role} owns the schema ${schema}: it could rewrite the audit`;
  return may ? `the database role ${role} may change ${appendOnly.join(' or ')}` : undefined;
}
