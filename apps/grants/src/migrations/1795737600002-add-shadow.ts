import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Shadow mode (docs/adr/0011): what events would have ended, and which of them were sent again since. */
export class AddShadow1795737600002 implements MigrationInterface {
  name = 'AddShadow1795737600002';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      alter table receipts drop constraint receipts_outcome_check;
      alter table receipts add constraint receipts_outcome_check
        check (outcome in ('applied', 'no_effect', 'unknown_type', 'shadow'));
      alter table receipts add sent_again_at timestamptz;
      create index receipts_in_shadow on receipts (provider_id, seq) where outcome = 'shadow' and sent_again_at is null;

      create table shadow_revocations (
        id              bigint generated always as identity primary key,
        provider_id     text not null,
        scope_key       text collate "C" not null,
        kind            text not null,
        user_id         text,
        organization_id text,
        session_id      text,
        closed_at       double precision not null, -- -infinity: tokens alone would have ended
        tokens_before   double precision not null,
        reason          text not null,
        source_event_id text not null,
        occurred_at     double precision not null,
        recorded_at     timestamptz not null default clock_timestamp(),
        unique (source_event_id, provider_id, scope_key, reason)
      );
      create index shadow_revocations_of_provider on shadow_revocations (provider_id, id);
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      drop table shadow_revocations;
      drop index receipts_in_shadow;
      alter table receipts drop sent_again_at;
      alter table receipts drop constraint receipts_outcome_check;
      update receipts set outcome = 'no_effect' where outcome = 'shadow';
      alter table receipts add constraint receipts_outcome_check check (outcome in ('applied', 'no_effect', 'unknown_type'));
    `);
  }
}
