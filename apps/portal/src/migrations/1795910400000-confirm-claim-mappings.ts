import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Providers that there are already have let people in by their mappings; only new ones wait to be looked at. */
export class ConfirmClaimMappings1795910400000 implements MigrationInterface {
  name = 'ConfirmClaimMappings1795910400000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`update identity_providers set claims_confirmed_at = created_at where claims_confirmed_at is null`);
  }

  async down(): Promise<void> {
    // Confirmed by whom does not matter to the release before, which accepts both.
  }
}
