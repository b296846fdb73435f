import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreatePortal1767225600000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table identity_providers (
        id                  text        primary key,
        name                text        not null,
        kind                text        not null check (kind in ('workos', 'oidc')),
        settings            jsonb       not null,
        api_key             text,       -- sealed
        declared            boolean     not null default false, -- in the providers file, and changed there only
        claims_confirmed_at timestamptz, -- from then on the group claim changes only where that is confirmed again
        version             integer     not null check (version > 0),
        -- The outbox: what a row says is to be published while published_version < version.
        published_version   integer     not null default 0 check (published_version <= version),
        created_at          timestamptz not null default clock_timestamp(),
        updated_at          timestamptz not null default clock_timestamp(),
        deleted_at          timestamptz, -- the row stays, so that its version goes on growing and the topic can be mended
        check (deleted_at is null or api_key is null)
      );
      create index identity_providers_unpublished on identity_providers (updated_at) where published_version < version;

      create table webhook_endpoints (
        provider_id  text        primary key references identity_providers,
        token        text        not null, -- sealed; the unguessable last part of the URL
        token_sha256 text        not null unique check (token_sha256 ~ '^[0-9a-f]{64}$'),
        declared     boolean     not null default false,
        created_at   timestamptz not null default clock_timestamp()
      );

      create table webhook_secrets (
        id           text        primary key,
        provider_id  text        not null references webhook_endpoints on delete cascade,
        sealed       text        not null,
        origin       text        not null check (origin in ('generated', 'pasted')),
        created_at   timestamptz not null default clock_timestamp(),
        retired_at   timestamptz,
        last_used_at timestamptz
      );
      create index webhook_secrets_of_provider on webhook_secrets (provider_id, created_at);

      create table changes (
        id          bigint      generated always as identity primary key,
        at          timestamptz not null default clock_timestamp(),
        actor       text        not null,
        action      text        not null,
        provider_id text        not null,
        version     integer     not null,
        detail      jsonb       -- names and values of fields, never a secret
      );
      create index changes_of_provider on changes (provider_id, id desc);
      create function changes_are_kept() returns trigger language plpgsql as
        $$ begin raise exception 'what was changed by whom is never rewritten'; end $$;
      create trigger changes_are_kept before update or delete or truncate on changes
        for each statement execute function changes_are_kept();

      -- An older version can take the place of a newer one neither here nor, since rows are published as they are, there.
      create function versions_only_grow() returns trigger language plpgsql as
        $$ begin
          if new.version < old.version then raise exception 'the version of % would shrink', old.id; end if;
          return new;
        end $$;
      create trigger versions_only_grow before update on identity_providers
        for each row execute function versions_only_grow();
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      drop table changes, webhook_secrets, webhook_endpoints, identity_providers;
      drop function changes_are_kept, versions_only_grow;
    `);
  }
}
