import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Every field of the settings has its value, so that a change of one is told from a field that came later. */
export class AddModeAndGuard1767312000000 implements MigrationInterface {
  name = 'AddModeAndGuard1767312000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(
      `update identity_providers set settings = '{"mode": "enforced", "guard": null}'::jsonb || settings::jsonb`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`update identity_providers set settings = settings::jsonb - 'mode' - 'guard'`);
  }
}
