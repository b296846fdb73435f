import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The closing of an organization that trips the guard by itself is one row, and not one for each of its members (docs/adr/0023). */
export class CountAnOrganizationAsOne1797033610000 implements MigrationInterface {
  name = 'CountAnOrganizationAsOne1797033610000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- More than one, or no user_id: so many members of one organization, none of them by name.
      alter table guard_closings add people integer not null default 1;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('alter table guard_closings drop people');
  }
}
