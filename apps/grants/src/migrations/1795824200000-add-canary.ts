import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What came of each synthetic revocation (docs/adr/0015). */
export class AddCanary1795824200000 implements MigrationInterface {
  name = 'AddCanary1795824200000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table canary_runs (
        started_at  timestamptz primary key,
        accepted_ms double precision, -- until webhook-ingress had answered 200
        refused_ms  double precision, -- until token-verification knew; null: it never did
        problem     text,
        check ((refused_ms is null) = (problem is not null))
      );
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table canary_runs');
  }
}
