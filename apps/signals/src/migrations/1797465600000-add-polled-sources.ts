import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddPolledSources1797465600000 implements MigrationInterface {
  name = 'AddPolledSources1797465600000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Sources that do not push: they are asked (RFC 8936). Their sha256 is that of a token that nobody has.
      create table polled_sources (
        source_id    text        primary key references sources on delete cascade,
        endpoint_url text        not null,
        token_url    text,       -- null: the secret is an Authorization header; else that of the client
        client_id    text,
        scope        text,
        secret       text        not null, -- sealed
        changed_at   timestamptz not null default clock_timestamp(),
        polled_at    timestamptz, -- the last answer of which everything was taken or refused
        failures     integer     not null default 0, -- one after the other
        last_error   text,
        check ((token_url is null) = (client_id is null))
      );

      alter table sources
        add column refused        bigint not null default 0, -- SETs
        add column last_refusal   text,
        add column refused_at     timestamptz,
        add column verified_at    timestamptz, -- a verification event came last
        add column stream_status  text check (stream_status in ('enabled', 'paused', 'disabled')), -- as it says, if it ever did
        add column stream_reason  text,
        add column stream_said_at timestamptz;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      delete from sources where id in (select source_id from polled_sources);
      drop table polled_sources;
      alter table sources
        drop column refused, drop column last_refusal, drop column refused_at, drop column verified_at,
        drop column stream_status, drop column stream_reason, drop column stream_said_at;
    `);
  }
}
