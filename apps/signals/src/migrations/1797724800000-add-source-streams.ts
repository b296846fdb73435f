import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddSourceStreams1797724800000 implements MigrationInterface {
  name = 'AddSourceStreams1797724800000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Streams at other transmitters that we have made, or taken over, and that end with their source.
      create table source_streams (
        source_id                 text        primary key references sources on delete cascade,
        stream_id                 text,        -- null: it is being made, or that was never finished
        configuration_endpoint    text        not null,
        status_endpoint           text,
        verification_endpoint     text,
        audiences                 text[]      not null default '{}',
        events_delivered          text[],      -- null: it does not say
        min_verification_interval integer,     -- seconds
        token_url                 text,        -- null: the secret is an Authorization header; else that of the client
        client_id                 text,
        scope                     text,
        secret                    text        not null, -- sealed
        asked_states              text[]      not null default '{}', -- of verifications, the last one first
        asked_at                  timestamptz,
        answered_at               timestamptz, -- null: the last one has not come
        unanswered_since          timestamptz, -- null: none is waited for
        ask_error                 text,
        check ((token_url is null) = (client_id is null)),
        unique (configuration_endpoint, stream_id) -- whoever ends the one would end the other
      );
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table source_streams');
  }
}
