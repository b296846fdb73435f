import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Comparing WorkOS's own lists with what we know, page by page, so that it goes on after a crash where it was. */
export class AddReconciliation1795824100000 implements MigrationInterface {
  name = 'AddReconciliation1795824100000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table reconciliations (
        id           text primary key,
        seq          bigint generated always as identity,
        provider_id  text not null,
        dry_run      boolean not null,
        max_closings integer not null,
        status       text not null default 'running'
                     check (status in ('running', 'done', 'cancelled', 'stopped', 'failed')),
        problem      text,
        requested_by text not null,
        requested_at timestamptz not null default clock_timestamp(),
        finished_at  timestamptz,
        -- Where it is: the phase, the object within the phase, the page of that object's list.
        phase        text not null,
        place        text collate "C" not null default '',
        cursor_id    text,
        progress     jsonb not null default '{}' -- what → how many
      );
      create unique index reconciliations_in_order on reconciliations (seq);
      create unique index reconciliations_one_at_a_time on reconciliations (provider_id) where status = 'running';

      -- What WorkOS has listed, until the end of the run.
      create table reconciliation_seen (
        reconciliation_id text not null,
        kind              text not null,
        id                text collate "C" not null,
        primary key (reconciliation_id, kind, id)
      );

      create table reconciliation_differences (
        reconciliation_id text not null references reconciliations,
        seq               bigint generated always as identity,
        kind              text not null,
        user_id           text,
        organization_id   text,
        session_id        text,
        detail            text,
        event             jsonb, -- what repairs it; null: a warning
        repaired_at       timestamptz,
        primary key (reconciliation_id, seq)
      );
      create index reconciliation_differences_by_kind on reconciliation_differences (reconciliation_id, kind);
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table reconciliation_differences, reconciliation_seen, reconciliations');
  }
}
