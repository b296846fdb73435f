import type { Tx } from '#platform/sql.js';
import { readAuditOfPerson } from '../src/audit/audit.sql.js';
import { createGrant } from '../src/grants/create-grant.js';
import { apply, event, newProvider, ownDatabase, recordOf } from './support.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
beforeAll(async () => {
  own = await ownDatabase();
});
afterAll(() => own.drop());

const auditOf = (userId: string, providerId: string, page: { before?: string; limit?: number } = {}) =>
  own.database.read((tx) =>
    readAuditOfPerson(tx, { userId, providerIds: [providerId] }, { before: page.before, limit: page.limit ?? 100 }),
  );

/** Two people of one organization; of one of them everything that there is happens. */
async function story() {
  const providerId = newProvider();
  const membership = (user: string, status: string) => ({
    id: `om_${user}`,
    user_id: user,
    organization_id: 'org_1',
    status,
  });
  const happens = (type: string, seconds: number, data: Record<string, unknown>) =>
    apply(own.database, [recordOf(event(type, seconds, data), providerId)]);
  for (const user of ['ada', 'bob']) await happens('organization_membership.created', 0, membership(user, 'active'));
  await happens('session.created', 1, { id: 'session_1', user_id: 'ada' });
  const grant = {
    organizationId: undefined,
    sessionId: undefined,
    resource: 'vault',
    scopes: ['read'],
    expiresAt: null,
  };
  await own.database.transaction((tx) => createGrant(tx, { ...grant, providerId, userId: 'ada' }, 'app'));
  await happens('session.revoked', 10, { id: 'session_1', user_id: 'ada' });
  await happens('organization_membership.updated', 20, membership('ada', 'inactive'));
  await happens('organization_membership.updated', 25, membership('bob', 'inactive'));
  await happens('organization.deleted', 30, { id: 'org_1' });
  await happens('user.deleted', 40, { id: 'ada' });
  return providerId;
}

test('what was done to somebody through their organization, membership, session and grants is there, and nothing of others', async () => {
  const providerId = await story();
  const of = (rows: { action: string; subject: string }[]) =>
    rows.map(
      ({ action, subject }) => `${action} ${subject.replace(`${providerId}/`, '').replace(/^grant_.*/, 'grant')}`,
    );
  expect(of(await auditOf('ada', providerId))).toEqual([
    'grant.revoked grant',
    'scope.closed user:ada',
    'scope.closed org:org_1',
    'scope.closed membership:ada:org_1',
    'scope.closed session:session_1',
    'grant.created grant',
    'scope.opened membership:ada:org_1',
  ]);
  expect(of(await auditOf('bob', providerId))).toEqual([
    'scope.closed org:org_1',
    'scope.closed membership:bob:org_1',
    'scope.opened membership:bob:org_1',
  ]);
  expect(await auditOf('ada', newProvider())).toEqual([]);
});

test('it is read page by page, without a gap and without a repetition', async () => {
  const providerId = await story();
  const whole = (await auditOf('ada', providerId)).map(({ id }) => id);
  const read: string[] = [];
  for (let before: string | undefined; ;) {
    const page = await auditOf('ada', providerId, { limit: 2, ...(before === undefined ? {} : { before }) });
    read.push(...page.map(({ id }) => id));
    before = page.at(-1)?.id;
    if (before === undefined) break;
  }
  expect(read).toEqual(whole);
  expect(whole.length).toBeGreaterThan(5);
});

test('each of their subjects is asked for by its index: the size of the audit does not matter', async () => {
  const plan = await own.database.transaction(async (tx) => {
    await tx.query('set local enable_seqscan = off'); // so that an index is taken wherever one can be
    const explaining = { query: (text: string, parameters: unknown[]) => tx.query(`explain ${text}`, parameters) };
    const person = { userId: 'ada', providerIds: ['idp'] };
    return readAuditOfPerson(explaining as unknown as Tx, person, { before: undefined, limit: 50 });
  });
  const lines = (plan as unknown as { 'QUERY PLAN': string }[]).map((line) => line['QUERY PLAN']).join('\n');
  expect(lines).toMatch(/(using|on) audit_of_subject\b/);
  expect(lines).toMatch(/Index Cond: \(?subject = /);
  expect(lines).not.toMatch(/Seq Scan on audit\b/);
});
