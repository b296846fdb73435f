import { columns, rowsOf, type Tx } from '#platform/sql.js';
import { keyOf, type Scope, scopesOf } from '#revocation/scope.js';
import { auditOfMark } from '../scopes/change-scopes.js';
import type { MarkOfSpan } from '../domain/mark.js';
import { inScope } from '../grants/grants.sql.js';

/** Some grants of a scope, in the order of their ids. */
export interface Page {
  /** An array of them as Postgres writes it, and reads it: nobody else looks into it. */
  ids: string;
  grants: number;
  lastId: string | undefined;
}

/** Locks the next grants of a scope against being marked by others. States that decide about them are to be read after that. */
export async function lockPage(tx: Tx, scope: Scope, afterId: string, limit: number): Promise<Page> {
  const { condition, ids } = inScope(scope, 3);
  const [row] = await rowsOf<{ ids: string; n: string; last_id: string | null }>(
    tx,
    `select array_agg(id)::text as ids, count(*) as n, max(id) as last_id from (
       select id from grants where ${condition} and id > $1 order by id limit $2 for no key update
     ) as locked`,
    [afterId, limit, ...ids],
  );
  return { ids: row!.ids, grants: Number(row!.n), lastId: row!.last_id ?? undefined };
}

/** The keys of the scopes of a grant `g` of SQL: what `scopesOf` says of its columns. Null where it has no such scope. */
const KEYS_OF_ROW = scopesOf({
  providerId: '<g.provider_id>',
  userId: '<g.user_id>',
  organizationId: '<g.organization_id>',
  sessionId: '<g.session_id>',
}).map((key) => `'${key.replace(/<([a-z_.]+)>/g, `' || $1 || '`)}'`);

/**
 * Writes onto the grants of a locked page what the rule says of them, and the audit of it: all in one statement, so no row
 * comes here. Leaves out those of which another scope has been closed as well, since of them the rule may say something else,
 * and answers their ids.
 * @param spans what it says of the others, by when they were granted
 */
export async function markPage(
  tx: Tx,
  scope: Scope,
  page: Page,
  spans: readonly MarkOfSpan[],
): Promise<{ marked: number; others: string[] }> {
  const said = spans.map((span) => {
    const audit = auditOfMark({ grant: { id: '', providerId: scope.providerId }, mark: span.mark });
    return { ...span, audit };
  });
  // Else, of some hundred closings, the planner looks through all of them for each grant, since they are a few pages: the keys are
  // computed anew for each, and 500 grants take 2 s on a busy machine in place of 10 ms.
  await tx.query('set local enable_seqscan = off');
  const types = 'float8 float8 float8 text text text text text text text text text'.split(' ');
  const [row] = await rowsOf<{ marked: string; others: string[] }>(
    tx,
    `with others as materialized (
       select g.id from grants g
       where g.id = any($1::text[]) and exists (
         select 1 from scope_closings c -- every closing is there, so a scope without any was never closed
         where c.scope_key = any(array[${KEYS_OF_ROW.join(', ')}]) and c.scope_key <> $2
         offset 0 -- asked of each grant, by the key
       )
     ), marked as (
       update grants g
       set revoked_at = said.revoked_at, reason = said.reason, source_event_id = said.source_event_id,
         revoked_scope = said.revoked_scope, actor = said.actor
       from unnest(${types.map((type, index) => `$${index + 3}::${type}[]`).join(', ')}) as said
         (after, up_to, revoked_at, reason, source_event_id, revoked_scope, actor,
          audit_actor, action, audit_reason, audit_event, detail)
       where g.id = any($1::text[]) and g.granted_at > said.after and g.granted_at <= said.up_to
         and g.id not in (select id from others)
         and (g.revoked_at, g.reason, g.source_event_id, g.revoked_scope, g.actor) is distinct from
           (said.revoked_at, said.reason, said.source_event_id, said.revoked_scope, said.actor)
       returning g.id, g.provider_id, said.audit_actor, said.action, said.audit_reason, said.audit_event, said.detail
     ), audited as (
       insert into audit (actor, action, provider_id, subject, reason, source_event_id, detail)
       select audit_actor, action, provider_id, id, audit_reason, audit_event, detail::jsonb from marked order by id
       on conflict do nothing
     )
     select (select count(*) from marked) as marked, array(select id from others) as others`,
    [
      page.ids,
      keyOf(scope),
      ...columns(
        said,
        ({ after }) => after,
        ({ upTo }) => upTo,
        ({ mark }) => mark?.revokedAt ?? null,
        ({ mark }) => mark?.reason ?? null,
        ({ mark }) => mark?.sourceEventId ?? null,
        ({ mark }) => mark?.scope ?? null,
        ({ mark }) => mark?.actor ?? null,
        ({ audit }) => audit.actor,
        ({ audit }) => audit.action,
        ({ audit }) => audit.reason,
        ({ audit }) => audit.sourceEventId,
        ({ audit }) => (audit.detail ? JSON.stringify(audit.detail) : null),
      ),
    ],
  );
  return { marked: Number(row!.marked), others: row!.others };
}
