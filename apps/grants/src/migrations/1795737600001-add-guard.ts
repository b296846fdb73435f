import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The guard against mass deprovisioning (docs/adr/0004). */
export class AddGuard1795737600001 implements MigrationInterface {
  name = 'AddGuard1795737600001';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table guard_trips (
        id             text collate "C" primary key, -- sorts by the time of its making
        provider_id    text not null,
        status         text not null check (status in ('paused', 'confirmed', 'undone')),
        tripped_at     timestamptz not null default clock_timestamp(),
        known_users    integer not null, -- counted no further than the guard had to
        allowed_users  integer not null, -- more of them within the window tripped it
        window_seconds integer not null,
        decided_at     timestamptz,
        decided_by     text,
        note           text,
        check ((status = 'paused') = (decided_at is null)),
        check ((decided_at is null) = (decided_by is null))
      );
      create unique index guard_trips_paused on guard_trips (provider_id) where status = 'paused';

      -- Who was shut out by which event: what the guard counts, and what an undoing looks through.
      create table guard_closings (
        provider_id     text not null,
        scope_key       text collate "C" not null,
        user_id         text collate "C" not null,
        occurred_at     double precision not null,
        source_event_id text not null,
        trip_id         text collate "C" references guard_trips,
        undone          text check (undone in ('reopened', 'tombstone', 'left')), -- what an undoing made of the scope
        recorded_at     timestamptz not null default clock_timestamp(),
        primary key (scope_key, source_event_id, user_id)
      );
      create index guard_closings_counted on guard_closings (provider_id, occurred_at);
      create index guard_closings_of_trip on guard_closings (trip_id, scope_key) where trip_id is not null;
      create index guard_closings_by_age on guard_closings (recorded_at) where trip_id is null;

      alter table marking_jobs add held_by text collate "C" references guard_trips;
      create index marking_jobs_held on marking_jobs (held_by) where held_by is not null;
      create index marking_jobs_to_do on marking_jobs (requested_at) where held_by is null;
      create index users_of_provider on users (provider_id, deleted_at);
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      drop index users_of_provider, marking_jobs_to_do, marking_jobs_held;
      alter table marking_jobs drop held_by;
      drop table guard_closings, guard_trips;
    `);
  }
}
