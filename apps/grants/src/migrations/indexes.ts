import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Name → the table and what of it. */
export type Indexes = Readonly<Record<string, string>>;

/** Makes some indexes in place of others; while others write, and so outside of a transaction. */
export abstract class ReplaceIndexes implements MigrationInterface {
  abstract readonly name: string;
  readonly transaction = false;
  protected abstract readonly made: Indexes;
  protected abstract readonly replaced: Indexes;

  async up(db: QueryRunner): Promise<void> {
    await make(db, this.made);
    await drop(db, this.replaced);
  }

  async down(db: QueryRunner): Promise<void> {
    await make(db, this.replaced);
    await drop(db, this.made);
  }
}

/** What was begun and not finished is made again. */
async function make(db: QueryRunner, indexes: Indexes): Promise<void> {
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

async function drop(db: QueryRunner, indexes: Indexes): Promise<void> {
  for (const name of Object.keys(indexes)) await db.query(`drop index concurrently if exists ${name}`);
}
