import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddSessions1795996800000 implements MigrationInterface {
  name = 'AddSessions1795996800000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table sessions (
        id              text        primary key,
        -- Of the token that the browser has; of the one that it was offered in its place; of the one that it had before.
        token_sha256    text        not null unique check (token_sha256 ~ '^[0-9a-f]{64}$'),
        next_sha256     text        unique,
        previous_sha256 text        unique,
        csrf_token      text        not null,
        key_sha256      text        not null, -- of the API key that it was opened with
        created_at      timestamptz not null default clock_timestamp(),
        seen_at         timestamptz not null default clock_timestamp(),
        rotated_at      timestamptz not null default clock_timestamp(),
        offered_at      timestamptz
      );
      create index sessions_by_age on sessions (created_at);
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table sessions');
  }
}
