import type { Database } from '#platform/database.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import { applyBatch, type AppliedBatch } from '../apps/grants/src/apply-batch.js';
import { sealAudit, verifyAudit } from '../apps/grants/src/audit-chain.js';
import { checkAccess } from '../apps/grants/src/check-access.js';
import { releaseMarking } from '../apps/grants/src/guard.sql.js';
import { markNextChunk } from '../apps/grants/src/marking-worker.js';
import { PROVIDER, recordOf, seconds, withGrantsDatabase } from './grants-database.js';
import { median, type Row } from './row.js';

const GRANTS = Number(process.env['BENCH_GRANTS'] ?? 1_000_000);
const MEMBERS = Number(process.env['BENCH_MEMBERS'] ?? 100_000);
/** As grants has them by default. */
const LIMITS = { inline: 5_000 };
const GUARD = { maxUsers: 1_000, maxShare: 0.25, windowMs: 3_600_000 };
const MARK_CHUNK = 5_000;
const SEAL_CHUNK = 2_000;
const SINGLES = 21;
const ORGANIZATION = 'org_01E4ZCR3C56J083X43JQXF3JK5';

/**
 * An organization with many members and grants is deleted: how soon nobody gets in (beside the deletion of one person), and
 * how fast the marks, their audit and its chain are written (beside one bare UPDATE of as many rows of the same shape).
 * Durable, on a database of its own, with nothing else going on in it.
 */
export async function massRevocation(): Promise<Row[]> {
  return withGrantsDatabase(measure);
}

async function measure(database: Database, cpu: () => number): Promise<Row[]> {
  await database.transaction(seed);
  await database.read((tx) => rowsOf(tx, 'vacuum analyze'));
  await database.read((tx) => rowsOf(tx, 'checkpoint'));
  const floor = GRANTS / (await seconds(() => database.transaction(bareUpdate)));
  await database.read((tx) => rowsOf(tx, 'drop table grants_floor'));
  await database.read((tx) => rowsOf(tx, 'checkpoint'));

  const singles: number[] = [];
  for (let person = 0; person < SINGLES; person++) {
    const member = memberOf(person);
    singles.push(await seconds(() => apply(database, 'user.deleted', { id: member })));
    if (await mayIn(database, member)) throw new Error('somebody who was deleted may still get in');
  }
  let tripped: AppliedBatch['tripped'] = [];
  const mass = await seconds(async () => {
    ({ tripped } = await apply(database, 'organization.deleted', { id: ORGANIZATION }));
  });
  if (await mayIn(database, memberOf(SINGLES))) throw new Error('a member of a deleted organization may still get in');

  // Somebody has looked at it.
  for (const { id } of tripped) await database.transaction((tx) => releaseMarking(tx, id));
  let marked = 0;
  const cpuBefore = cpu();
  const marking = await seconds(async () => {
    for (let more: number | undefined = 0; more !== undefined; marked += more ?? 0) {
      more = await database.transaction((tx) => markNextChunk(tx, MARK_CHUNK));
    }
  });
  const cpuOfMarking = cpu() - cpuBefore;
  let sealed = 0;
  const sealing = await seconds(async () => {
    for (let more = 1; more > 0; sealed += more) more = await database.transaction((tx) => sealAudit(tx, SEAL_CHUNK));
  });
  const { problems } = await database.read((tx) => verifyAudit(tx));
  if (problems.length > 0) throw new Error(`the audit is not whole: ${problems[0]}`);

  const what = `${GRANTS.toLocaleString('en-US')} grants of ${MEMBERS.toLocaleString('en-US')} members`;
  const single = median(singles);
  return [
    {
      name: `mass revocation, ${what}: effective`,
      value: mass * 1_000,
      unit: 'ms',
      floor: single * 1_000,
      ratio: mass / single,
      target: 'as a single one',
      met: mass <= Math.max(...singles),
    },
    {
      name: 'mass revocation: marked and audited',
      value: marked / marking,
      unit: 'grants/s',
      floor,
      ratio: marked / marking / floor,
      target: '≥ 50,000/s',
      met: marked / marking >= 50_000,
    },
    // On a machine that others use as well, this is what can be compared.
    {
      name: 'mass revocation: the same, by CPU time of Postgres and Node',
      value: marked / cpuOfMarking,
      unit: 'grants/s',
      target: '≥ 50,000/s',
      met: marked / cpuOfMarking >= 50_000,
    },
    {
      name: 'mass revocation: the audit sealed',
      value: sealed / sealing,
      unit: 'rows/s',
      target: '≥ 50,000/s',
      met: sealed / sealing >= 50_000,
    },
  ];
}

