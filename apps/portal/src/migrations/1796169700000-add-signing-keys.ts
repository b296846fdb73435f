import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The keys that sign receipts (docs/adr/0016). */
export class AddSigningKeys1796169700000 implements MigrationInterface {
  name = 'AddSigningKeys1796169700000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table signing_keys (
        kid        text        primary key, -- the thumbprint of the public key (RFC 7638)
        public_jwk jsonb       not null,
        sealed     text, -- the private key; null once another one signs
        created_at timestamptz not null default clock_timestamp(),
        retired_at timestamptz, -- what it has signed stays good, so it stays published
        check ((sealed is null) = (retired_at is not null))
      );
      create unique index signing_keys_current on signing_keys ((true)) where retired_at is null;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table signing_keys');
  }
}
