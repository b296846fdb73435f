import { CANARY_PROVIDER_ID } from '#contracts/identity-provider.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

/** One effect: who, what, why. When, the database says. */
export interface AuditEntry {
  /** `workos`, or the name of an API key. */
  actor: string;
  action: string;
  providerId: string | null;
  /** What it was done to: a scope key, a grant's id, … */
  subject: string;
  reason: string | null;
  sourceEventId: string | null;
  detail?: Record<string, unknown>;
}

/** Appends; an effect of an event is kept once, however often it is delivered. */
export async function appendAudit(tx: Tx, entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await tx.query(
    `insert into audit (actor, action, provider_id, subject, reason, source_event_id, detail)
     select actor, action, provider_id, subject, reason, source_event_id, detail::jsonb
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) with ordinality
       as n (actor, action, provider_id, subject, reason, source_event_id, detail, place)
     order by place
     on conflict do nothing`,
    columns(
      entries,
      ({ actor }) => actor,
      ({ action }) => action,
      ({ providerId }) => providerId,
      ({ subject }) => subject,
      ({ reason }) => reason,
      ({ sourceEventId }) => sourceEventId,
      ({ detail }) => (detail ? JSON.stringify(detail) : null),
    ),
  );
}

export interface AuditRow {
  id: string;
  at: Date;
  actor: string;
  action: string;
  provider_id: string | null;
  subject: string;
  reason: string | null;
  source_event_id: string | null;
  detail: Record<string, unknown> | null;
  seq: string | null;
  hash: Buffer | null;
}

/** Newest first, before an id; those of the canary, one each minute, only where its provider or one of them is asked for. */
export function readAudit(
  tx: Tx,
  filter: { subject?: string | undefined; source_event_id?: string | undefined; provider_id?: string | undefined },
  page: { before: string | undefined; limit: number },
): Promise<AuditRow[]> {
  return rowsOf(
    tx,
    `select a.*, c.seq, c.hash from audit a left join audit_chain c on c.audit_id = a.id
     where ($1::bigint is null or a.id < $1) and ($2::text is null or a.subject = $2)
       and ($3::text is null or a.source_event_id = $3) and ($4::text is null or a.provider_id = $4)
       and (coalesce($2, $3, $4) is not null or a.provider_id is distinct from '${CANARY_PROVIDER_ID}')
     order by a.id desc limit $5`,
    [
      page.before ?? null,
      filter.subject ?? null,
      filter.source_event_id ?? null,
      filter.provider_id ?? null,
      page.limit,
    ],
  );
}

/** All that belongs to somebody, as subjects of the audit: $1 a user's id, $2 providers. */
const SUBJECTS_OF_PERSON = `
  select p || '/user:' || $1 as subject from unnest($2::text[]) p
  union select scope_key from scopes where user_id = $1 and provider_id = any($2)
  union select provider_id || '/membership:' || user_id || ':' || organization_id
    from memberships where user_id = $1 and provider_id = any($2)
  union select provider_id || '/org:' || organization_id from memberships where user_id = $1 and provider_id = any($2)
  union select provider_id || '/session:' || id from sessions where user_id = $1 and provider_id = any($2)
  union select unnest(array[
      id,
      provider_id || '/org:' || organization_id,
      provider_id || '/membership:' || user_id || ':' || organization_id,
      provider_id || '/session:' || session_id])
    from grants where user_id = $1 and provider_id = any($2)`;

/**
 * What was done to somebody: to themselves, to their organizations, memberships, sessions and grants. Newest first, before an
 * id. Each subject is asked for its own newest rows, so the size of the audit does not matter.
 */
export function readAuditOfPerson(
  tx: Tx,
  person: { userId: string; providerIds: readonly string[] },
  page: { before: string | undefined; limit: number },
): Promise<AuditRow[]> {
  return rowsOf(
    tx,
    `select a.*, c.seq, c.hash from (
       select own.* from (${SUBJECTS_OF_PERSON}) s
       cross join lateral (
         select * from audit where subject = s.subject collate "default" and ($3::bigint is null or id < $3) order by id desc limit $4
       ) own
       order by own.id desc limit $4
     ) a left join audit_chain c on c.audit_id = a.id order by a.id desc`,
    [person.userId, person.providerIds, page.before ?? null, page.limit],
  );
}
