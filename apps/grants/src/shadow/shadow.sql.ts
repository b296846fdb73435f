import type { SourcedUpdate } from '../domain/fold.js';
import { scopeIds } from '../scopes/scopes.sql.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

/** Keeps what would have been ended; once, however often the event is delivered. */
export async function insertShadowRevocations(tx: Tx, updates: readonly SourcedUpdate[]): Promise<void> {
  if (updates.length === 0) return;
  await tx.query(
    `insert into shadow_revocations
       (scope_key, provider_id, kind, user_id, organization_id, session_id, closed_at, tokens_before, reason,
        source_event_id, occurred_at)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::float8[],
       $8::float8[], $9::text[], $10::text[], $11::float8[])
     on conflict do nothing`,
    columns(
      updates.map((update) => ({ ...update, ids: scopeIds(update.scope) })),
      ({ ids }) => ids.scope_key,
      ({ ids }) => ids.provider_id,
      ({ ids }) => ids.kind,
      ({ ids }) => ids.user_id,
      ({ ids }) => ids.organization_id,
      ({ ids }) => ids.session_id,
      ({ state }) => state.closedAt,
      ({ state }) => state.tokensBefore,
      ({ reason }) => reason,
      ({ source }) => source.eventId,
      ({ source }) => source.occurredAt,
    ),
  );
}

export interface ShadowRow {
  id: string;
  provider_id: string;
  scope_key: string;
  user_id: string | null;
  organization_id: string | null;
  session_id: string | null;
  closed_at: number;
  tokens_before: number;
  reason: string;
  source_event_id: string;
  occurred_at: number;
  recorded_at: Date;
  sent_again_at: Date | null;
  grants: number;
}

/** Counted no further than this. */
const MOST_GRANTS = 1_000;
const OF_KIND = {
  user: 'g.user_id = r.user_id and g.provider_id = r.provider_id',
  organization: 'g.organization_id = r.organization_id and g.provider_id = r.provider_id',
  membership: 'g.user_id = r.user_id and g.provider_id = r.provider_id and g.organization_id = r.organization_id',
  session: 'g.session_id = r.session_id and g.provider_id = r.provider_id',
};

/** Newest first, before an id; with the grants that would be void by it and are not yet. */
export function readShadowRevocations(
  tx: Tx,
  filter: { provider_id?: string | undefined },
  page: { before: string | undefined; limit: number },
): Promise<ShadowRow[]> {
  const grants = Object.entries(OF_KIND).map(
    ([kind, join]) => `select 1 from grants g
      where r.kind = '${kind}' and ${join} and g.granted_at <= r.closed_at
        and g.revoked_at is null and g.hand_revoked_at is null`,
  );
  return rowsOf(
    tx,
    `select r.*, e.sent_again_at, found.n as grants
     from (
       select * from shadow_revocations
       where ($1::text is null or provider_id = $1) and ($2::bigint is null or id < $2)
       order by id desc limit $3
     ) r
     left join receipts e on e.event_id = r.source_event_id and e.provider_id = r.provider_id
     cross join lateral (
       select count(*)::int as n from (${grants.join(' union all ')} limit ${MOST_GRANTS}) as few
     ) found
     order by r.id desc`,
    [filter.provider_id ?? null, page.before ?? null, page.limit],
  );
}

export interface ShadowEvent {
  provider_id: string;
  seq: string;
  value: Buffer;
}

/** Takes the oldest events in shadow of some providers that were not sent again, to be sent in the same transaction. */
export function takeShadowEvents(tx: Tx, providerIds: readonly string[], limit: number): Promise<ShadowEvent[]> {
  return rowsOf(
    tx,
    `with one as (
       select p from unnest($1::text[]) p
       where exists (
         select 1 from receipts where provider_id = p and outcome = 'shadow' and sent_again_at is null)
       limit 1
     ), due as (
       select event_id, provider_id from receipts
       where provider_id = (select p from one) and outcome = 'shadow' and sent_again_at is null
       order by seq limit $2 for update skip locked
     ), taken as (
       update receipts r set sent_again_at = clock_timestamp()
       from due where r.event_id = due.event_id and r.provider_id = due.provider_id
       returning r.provider_id, r.seq, r.value
     )
     select * from taken order by seq`,
    [providerIds, limit],
  );
}
