import { type Scope, scopesOf } from '#revocation/scope.js';
import { deferred } from '#testing/deferred.js';
import { eventually } from '#testing/eventually.js';
import { sealAudit, verifyAudit } from '../src/audit/audit-chain.js';
import { changeScopes } from '../src/scopes/change-scopes.js';
import { markOf, sameMark } from '../src/domain/mark.js';
import { grantOfRow, type GrantRow } from '../src/grants/grants.sql.js';
import { enqueueMarking } from '../src/marking/marking-jobs.sql.js';
import { lockPage, markPage } from '../src/marking/mark-page.sql.js';
import { markNextChunk } from '../src/marking/marking-worker.js';
import { readScopes } from '../src/scopes/scopes.sql.js';
import type { Tx } from '#platform/sql.js';
import { all, apply, AT, crashing, event, newProvider, ownDatabase, recordOf } from './support.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
beforeAll(async () => {
  own = await ownDatabase(10, { roles: true });
});
afterAll(() => own.drop());

const GRANTS = 400;
const organization = (providerId: string): Scope => ({ kind: 'organization', providerId, organizationId: 'org_big' });
const SIZE = { chunk: 60, connections: 3 };
const work = async (): Promise<number> => {
  let marked = 0;
  for (let more: number | undefined = 0; more !== undefined; marked += more ?? 0) {
    more = await markNextChunk(own.database, SIZE);
  }
  return marked;
};

/** One each second from AT on; every tenth user has many, and every third grant is of a session. */
async function manyGrants(providerId: string): Promise<void> {
  await all(
    own.database,
    `insert into grants
       (id, provider_id, user_id, organization_id, session_id, resource, scopes, granted_at, granted_by)
     select 'grant_' || $1 || '_' || lpad(n::text, 6, '0'), $1, 'user_' || n % 40, 'org_big',
       case when n % 3 = 0 then 'session_' || n % 12 end, 'vault', '{read}', $2::float8 + n * 1000, 'test'
     from generate_series(1, ${GRANTS}) as n`,
    [providerId, AT],
  );
}

/** That every row says what the rule says, and that the audit says of each what its row says. */
async function expectRuled(providerId: string): Promise<GrantRow[]> {
  const rows = await all<GrantRow>(own.database, 'select * from grants where provider_id = $1 order by id', [
    providerId,
  ]);
  const grants = rows.map(grantOfRow);
  const known = await own.database.read((tx) => readScopes(tx, grants.flatMap(scopesOf)));
  expect(grants.filter((grant) => !sameMark(grant.mark, markOf(grant, known))).map(({ id }) => id)).toEqual([]);
  const unsaid = await all(
    own.database,
    `select g.id from grants g where g.provider_id = $1 and g.revoked_at is not null and not exists (
       select 1 from audit a where a.subject = g.id and a.action = 'grant.revoked' and a.provider_id = g.provider_id
         and a.reason = g.reason and a.source_event_id is not distinct from g.source_event_id
         and a.actor = coalesce(g.actor, 'workos') and a.detail = jsonb_build_object('scope', g.revoked_scope))`,
    [providerId],
  );
  expect(unsaid).toEqual([]);
  return rows;
}

