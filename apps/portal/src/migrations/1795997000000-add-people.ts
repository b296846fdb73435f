import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddPeople1795997000000 implements MigrationInterface {
  name = 'AddPeople1795997000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- A session is an API key's or a person's.
      alter table sessions
        alter column key_sha256 drop not null,
        add column provider_id    text,
        add column user_id        text,
        add column email          text,
        add column email_verified boolean,
        add column tokens         text, -- sealed: access and refresh token
        add check ((key_sha256 is null) <> (user_id is null)),
        add check (user_id is null or (provider_id is not null and tokens is not null));

      -- A tool that waits for a person to sign in (RFC 8628), bound to the tool by PKCE (RFC 7636).
      create table device_sign_ins (
        id             text        primary key,
        device_sha256  text        not null unique check (device_sha256 ~ '^[0-9a-f]{64}$'),
        user_code      text        not null unique,
        provider_id    text        not null,
        code_challenge text        not null,
        client_name    text        not null,
        created_at     timestamptz not null default clock_timestamp(),
        polled_at      timestamptz,
        decided_at     timestamptz,
        result         text        -- sealed: who it is, and the tokens; null where it was refused
      );
      create index device_sign_ins_by_age on device_sign_ins (created_at);

      -- Who is more than a person at the portal.
      create table role_assignments (
        id          text        primary key,
        role        text        not null check (role in ('administrator', 'auditor')),
        provider_id text        not null references identity_providers,
        kind        text        not null check (kind in ('user', 'email', 'organization_role')),
        value       text        not null, -- a user id; an address, lower case; <organization id>/<role>
        created_at  timestamptz not null default clock_timestamp(),
        created_by  text        not null,
        unique (provider_id, kind, value, role)
      );
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      drop table role_assignments, device_sign_ins;
      delete from sessions where key_sha256 is null;
      alter table sessions alter column key_sha256 set not null, drop column provider_id, drop column user_id,
        drop column email, drop column email_verified, drop column tokens;
    `);
  }
}
