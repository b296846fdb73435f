import type { QueryRunner } from 'typeorm';

/** Name → the table and what of it. */
export type Indexes = Readonly<Record<string, string>>;

/** While others write, and so outside of a transaction: what was begun and not finished is made again. */
export async function makeIndexes(db: QueryRunner, indexes: Indexes): Promise<void> {
  for (const [name, on] of Object.entries(indexes)) {
    const [found] = (await db.query('select indisvalid as whole from pg_index where indexrelid = to_regclass($1)', [
      name,
    ])) as { whole: boolean }[];
    if (found?.whole) continue;
    if (found) await db.query(`drop index concurrently ${name}`);
    const [table] = on.split(' ', 1);
    const [rows] = (await db.query(`select exists (select 1 from ${table}) as any`)) as [{ any: boolean }];
    await db.query(`create index ${rows.any ? 'concurrently' : ''} ${name} on ${on}`);
  }
}

export async function dropIndexes(db: QueryRunner, indexes: Indexes): Promise<void> {
  for (const name of Object.keys(indexes)) await db.query(`drop index concurrently if exists ${name}`);
}