test('grants of which other scopes were closed too are marked by all of them; the audit says so, and is whole', async () => {
  const providerId = newProvider();
  await manyGrants(providerId);
  const member = (user: number, status: string) => ({ user_id: `user_${user}`, organization_id: 'org_big', status });
  const before = [
    event('user.deleted', 30, { id: 'user_1' }),
    event('organization_membership.updated', 50, member(2, 'inactive')),
    event('organization_membership.updated', 60, member(2, 'active')),
    event('session.revoked', 20, { id: 'session_3', user_id: 'user_3' }),
    event('user.deleted', 900, { id: 'user_4' }), // after the organization: it explains nothing
    event('organization_membership.updated', 900, member(5, 'active')), // never closed
  ];
  await apply(own.database, before.map((one) => recordOf(one, providerId))); // prettier-ignore
  const gone = event('organization.deleted', 500, { id: 'org_big' });
  expect(await apply(own.database, [recordOf(gone, providerId)], undefined, 100)).toMatchObject({ deferred: [{}] });
  expect(await work()).toBeGreaterThan(300);
  const rows = await expectRuled(providerId);
  const reasons = new Set(rows.map(({ reason }) => reason));
  expect([...reasons].sort()).toEqual(['membership_inactive', 'organization_deleted', 'session_revoked', 'user_deprovisioned']); // prettier-ignore
  expect(rows.find(({ user_id }) => user_id === 'user_4')).toMatchObject({ reason: 'organization_deleted' });

  // Once more, and nothing is written.
  await own.database.transaction((tx) => enqueueMarking(tx, [organization(providerId)]));
  const audited = () => all(own.database, 'select count(*) as n from audit where provider_id = $1', [providerId]);
  const had = await audited();
  expect(await work()).toBe(0);
  expect(await audited()).toEqual(had);
  while ((await own.database.transaction((tx) => sealAudit(tx, 1_000))) > 0);
  expect(await own.database.read((tx) => verifyAudit(tx))).toMatchObject({ problems: [], unsealed: 0 });
});

test('closings are asked for by their key, however few there seem to be; without being told to, the planner would not', async () => {
  const providerId = newProvider();
  await manyGrants(providerId);
  const scope = organization(providerId);
  const closings = (from: number, to: number) => `insert into grants.scope_closings
    select 'idp/user:gone_' || n, n, 'user_deprovisioned', 'event_' || n, n from generate_series(${from}, ${to}) as n`;
  await own.asAdmin('alter table grants.scope_closings set (autovacuum_enabled = false)');
  await own.asAdmin(closings(1, 36));
  await own.asAdmin('analyze grants.scope_closings');
  await own.asAdmin(closings(37, 300));

  const planOf = (isTold: boolean): Promise<string> =>
    own.database.transaction(async (tx) => {
      let plan = '';
      const explaining = {
        async query(text: string, parameters?: unknown[]) {
          if (text.startsWith('set local')) return isTold ? tx.query(text) : undefined;
          const lines = (await tx.query(`explain ${text}`, parameters)) as { 'QUERY PLAN': string }[];
          plan += lines.map((line) => line['QUERY PLAN']).join('\n');
          return [{}];
        },
      };
      const page = await lockPage(tx, scope, '', GRANTS);
      const span = { after: -Infinity, upTo: Infinity, mark: undefined };
      await markPage(explaining as unknown as Tx, scope, page, [span]);
      return plan;
    });
  expect(await planOf(true)).toMatch(/Index Only Scan using scope_closings_pkey/);
  expect(await planOf(false)).toMatch(/Seq Scan on scope_closings/);
});

test('closed by hand, opened, closed again: each grant by when it was made', async () => {
  const providerId = newProvider();
  await manyGrants(providerId);
  const scope = organization(providerId);
  const at = (seconds: number): number => AT + seconds * 1_000;
  const never = { closedAt: -Infinity, openedAt: -Infinity, tokensBefore: -Infinity, closing: null };
  const closed = (seconds: number, reason: string, actor: string | null, eventId: string | null) => ({
    scope,
    state: {
      ...never,
      closedAt: at(seconds),
      closing: { reason, sourceEventId: eventId, occurredAt: at(seconds) },
    },
    reason,
    source: { eventId, occurredAt: at(seconds), actor },
  });
  const opened = { scope, state: { ...never, openedAt: at(250) }, reason: null, source: { eventId: null, occurredAt: at(250), actor: 'admin' } }; // prettier-ignore
  const change = (updates: Parameters<typeof changeScopes>[1]) =>
    own.database.transaction((tx) => changeScopes(tx, updates, { inline: 0 }));
  await change([closed(100, 'by hand', 'admin', null)]);
  await work();
  expect((await expectRuled(providerId)).filter(({ actor }) => actor === 'admin')).toHaveLength(GRANTS);
  await change([closed(200, 'organization_deleted', null, 'event_by_itself'), opened]);
  await work();
  const rows = await expectRuled(providerId);
  expect(rows.map(({ reason }) => reason)).toEqual([
    ...Array<string>(100).fill('by hand'),
    ...Array<string>(100).fill('organization_deleted'),
    ...Array<null>(200).fill(null),
  ]);
  const restored = `select 1 from audit where provider_id = $1 and action = 'grant.restored'`;
  expect(await all(own.database, restored, [providerId])).toHaveLength(200);
});

