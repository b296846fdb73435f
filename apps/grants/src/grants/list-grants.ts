import { z } from 'zod';
import { Problem } from '#platform/problem.js';
import { scopesOf } from '#revocation/scope.js';
import { grantStatus, type GrantView, standingOf, viewOf } from './grant-view.js';
import { clock, type Grant, type GrantRow, grantOfRow } from './grants.sql.js';
import { encodeCursor, type Page, pageQuery } from '../paging.js';
import { readScopes } from '../scopes/scopes.sql.js';
import { id, plainText } from '../scopes/selectors.js';
import { rowsOf, type Tx } from '#platform/sql.js';

export const grantQuery = z.object({
  provider_id: id.optional(),
  user_id: id.optional(),
  organization_id: id.optional(),
  session_id: id.optional(),
  resource: plainText(500).optional(),
  status: grantStatus.optional(),
  ...pageQuery,
});

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
  expired: (marked: Marked) => marked(0),
};
type Marked = (isVoid: 0 | 1) => string;
const settled: Marked = (isVoid) => (isVoid ? VOID : `not ${VOID}`);
const unsettled: Marked = (isVoid) => `(${settled(isVoid)} or ${UNSETTLED})`;

/** Pages that are judged for one answer, before it is given with fewer grants than asked for. */
const MOST_PAGES = 20;
/**
 * Grants that one page walks through in search of a status, some 25 ms: no index knows it (docs/adr/0015), and the newest
 * hundred thousand of an organization may all be revoked.
 */
const MOST_WALKED = 5_000;

/**
 * Newest first; of expired ones, those first that expired last. The marks find the candidates, the rule says what they are worth.
 * A page may hold fewer than asked for, or none, and say by its cursor that there is more to look through.
 */
export async function listGrants(tx: Tx, query: GrantQuery, mostWalked = MOST_WALKED): Promise<Page<GrantView>> {
  const { limit, status } = query;
  const now = await clock(tx);
  // Without jobs the marks say it all: jobs are there for moments, after a mass deprovisioning, or while somebody decides.
  const [jobs] = await rowsOf<{ any: boolean }>(tx, 'select exists (select 1 from marking_jobs) as any');
  const marked = jobs!.any ? unsettled : settled;
  const placeOf = ({ id, expiresAt }: Place): string[] => (status === 'expired' ? [id, String(expiresAt)] : [id]);
  const data: GrantView[] = [];
  let before = query.cursor;
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const walk = walkOf(query, before, now);
    const rows = await readPage(tx, walk, {
      candidates: status && CANDIDATES[status](marked),
      limit: limit + 1,
      mostWalked,
    });
    const grants = rows.slice(0, limit).map(grantOfRow);
    const known = await readScopes(tx, grants.flatMap(scopesOf));
    for (const grant of grants) {
      const standing = standingOf(grant, known, now);
      before = placeOf(grant);
      if (status !== undefined && standing.status !== status) continue;
      data.push(viewOf(grant, standing));
      const more = rows.length > limit || grant !== grants.at(-1);
      if (data.length === limit && more) return { data, next_cursor: encodeCursor(before) };
    }
    if (rows.length <= limit) {
      const last = status === undefined ? undefined : await lastWalked(tx, walk, mostWalked);
      return { data, next_cursor: last === undefined ? null : encodeCursor(placeOf(last)) };
    }
  }
  return { data, next_cursor: before === undefined ? null : encodeCursor(before) };
}

/** Where a page ends. */
type Place = Pick<Grant, 'id' | 'expiresAt'>;

/** What is walked through for a page, along one index, and from where. $1 is now. */
interface Walk {
  conditions: string;
  order: string;
  parameters: readonly unknown[];
}

function walkOf(query: GrantQuery, before: string[] | undefined, now: number): Walk {
  const conditions: string[] = ['$1::float8 is not null'];
  const parameters: unknown[] = [now];
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
  if (byExpiry) conditions.push('g.expires_at <= $1');
  if (before && byExpiry) given('(g.expires_at, g.id) < (?, ?)', expiryOf(before), before[0]);
  else if (before) given('g.id < ?', before[0]);
  return {
    conditions: conditions.join(' and '),
    order: byExpiry ? 'g.expires_at desc, g.id desc' : 'g.id desc',
    parameters,
  };
}

function readPage(
  tx: Tx,
  { conditions, order, parameters }: Walk,
  page: { candidates: string | undefined; limit: number; mostWalked: number },
): Promise<GrantRow[]> {
  const all = `select g.* from grants g where ${conditions} order by ${order}`;
  if (page.candidates === undefined) return rowsOf(tx, `${all} limit ${page.limit}`, parameters);
  return rowsOf(
    tx,
    `select g.* from (${all} limit ${page.mostWalked}) g where ${page.candidates} order by ${order} limit ${page.limit}`,
    parameters,
  );
}

/** The last grant of a walk that has not come to the end of the list. */
async function lastWalked(tx: Tx, { conditions, order, parameters }: Walk, walked: number): Promise<Place | undefined> {
  const [last] = await rowsOf<{ id: string; expires_at: number | null }>(
    tx,
    `select g.id, g.expires_at from grants g where ${conditions} order by ${order} offset ${walked - 1} limit 1`,
    parameters,
  );
  return last && { id: last.id, expiresAt: last.expires_at };
}

/** Of a cursor of expired grants; one of another list has none. */
function expiryOf([, expiresAt]: string[]): number {
  const at = Number(expiresAt);
  if (expiresAt !== undefined && Number.isFinite(at)) return at;
  throw new Problem(400, 'request_invalid', 'cursor: must be a next_cursor of this list');
}
