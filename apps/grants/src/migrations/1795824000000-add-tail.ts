import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Reading WorkOS's Events API: where it has come to, what waits to be applied, and what no webhook brought. */
export class AddTail1795824000000 implements MigrationInterface {
  name = 'AddTail1795824000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- One row a provider. Moments are WorkOS's own, ms.
      create table tail_readings (
        provider_id   text primary key,
        complete_from double precision not null, -- the beginning of what was read without a gap
        cursor_id     text,
        read_from     double precision not null, -- where there is no cursor
        read_up_to    double precision not null, -- all that happened until then is in Kafka
        is_at_end     boolean not null,
        as_of         double precision, -- when WorkOS was asked last
        problem       text,
        started_at    timestamptz not null default clock_timestamp(),
        checked_at    timestamptz
      );

      -- Published, and not known to be applied yet: "complete up to" ends before the first of them.
      create table tail_pending (
        provider_id text not null,
        event_id    text not null,
        type        text not null,
        occurred_at double precision not null,
        key         text not null,
        value       bytea not null, -- the record as it was published
        sent        integer not null default 1,
        sent_at     timestamptz not null default clock_timestamp(),
        primary key (event_id, provider_id)
      );
      create index tail_pending_in_order on tail_pending (provider_id, occurred_at);

      alter table receipts
        add column via text, -- null: by webhook
        add column webhook_at timestamptz; -- when the webhook came, where something else was quicker
      create index receipts_without_webhook on receipts (seq) where via = 'events-api';
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      drop table tail_readings, tail_pending;
      alter table receipts drop column via, drop column webhook_at;
    `);
  }
}
