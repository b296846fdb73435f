import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateSignals1796428800000 implements MigrationInterface {
  name = 'CreateSignals1796428800000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Who manages streams of their own (SSF): a key, kept as its digest.
      create table receivers (
        id         text        primary key,
        name       text        not null,
        audience   text        not null, -- aud of what is sent to it
        sha256     text        not null unique check (sha256 ~ '^[0-9a-f]{64}$'),
        created_at timestamptz not null default clock_timestamp(),
        created_by text        not null,
        revoked_at timestamptz
      );
      create unique index receivers_live_names on receivers (name) where revoked_at is null;

      create table streams (
        id               text        primary key,
        receiver_id      text        references receivers, -- null: an administrator's (webhooks, logout)
        kind             text        not null
                         check (kind in ('set_push', 'set_poll', 'webhook', 'backchannel_logout', 'token_revocation')),
        audience         text        not null,
        url              text,       -- null where it is polled
        secret           text,       -- sealed: the Authorization header, or what webhooks are signed with
        events_requested text[],     -- null: all
        description      text,
        status           text        not null default 'enabled' check (status in ('enabled', 'paused', 'disabled')),
        status_reason    text,
        verified_at      timestamptz, -- when verification was asked for last
        failures         integer     not null default 0, -- one after the other
        next_attempt_at  timestamptz not null default '-infinity',
        last_error       text,
        created_at       timestamptz not null default clock_timestamp(),
        check ((url is null) = (kind = 'set_poll')),
        check ((receiver_id is not null) = (kind in ('set_push', 'set_poll')))
      );
      create index streams_of_receiver on streams (receiver_id);

      create table excluded_subjects (
        stream_id text not null references streams on delete cascade,
        subject   text not null,
        primary key (stream_id, subject)
      );

      -- The queue, and for a while what was said.
      create table deliveries (
        id              bigint      generated always as identity primary key,
        stream_id       text        not null references streams on delete cascade,
        jti             text        not null,
        subject         text        not null,
        signal          jsonb       not null,
        state           text        not null default 'pending' check (state in ('pending', 'delivered', 'refused')),
        refusals        integer     not null default 0,
        next_attempt_at timestamptz not null default '-infinity',
        created_at      timestamptz not null default clock_timestamp(),
        settled_at      timestamptz,
        unique (stream_id, jti),
        check ((state = 'pending') = (settled_at is null))
      );
      create index deliveries_pending on deliveries (stream_id, id) where state = 'pending';
      create index deliveries_settled on deliveries (settled_at) where state <> 'pending';

      create table attempts (
        id          bigint           generated always as identity primary key,
        delivery_id bigint           not null references deliveries on delete cascade,
        at          timestamptz      not null default clock_timestamp(),
        status      integer,         -- of the answer; null: there was none
        duration_ms double precision,
        error       text
      );
      create index attempts_of_delivery on attempts (delivery_id);

      -- What is known of users that were ever shut out, to tell when one is let in again.
      create table user_states (
        scope text  primary key,
        state jsonb not null
      );

      create table positions (
        topic       text    not null,
        partition   integer not null,
        next_offset bigint  not null,
        primary key (topic, partition)
      );

      -- Other transmitters that may end access here.
      create table sources (
        id              text        primary key,
        name            text        not null unique,
        issuer          text        not null,
        audience        text        not null,
        jwks_uri        text,       -- null: as its SSF configuration says
        provider_id     text        not null, -- whose users it speaks of
        subject_issuers text[]      not null, -- under which names of issuers, besides the provider's own
        sha256          text        not null check (sha256 ~ '^[0-9a-f]{64}$'), -- of the token that it pushes with
        created_at      timestamptz not null default clock_timestamp(),
        created_by      text        not null
      );

      create table signing_keys (
        kid        text        primary key,
        sealed     text        not null, -- PKCS #8, PEM
        public_jwk jsonb       not null,
        created_at timestamptz not null default clock_timestamp(),
        signs_from timestamptz not null -- published before, so that everybody has it by then
      );
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(
      'drop table signing_keys, sources, positions, user_states, attempts, deliveries, excluded_subjects, streams, receivers',
    );
  }
}
