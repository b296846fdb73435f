import type { z } from 'zod';
import { scopesOf } from '#revocation/scope.js';
import { type GrantView, standingOf, viewOf } from './grant-view.js';
import type { grantQuery } from './grants.controller.js';
import { clock, type GrantRow, grantOfRow } from './grants.sql.js';
import { encodeCursor, type Page } from './paging.js';
import { readScopes } from './scopes.sql.js';
import { rowsOf, type Tx } from '#platform/sql.js';

type GrantQuery = z.output<typeof grantQuery>;

/** A grant's mark says what the rule says, unless a job has still to write it. */
const UNSETTLED = `exists (
  select 1 from marking_jobs j
  where j.scope_key in (g.provider_id || '/user:' || g.user_id, g.provider_id || '/org:' || g.organization_id,
    g.provider_id || '/membership:' || g.user_id || ':' || g.organization_id, g.provider_id || '/session:' || g.session_id))`;
const VOID = '(g.revoked_at is not null or g.hand_revoked_at is not null)';
const CANDIDATES = {
  active: `(not ${VOID} or ${UNSETTLED}) and (g.expires_at is null or g.expires_at > $1)`,
  revoked: `(${VOID} or ${UNSETTLED})`,
  expired: `(not ${VOID} or ${UNSETTLED}) and g.expires_at <= $1`,
};
/** Pages that are looked at for one answer, before it is given with fewer grants than asked for. */
const MOST_PAGES = 20;

/** Newest first. The marks find the candidates, and the rule says what each of them is worth. */
export async function listGrants(tx: Tx, query: GrantQuery): Promise<Page<GrantView>> {
  const { limit, status } = query;
  const now = await clock(tx);
  const data: GrantView[] = [];
  let before = query.cursor?.[0];
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const rows = await readPage(tx, query, before, now, limit + 1);
    const grants = rows.slice(0, limit).map(grantOfRow);
    const known = await readScopes(tx, grants.flatMap(scopesOf));
    for (const grant of grants) {
      const standing = standingOf(grant, known, now);
      before = grant.id;
      if (status !== undefined && standing.status !== status) continue;
      if (data.length === limit) return { data, next_cursor: encodeCursor([data.at(-1)!.id]) };
      data.push(viewOf(grant, standing));
    }
    if (rows.length <= limit) return { data, next_cursor: null };
    if (data.length === limit) break;
  }
  return { data, next_cursor: before === undefined ? null : encodeCursor([before]) };
}

function readPage(
  tx: Tx,
  query: GrantQuery,
  before: string | undefined,
  now: number,
  limit: number,
): Promise<GrantRow[]> {
  const conditions: string[] = ['$1::float8 is not null'];
  if (query.status !== undefined) conditions.push(CANDIDATES[query.status]);
  const parameters: unknown[] = [now, limit];
  const given = (condition: string, value: unknown): void => {
    parameters.push(value);
    conditions.push(condition.replace('?', `$${parameters.length}`));
  };
  for (const column of ['provider_id', 'user_id', 'organization_id', 'session_id', 'resource'] as const) {
    if (query[column] !== undefined) given(`g.${column} = ?`, query[column]);
  }
  if (before !== undefined) given('g.id < ?', before);
  return rowsOf(
    tx,
    `select g.* from grants g where ${conditions.join(' and ')} order by g.id desc limit $2`,
    parameters,
  );
}
