import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Moments that decide something are `double precision`, milliseconds since the epoch, with `infinity` for "for ever" and
 * `-infinity` for "never": the same numbers that the rule works with, nothing rounded and no zone in between. Clocks that
 * decide nothing (`received_at`, `applied_at`, …) are `timestamptz`.
 */
export class CreateGrants1767225600000 implements MigrationInterface {
  name = 'CreateGrants1767225600000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(SCOPES);
    await db.query(GRANTS);
    await db.query(DIRECTORY);
    await db.query(RECORDS);
    await db.query(AUDIT);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      drop table scopes, scope_closings, grants, idempotency_keys, marking_jobs, users, organizations, memberships,
        sessions, receipts, set_aside, consumer_positions, outbox, revocations, audit, audit_unsealed, audit_chain;
      drop function scopes_only_grow, audit_is_append_only, audit_awaits_seal;
    `);
  }
}

const SCOPES = `
  create table scopes (
    scope_key       text collate "C" primary key,
    provider_id     text not null,
    kind            text not null check (kind in ('user', 'organization', 'membership', 'session')),
    user_id         text,
    organization_id text,
    session_id      text,
    closed_at       double precision not null default '-infinity', -- infinity: a tombstone
    opened_at       double precision not null default '-infinity',
    tokens_before   double precision not null default '-infinity',
    reason          text, -- of the closing that closed_at stands for
    source_event_id text, -- null: by hand
    occurred_at     double precision,
    changed_at      timestamptz not null default clock_timestamp(),
    check ((closed_at = '-infinity') = (reason is null)),
    check ((reason is null) = (occurred_at is null))
  );
  create index scopes_of_user on scopes (user_id, provider_id) where user_id is not null;
  create index scopes_of_organization on scopes (organization_id, provider_id) where organization_id is not null;

  create function scopes_only_grow() returns trigger language plpgsql as $$
  begin
    if tg_op = 'DELETE' or new.closed_at < old.closed_at or new.opened_at < old.opened_at
       or new.tokens_before < old.tokens_before or new.scope_key <> old.scope_key then
      raise exception 'the state of a scope only grows';
    end if;
    return new;
  end $$;
  create trigger scopes_only_grow before update or delete on scopes for each row execute function scopes_only_grow();

  -- Every closing that a scope has had: a set that only grows, so what is computed from it knows no order.
  create table scope_closings (
    scope_key       text collate "C" not null,
    closed_at       double precision not null,
    reason          text not null,
    source_event_id text not null, -- '': by hand
    occurred_at     double precision not null,
    actor           text, -- who, where it was by hand
    primary key (scope_key, closed_at, occurred_at, source_event_id, reason)
  );
`;

const GRANTS = `
  create table grants (
    id              text collate "C" primary key, -- sorts by the time of granting
    provider_id     text not null,
    user_id         text not null,
    organization_id text,
    session_id      text,
    resource        text not null,
    scopes          text[] not null,
    granted_at      double precision not null,
    expires_at      double precision,
    granted_by      text not null,
    -- The mark: what the rule says of the grant and of its scopes' closings, for reports. Reads judge afresh.
    revoked_at      double precision,
    reason          text,
    source_event_id text,
    revoked_scope   text,
    actor           text,
    -- By hand, and final.
    hand_revoked_at double precision,
    hand_revoked_by text,
    hand_reason     text,
    check ((revoked_at is null) = (reason is null)),
    check ((hand_revoked_at is null) = (hand_revoked_by is null))
  );
  create index grants_of_user on grants (user_id, provider_id, id);
  create index grants_of_organization on grants (organization_id, provider_id, id) where organization_id is not null;
  create index grants_of_session on grants (session_id, provider_id, id) where session_id is not null;
  create index grants_of_resource on grants (resource, id);

  create table idempotency_keys (
    actor          text not null,
    key            text not null,
    request_sha256 bytea not null,
    answer         json not null,
    created_at     timestamptz not null default clock_timestamp(),
    primary key (actor, key)
  );
  create index idempotency_keys_by_age on idempotency_keys (created_at);

  -- Scopes with more grants than a batch marks itself. They are closed already; what is left is to write the marks.
  create table marking_jobs (
    scope_key       text collate "C" primary key,
    provider_id     text not null,
    kind            text not null,
    user_id         text,
    organization_id text,
    session_id      text,
    after_id        text collate "C" not null default '',
    requested_at    timestamptz not null default clock_timestamp()
  );
`;

const DIRECTORY = `
  -- Records for people to look at; they decide nothing. The newest event wins, by its own time and then by its id.
  create table users (
    provider_id   text not null,
    id            text not null,
    email         text,
    first_name    text,
    last_name     text,
    name          text,
    external_id   text,
    profile_at    double precision not null default '-infinity',
    profile_event text collate "C" not null default '',
    deleted_at    double precision, -- a deleted user stays deleted, whatever comes late
    sign_in_email text,
    first_seen_at double precision,
    last_seen_at  double precision,
    recorded_at   timestamptz not null default clock_timestamp(),
    primary key (id, provider_id)
  );
  create index users_by_email on users (lower(coalesce(email, sign_in_email)) text_pattern_ops);
  create index users_by_name on users (lower(coalesce(name, coalesce(first_name, '') || ' ' || coalesce(last_name, ''))) text_pattern_ops);