test('what somebody else closes while a page waits for its grants is not overlooked', async () => {
  const providerId = newProvider();
  await manyGrants(providerId);
  await apply(
    own.database,
    [recordOf(event('organization.deleted', 500, { id: 'org_big' }), providerId)],
    undefined,
    100,
  );
  const closed = deferred();
  const free = deferred();
  const other = own.database.transaction(async (tx) => {
    const deleted = { scope: { kind: 'user', providerId, userId: 'user_7' } as const };
    const closing = { reason: 'user_deprovisioned', sourceEventId: 'event_meanwhile', occurredAt: AT };
    const state = { closedAt: Infinity, openedAt: -Infinity, tokensBefore: -Infinity, closing };
    const source = { eventId: 'event_meanwhile', occurredAt: AT, actor: null };
    await changeScopes(tx, [{ ...deleted, state, reason: closing.reason, source }], { inline: 5_000 });
    closed.resolve();
    await free.promise;
  });
  await closed.promise;
  const working = work();
  const waits = `select 1 from pg_locks l join pg_stat_activity a using (pid)
    where not l.granted and a.datname = current_database()`;
  await eventually(async () => (await all(own.database, waits)).length > 0, { what: 'the page waits' });
  free.resolve();
  await Promise.all([other, working]);
  const rows = await expectRuled(providerId);
  expect(rows.filter(({ reason }) => reason === 'user_deprovisioned')).toHaveLength(GRANTS / 40);
});

test.each([
  ['the one that has the job', 1],
  ['one behind it', 2],
  ['the last', 3],
])(
  'of three connections %s ends before it commits: no page is left out, and nothing is said twice',
  async (_, which) => {
    const providerId = newProvider();
    await manyGrants(providerId);
    const gone = event('organization.deleted', 500, { id: 'org_big' });
    await apply(own.database, [recordOf(gone, providerId)], undefined, 100);
    await expect(markNextChunk(crashing(own.database, which, which), SIZE)).rejects.toThrow('crash');
    await work();
    expect(await expectRuled(providerId)).toHaveLength(GRANTS);
    const audited = await all(own.database, `select 1 from audit where provider_id = $1 and action = 'grant.revoked'`, [
      providerId,
    ]);
    expect(audited).toHaveLength(GRANTS);
  },
);

test('several workers at the scopes of several providers, while these are closed once more', async () => {
  const providers = [newProvider(), newProvider()];
  const scopes = providers.map(organization);
  for (const providerId of providers) {
    await manyGrants(providerId);
    const gone = event('organization.deleted', 500, { id: 'org_big' });
    await apply(own.database, [recordOf(gone, providerId)], undefined, 100);
  }
  const again = async (): Promise<void> => {
    for (let round = 0; round < 5; round++) await own.database.transaction((tx) => enqueueMarking(tx, scopes));
  };
  await Promise.all([work(), work(), again()]);
  await work();
  for (const providerId of providers) {
    const rows = await expectRuled(providerId);
    expect(rows.filter(({ reason }) => reason === 'organization_deleted')).toHaveLength(GRANTS);
  }
  while ((await own.database.transaction((tx) => sealAudit(tx, 1_000))) > 0);
  expect(await own.database.read((tx) => verifyAudit(tx))).toMatchObject({ problems: [], unsealed: 0 });
});