const memberOf = (index: number): string => `user_${String(index).padStart(26, '0')}`;

/** Each grant is of its own resource and moment, in the order of their ids; members take turns. */
async function seed(tx: Tx): Promise<void> {
  await tx.query(`set local statement_timeout = 0`);
  await tx.query(
    `insert into memberships (provider_id, user_id, organization_id, status, changed_at, changed_event)
     select $1, 'user_' || lpad(n::text, 26, '0'), $2, 'active', 0, '' from generate_series(0, $3::int - 1) n`,
    [PROVIDER, ORGANIZATION, MEMBERS],
  );
  const granted = `extract(epoch from now() - interval '40 days') * 1000 + n * 1000`;
  await tx.query(
    `insert into grants (id, provider_id, user_id, organization_id, session_id, resource, scopes, granted_at, granted_by)
     select 'grant_' || lpad(n::text, 26, '0'), $1, 'user_' || lpad((n::bigint * 7919 % $4)::text, 26, '0'), $2,
       'session_' || lpad((n / 3)::text, 23, '0'), 'vault/' || n % 5000, '{read,write}', ${granted}, 'bench'
     from generate_series(0, $3::int - 1) n`,
    [PROVIDER, ORGANIZATION, GRANTS, MEMBERS],
  );
  // As granting makes them.
  await tx.query(
    `insert into scopes (scope_key, provider_id, kind, user_id, organization_id, session_id)
     select distinct on (scope_key) * from (
       select provider_id || '/user:' || user_id as scope_key, provider_id, 'user', user_id, null, null from grants
       union all
       select provider_id || '/membership:' || user_id || ':' || organization_id, provider_id, 'membership', user_id,
         organization_id, null from grants
       union all
       select provider_id || '/session:' || session_id, provider_id, 'session', null, null, session_id from grants
     ) as of_grants`,
  );
  await tx.query('create table grants_floor (like grants including all) with (fillfactor = 40)');
  await tx.query('insert into grants_floor select * from grants');
}

async function bareUpdate(tx: Tx): Promise<void> {
  await tx.query(`set local statement_timeout = 0`);
  await tx.query(
    `update grants_floor set revoked_at = 1, reason = 'organization_deleted', source_event_id = $3, revoked_scope = $4
     where organization_id = $2 and provider_id = $1`,
    [PROVIDER, ORGANIZATION, 'event_01EHZNVPK3SFK441A1RGBFS000', `${PROVIDER}/org:${ORGANIZATION}`],
  );
}

function apply(database: Database, type: string, data: object): Promise<AppliedBatch> {
  const options = { suspensionOf: () => undefined, limits: LIMITS, guardOf: () => GUARD };
  return database.transaction((tx) => applyBatch(tx, [recordOf(type, data)], options));
}

async function mayIn(database: Database, userId: string): Promise<boolean> {
  const resource = (await database.read((tx) => rowsOf<{ resource: string }>(tx, 'select resource from grants where user_id = $1 limit 1', [userId])))[0]!.resource; // prettier-ignore
  const question = { providerId: PROVIDER, userId, organizationId: ORGANIZATION, resource, scope: 'read' };
  return (await database.read((tx) => checkAccess(tx, question))).allowed;
}