  create table organizations (
    provider_id   text not null,
    id            text not null,
    name          text,
    profile_at    double precision not null default '-infinity',
    profile_event text collate "C" not null default '',
    deleted_at    double precision,
    primary key (id, provider_id)
  );

  create table memberships (
    provider_id     text not null,
    user_id         text not null,
    organization_id text not null,
    membership_id   text,
    status          text not null,
    role            text,
    changed_at      double precision not null,
    changed_event   text collate "C" not null,
    primary key (user_id, organization_id, provider_id)
  );
  create index memberships_of_organization on memberships (organization_id, provider_id);

  create table sessions (
    provider_id     text not null,
    id              text not null,
    user_id         text,
    organization_id text,
    changed_at      double precision not null default '-infinity',
    changed_event   text collate "C" not null default '',
    created_at      double precision,
    revoked_at      double precision,
    first_seen_at   double precision,
    last_seen_at    double precision,
    primary key (id, provider_id)
  );
  create index sessions_of_user on sessions (user_id, provider_id);
`;

const RECORDS = `
  -- Each event once, as it came first.
  create table receipts (
    provider_id     text not null,
    event_id        text not null,
    type            text not null,
    outcome         text not null check (outcome in ('applied', 'no_effect', 'unknown_type')),
    user_id         text,
    organization_id text,
    occurred_at     double precision,
    received_at     timestamptz,
    applied_at      timestamptz not null default clock_timestamp(),
    topic           text not null,
    partition       integer not null,
    kafka_offset    bigint not null,
    value           bytea not null, -- the record as it came, byte for byte
    seq             bigint generated always as identity,
    primary key (event_id, provider_id)
  );
  create unique index receipts_in_order on receipts (seq);
  create index receipts_of_user on receipts (user_id, seq) where user_id is not null;
  create index receipts_of_organization on receipts (organization_id, seq) where organization_id is not null;
  create index receipts_of_type on receipts (type, seq);

  create table set_aside (
    id           text primary key,
    seq          bigint generated always as identity,
    topic        text not null,
    partition    integer not null,
    kafka_offset bigint not null,
    reason       text not null,
    detail       text,
    key          bytea,
    value        bytea,
    headers      jsonb not null, -- name → base64
    set_aside_at timestamptz not null default clock_timestamp(),
    redriven_at  timestamptz,
    redriven_by  text
  );
  create unique index set_aside_in_order on set_aside (seq);
  create index set_aside_waiting on set_aside (reason, seq) where redriven_at is null;

  -- How far each partition has been applied: the next offset.
  create table consumer_positions (
    topic       text not null,
    partition   integer not null,
    next_offset bigint not null,
    moved_at    timestamptz not null default clock_timestamp(),
    primary key (topic, partition)
  );

  -- Committed, and perhaps not yet published. Of one scope, ids are in the order of its states: they are drawn while
  -- the row of the scope is locked.
  create table outbox (
    id         bigint generated always as identity primary key,
    topic      text not null,
    key        bytea,
    value      bytea,
    headers    jsonb not null, -- name → base64
    created_at timestamptz not null default clock_timestamp()
  );
  alter table outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

  -- Each revocation as it was announced on access.revocations.
  create table revocations (
    id              bigint generated always as identity primary key,
    provider_id     text not null,
    scope_key       text not null,
    user_id         text,
    organization_id text,
    session_id      text,
    actor           text,
    data            json not null,
    announced_at    timestamptz not null default clock_timestamp()
  );
  create index revocations_of_user on revocations (user_id, id) where user_id is not null;
  create index revocations_of_organization on revocations (organization_id, id) where organization_id is not null;
`;

const AUDIT = `
  create table audit (
    id              bigint generated always as identity primary key,
    at              timestamptz not null default clock_timestamp(),
    actor           text not null, -- 'workos', or the name of an API key
    action          text not null,
    provider_id     text,
    subject         text not null, -- what it was done to: a scope key, a grant's id, …
    reason          text,
    source_event_id text,
    detail          jsonb
  );
  -- An effect of an event is there once, however often the event is delivered.
  create unique index audit_effect_once on audit (source_event_id, subject, action, provider_id)
    where source_event_id is not null;
  create index audit_of_subject on audit (subject, id);

  -- Rows that the chain does not hold yet.
  create table audit_unsealed (audit_id bigint primary key);

  -- The chain: hash = sha256(hash before || the row in canonical JSON). See audit-chain.ts.
  create table audit_chain (
    seq      bigint primary key,
    audit_id bigint not null unique,
    hash     bytea not null
  );

  create function audit_awaits_seal() returns trigger language plpgsql as $$
  begin
    insert into audit_unsealed values (new.id);
    return null;
  end $$;
  create trigger audit_awaits_seal after insert on audit for each row execute function audit_awaits_seal();

  create function audit_is_append_only() returns trigger language plpgsql as $$
  begin
    raise exception 'the audit is append-only' using errcode = 'insufficient_privilege';
  end $$;
  create trigger audit_is_append_only before update or delete or truncate on audit
    for each statement execute function audit_is_append_only();
  create trigger audit_chain_is_append_only before update or delete or truncate on audit_chain
    for each statement execute function audit_is_append_only();
  revoke update, delete, truncate on audit, audit_chain from public, current_user;
`;
