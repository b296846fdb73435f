import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddLastSignIn1796601600000 implements MigrationInterface {
  name = 'AddLastSignIn1796601600000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- When somebody last signed in with AuthKit, at the page or for a tool: that it works was seen.
      alter table identity_providers add column last_sign_in_at timestamptz;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('alter table identity_providers drop column last_sign_in_at');
  }
}
