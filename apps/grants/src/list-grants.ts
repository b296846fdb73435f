import type { z } from 'zod';
import { Problem } from '#platform/problem.js';
import { scopesOf } from '#revocation/scope.js';
import { type GrantView, standingOf, viewOf } from './grant-view.js';
import type { grantQuery } from './grants.controller.js';
import { clock, type Grant, type GrantRow, grantOfRow } from './grants.sql.js';
import { encodeCursor, type Page } from './paging.js';
import { readScopes } from './scopes.sql.js';
import { rowsOf, type Tx } from '#platform/sql.js';

type GrantQuery = z.output<typeof grantQuery>;

const VOID = '(g.revoked_at is not null or g.hand_revoked_at is not null)';
/** A grant's mark says what the rule says, unless a job has still to write it. */
const UNSETTLED = `exists (
  select 1 from marking_jobs j
  where j.scope_key in (g.provider_id || '/user:' || g.user_id, g.provider_id || '/org:' || g.organization_id,
    g.provider_id || '/membership:' || g.user_id || ':' || g.organization_id, g.provider_id || '/session:' || g.session_id))`;
/** $1 is now. @param marked whether a mark must stand there, as far as marks say it all */
const CANDIDATES = {
  active: (marked: Marked) => `${marked(0)} and (g.expires_at is null or g.expires_at > $1)`,
  revoked: (marked: Marked) => marked(1),
  expired: (marked: Marked) => `${marked(0)} and g.expires_at <= $1`,
};
type Marked = (isVoid: 0 | 1) => string;
const settled: Marked = (isVoid) => (isVoid ? VOID : `not ${VOID}`);
const unsettled: Marked = (isVoid) => `(${settled(isVoid)} or ${UNSETTLED})`;

/** Pages that are looked at for one answer, before it is given with fewer grants than asked for. */
const MOST_PAGES = 20;

/** Newest first; of expired ones, those first that expired last. The marks find the candidates, the rule says what they are worth. */
export async function listGrants(tx: Tx, query: GrantQuery): Promise<Page<GrantView>> {
  const { limit, status } = query;
  const now = await clock(tx);
  // Without jobs the marks say it all: jobs are there for moments, after a mass deprovisioning, or while somebody decides.
  const [jobs] = await rowsOf<{ any: boolean }>(tx, 'select exists (select 1 from marking_jobs) as any');
  const marked = jobs!.any ? unsettled : settled;
  const placeOf = ({ id, expiresAt }: Grant): string[] => (status === 'expired' ? [id, String(expiresAt)] : [id]);
  const data: GrantView[] = [];
  let before = query.cursor;
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const rows = await readPage(tx, query, { marked, before, now, limit: limit + 1 });
    const grants = rows.slice(0, limit).map(grantOfRow);
    const known = await readScopes(tx, grants.flatMap(scopesOf));
    for (const grant of grants) {
      const standing = standingOf(grant, known, now);
      before = placeOf(grant);
      if (status !== undefined && standing.status !== status) continue;
      data.push(viewOf(grant, standing));
      if (data.length === limit)
        return { data, next_cursor: rows.length > limit || grant !== grants.at(-1) ? encodeCursor(before) : null };
    }
    if (rows.length <= limit) return { data, next_cursor: null };
  }
  return { data, next_cursor: before === undefined ? null : encodeCursor(before) };
}

function readPage(
  tx: Tx,
  query: GrantQuery,
  page: { marked: Marked; before: string[] | undefined; now: number; limit: number },
): Promise<GrantRow[]> {
  const conditions: string[] = ['$1::float8 is not null'];
  if (query.status !== undefined) conditions.push(CANDIDATES[query.status](page.marked));
  const parameters: unknown[] = [page.now, page.limit];
  const given = (condition: string, ...values: unknown[]): void => {
    for (const value of values) {
      parameters.push(value);
      condition = condition.replace('?', `$${parameters.length}`);
    }
    conditions.push(condition);
  };
  for (const column of ['provider_id', 'user_id', 'organization_id', 'session_id', 'resource'] as const) {
    if (query[column] !== undefined) given(`g.${column} = ?`, query[column]);
  }
  const byExpiry = query.status === 'expired';
  if (page.before && byExpiry) given('(g.expires_at, g.id) < (?, ?)', expiryOf(page.before), page.before[0]);
  else if (page.before) given('g.id < ?', page.before[0]);
  return rowsOf(
    tx,
    `select g.* from grants g where ${conditions.join(' and ')}
     order by ${byExpiry ? 'g.expires_at desc, ' : ''}g.id desc limit $2`,
    parameters,
  );
}

/** Of a cursor of expired grants; one of another list has none. */
function expiryOf([, expiresAt]: string[]): number {
  const at = Number(expiresAt);
  if (expiresAt !== undefined && Number.isFinite(at)) return at;
  throw new Problem(400, 'request_invalid', 'cursor: must be a next_cursor of this list');
}
