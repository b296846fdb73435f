import type { Database } from '#platform/database.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import { applyBatch } from '../apps/grants/src/events/apply-batch.js';
import { checkAccess } from '../apps/grants/src/grants/check-access.js';
import { listGrants } from '../apps/grants/src/grants/list-grants.js';
import { PROVIDER, recordOf, seconds, withGrantsDatabase } from './grants-database.js';
import { median, type Row } from './row.js';

const MOST_GRANTS = Number(process.env['BENCH_MOST_GRANTS'] ?? 10_000_000);
const SIZES = [10_000, 100_000, 1_000_000, 10_000_000].filter((size) => size <= MOST_GRANTS);
const GRANTS_OF_ONE = 10;
const MEMBERS_OF_ONE = 1_000;
const SAMPLES = 101;
const LIMITS = { inline: 5_000 };

/** What one person's deletion, one question and one page take while the table of grants grows, on a database of its own. */
export async function growth(): Promise<Row[]> {
  return withGrantsDatabase(async (database) => {
    const rows: Row[] = [];
    let first: Taken | undefined;
    for (const [index, size] of SIZES.entries()) {
      await database.transaction((tx) => seed(tx, SIZES[index - 1] ?? 0, size));
      await database.read((tx) => rowsOf(tx, 'vacuum analyze'));
      await database.read((tx) => rowsOf(tx, 'checkpoint'));
      const taken = await measure(database, size);
      first ??= taken;
      rows.push(...rowsFor(size, taken, first));
    }
    return rows;
  });
}

export type Taken = Record<'deletion' | 'question' | 'page', number>;

/** Beside what it took at the smallest size: 1 is no growth at all. */
export function rowsFor(size: number, taken: Taken, first: Taken): Row[] {
  const names = {
    deletion: 'a deletion applied',
    question: 'POST /v1/access/check',
    page: "a page of somebody's grants",
  };
  return (Object.keys(names) as (keyof Taken)[]).map((what) => ({
    name: `${size.toLocaleString('en-US')} grants: ${names[what]}, p50`,
    value: taken[what],
    unit: 'ms',
    ratio: taken[what] / first[what],
    target: '',
    met: undefined,
  }));
}

/** Each sample is of another person, spread over all of them, so that not all of it lies in the cache already. */
async function measure(database: Database, size: number): Promise<Taken> {
  const taken: Record<keyof Taken, number[]> = { deletion: [], question: [], page: [] };
  const people = size / GRANTS_OF_ONE;
  for (let sample = 0; sample < SAMPLES; sample++) {
    // Prime to every size: nobody comes twice at one of them.
    const userId = userOf((sample * 7_919 + size / 10_000) % people);
    const organizationId = organizationOf(userId);
    const [grant] = await database.read((tx) =>
      rowsOf<{ resource: string }>(
        tx,
        'select resource from grants where user_id = $1 and revoked_at is null order by id limit 1',
        [userId],
      ),
    );
    if (!grant) continue; // deleted at a smaller size
    const question = { providerId: PROVIDER, userId, organizationId, resource: grant.resource, scope: 'read' };
    const ask = () => database.read((tx) => checkAccess(tx, question));
    const page = () => database.read((tx) => listGrants(tx, { user_id: userId, provider_id: PROVIDER, limit: 50 }));
    taken.question.push(await milliseconds(async () => mustBe((await ask()).allowed, true)));
    taken.page.push(await milliseconds(async () => mustBe((await page()).data.length, GRANTS_OF_ONE)));
    taken.deletion.push(await milliseconds(() => remove(database, userId)));
    mustBe((await ask()).allowed, false);
  }
  return { deletion: median(taken.deletion), question: median(taken.question), page: median(taken.page) };
}

const milliseconds = async (work: () => Promise<unknown>): Promise<number> => 1_000 * (await seconds(work));

const remove = (database: Database, id: string): Promise<unknown> =>
  database.transaction((tx) =>
    applyBatch(tx, [recordOf('user.deleted', { id })], { suspensionOf: () => undefined, limits: LIMITS }),
  );

function mustBe(value: unknown, expected: unknown): void {
  if (value !== expected) throw new Error(`${String(value)} in place of ${String(expected)}`);
}

const userOf = (index: number): string => `user_${String(index).padStart(26, '0')}`;
const organizationOf = (userId: string): string =>
  `org_${String(Math.floor(Number(userId.slice(5)) / MEMBERS_OF_ONE)).padStart(26, '0')}`;

/** The grants from the one size up to the next, as granting makes them. */
async function seed(tx: Tx, from: number, to: number): Promise<void> {
  const people = [from / GRANTS_OF_ONE, to / GRANTS_OF_ONE - 1];
  const user = `'user_' || lpad(n::text, 26, '0')`;
  const organization = `'org_' || lpad((n / ${MEMBERS_OF_ONE})::text, 26, '0')`;
  await tx.query('set local statement_timeout = 0');
  await tx.query(
    `insert into memberships (provider_id, user_id, organization_id, status, changed_at, changed_event)
     select $1, ${user}, ${organization}, 'active', 0, '' from generate_series($2::int, $3::int) n`,
    [PROVIDER, ...people],
  );
  await tx.query(
    `insert into grants (id, provider_id, user_id, organization_id, session_id, resource, scopes, granted_at, granted_by)
     select 'grant_' || lpad((n * ${GRANTS_OF_ONE} + k)::text, 26, '0'), $1, ${user}, ${organization}, null, 'vault/' || k,
       '{read,write}', extract(epoch from now() - interval '40 days') * 1000 + n, 'bench'
     from generate_series($2::int, $3::int) n, generate_series(0, ${GRANTS_OF_ONE - 1}) k`,
    [PROVIDER, ...people],
  );
  await tx.query(
    `insert into scopes (scope_key, provider_id, kind, user_id, organization_id, session_id)
     select $1 || '/user:' || ${user}, $1, 'user', ${user}, null, null from generate_series($2::int, $3::int) n
     union all
     select $1 || '/membership:' || ${user} || ':' || ${organization}, $1, 'membership', ${user}, ${organization}, null
     from generate_series($2::int, $3::int) n`,
    [PROVIDER, ...people],
  );
}
