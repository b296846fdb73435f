import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddApiKeys1795996900000 implements MigrationInterface {
  name = 'AddApiKeys1795996900000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table api_keys (
        id           text        primary key,
        name         text        not null,
        scopes       text[]      not null check (cardinality(scopes) > 0),
        sha256       text        not null unique check (sha256 ~ '^[0-9a-f]{64}$'), -- the key itself is nowhere
        created_at   timestamptz not null default clock_timestamp(),
        created_by   text        not null,
        last_used_at timestamptz, -- at the portal; the other services say so on identity.api-key-uses
        revoked_at   timestamptz,
        -- The outbox: whether Kafka has it as it is, the key or that there is none.
        published    boolean     not null default false
      );
      create unique index api_keys_live_names on api_keys (name) where revoked_at is null;
      create index api_keys_unpublished on api_keys (created_at) where not published;

      -- For the first administrator, printed at the start; whoever signs in with one has an hour to make a key.
      create table setup_tokens (
        sha256     text        primary key check (sha256 ~ '^[0-9a-f]{64}$'),
        created_at timestamptz not null default clock_timestamp(),
        used_at    timestamptz
      );

      -- What is not about a provider.
      alter table changes alter column provider_id drop not null, alter column version drop not null;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table setup_tokens, api_keys');
  }
}
