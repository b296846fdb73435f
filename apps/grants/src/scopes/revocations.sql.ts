import { CANARY_PROVIDER_ID } from '#contracts/identity-provider.js';
import type { RevocationData } from '#contracts/revocation.js';
import type { Announcement } from '../domain/announcements.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

/** Keeps what is announced, for `GET /v1/revocations`. */
export async function insertRevocations(tx: Tx, announcements: readonly Announcement[]): Promise<void> {
  if (announcements.length === 0) return;
  await tx.query(
    `insert into revocations (provider_id, scope_key, user_id, organization_id, session_id, actor, data)
     select provider_id, scope_key, user_id, organization_id, session_id, actor, data::json
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) with ordinality
       as n (provider_id, scope_key, user_id, organization_id, session_id, actor, data, place)
     order by place`,
    columns(
      announcements,
      ({ data }) => data.provider_id,
      ({ data }) => data.scope,
      ({ data }) => data.user_id ?? null,
      ({ data }) => data.organization_id ?? null,
      ({ data }) => data.session_id ?? null,
      ({ actor }) => actor,
      ({ data }) => JSON.stringify(data),
    ),
  );
}

export interface RevocationRow {
  id: string;
  actor: string | null;
  data: RevocationData;
  announced_at: Date;
}

/** Newest first, before an id; those of the canary, one each minute, only where its provider is asked for. */
export function readRevocations(
  tx: Tx,
  filter: { provider_id?: string | undefined; user_id?: string | undefined; organization_id?: string | undefined },
  page: { before: string | undefined; limit: number },
): Promise<RevocationRow[]> {
  return rowsOf(
    tx,
    `select id, actor, data, announced_at from revocations
     where ($1::bigint is null or id < $1) and ($2::text is null or provider_id = $2)
       and ($2::text is not null or provider_id <> '${CANARY_PROVIDER_ID}')
       and ($3::text is null or user_id = $3) and ($4::text is null or organization_id = $4)
     order by id desc limit $5`,
    [
      page.before ?? null,
      filter.provider_id ?? null,
      filter.user_id ?? null,
      filter.organization_id ?? null,
      page.limit,
    ],
  );
}
