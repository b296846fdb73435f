import type { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { eventually } from '#testing/eventually.js';
import { ownTopics } from '../../apps/grants/test/kafka.js';
import { all, ownDatabase } from '../../apps/grants/test/support.js';
import { type Sandbox, startSandbox } from '../../tools/workos-sandbox/src/sandbox.js';
import { type Body, providerOf, publishProvider, type RunningGrants, startGrants } from './running-grants.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
let client: KafkaClient;
let publisher: BatchPublisher;
let grants: RunningGrants;
let sandbox: Sandbox;
const PROVIDER = 'idp_compared';

beforeAll(async () => {
  own = await ownDatabase();
  client = await ownTopics();
  publisher = new BatchPublisher(client);
  sandbox = await startSandbox();
  await publishProvider(publisher, providerOf(sandbox, PROVIDER));
  grants = await startGrants(own.url, client);
});
afterAll(async () => {
  await grants?.close();
  await publisher.close();
  await client.close();
  await sandbox.close();
  await own.drop();
});

async function workos(method: string, path: string, body?: object): Promise<Body> {
  const response = await fetch(sandbox.url + path, {
    method,
    headers: { authorization: `Bearer ${sandbox.apiKey}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  if (response.status >= 300) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === '' ? {} : JSON.parse(text);
}
/** As where the event is lost for good: neither a webhook nor the Events API tells of it. */
const silently = (change: object): Promise<Body> => workos('POST', '/_sandbox/silently', change);

interface Person {
  userId: string;
  organizationId: string;
  membershipId: string;
  grantId: string;
}
let people = 0;
/** Somebody whom grants knows, with a grant. */
async function person(organizationId?: string): Promise<Person> {
  const user = await workos('POST', '/user_management/users', { email: `p${++people}@example.test` });
  const organization = organizationId ?? (await workos('POST', '/organizations', { name: 'Acme' })).id;
  const membership = await workos('POST', '/user_management/organization_memberships', {
    user_id: user.id,
    organization_id: organization,
  });
  // Each of them comes in a partition of its own.
  const known = `select 1 from memberships m join users u on u.id = m.user_id join organizations o on o.id = m.organization_id
    where m.user_id = $1 and m.organization_id = $2 and u.email is not null and o.name is not null`;
  await eventually(async () => (await all(own.database, known, [user.id, organization])).length > 0);
  const grant = await grants.call('POST', '/v1/grants', {
    provider_id: PROVIDER,
    user_id: user.id,
    organization_id: organization,
    resource: 'vault',
    scopes: ['read'],
  });
  expect(grant.status).toBe(201);
  return { userId: user.id, organizationId: organization, membershipId: membership.id, grantId: grant.body.id };
}
const grantOf = async ({ grantId }: Person): Promise<Body> => (await grants.call('GET', `/v1/grants/${grantId}`)).body;

async function compare(request: object = {}): Promise<Body> {
  const asked = await grants.call('POST', '/v1/reconciliations', { provider_id: PROVIDER, ...request });
  expect(asked.status).toBe(202);
  return eventually(async () => {
    const { body } = await grants.call('GET', `/v1/reconciliations/${asked.body.id}`);
    return body.status !== 'running' && body;
  });
}
const differencesOf = async ({ id }: Body, kind?: string): Promise<Body[]> =>
  (await grants.call('GET', `/v1/reconciliations/${id}/differences?limit=500${kind ? `&kind=${kind}` : ''}`)).body.data;

test('what WorkOS changed and never said is found, reported, and repaired like an event', async () => {
  // Lists may lag behind events, so nothing is concluded from them of who joined within the last minute.
  await workos('POST', '/_sandbox/clock', { offset_ms: -600_000 });
  const [deleted, left, suspended, stayed] = [await person(), await person(), await person(), await person()];
  const inDeletedOrganization = await person();
  await workos('POST', '/_sandbox/clock', { offset_ms: 0 });
  const justJoined = await person();
  await silently({ delete_membership: justJoined.membershipId });
  await silently({ delete_user: deleted.userId });
  await silently({ delete_membership: left.membershipId });
  await silently({ deactivate_membership: suspended.membershipId });
  await silently({ delete_organization: inDeletedOrganization.organizationId });

  const report = await compare();
  expect(report).toMatchObject({ status: 'done', dry_run: true });
  const found = await differencesOf(report);
  expect(found.map(({ kind, user_id, organization_id }) => [kind, user_id ?? organization_id]).sort()).toEqual(
    [
      ['user_gone_there', deleted.userId],
      ['membership_gone_there', left.userId],
      ['membership_inactive_there', suspended.userId],
      ['organization_gone_there', inDeletedOrganization.organizationId],
    ].sort(),
  );
  for (const one of [deleted, left, suspended, inDeletedOrganization]) {
    expect((await grantOf(one)).status).toBe('active');
  }

  const repaired = await compare({ dry_run: false });
  expect(repaired).toMatchObject({ status: 'done', progress: { repaired: 4 } });
  for (const one of [deleted, left, suspended, inDeletedOrganization]) {
    const grant = await eventually(async () => {
      const now = await grantOf(one);
      return now.status === 'revoked' && now;
    });
    expect(grant.revocation.reason).toBe('reconciled');
    expect(grant.revocation.source_event_id).toMatch(/^reconciled_/);
  }
  expect((await grantOf(stayed)).status).toBe('active');
  expect((await grantOf(justJoined)).status).toBe('active');
  // Of whom nothing was concluded so far; a minute later it would be.
  await workos('DELETE', `/user_management/users/${justJoined.userId}`);
  await eventually(async () => (await grantOf(justJoined)).status === 'revoked');
  await eventually(async () => Object.keys((await compare()).differences).length === 0);
});

test('an opening that was lost is repaired, and a later closing by hand stays', async () => {
  const [returned, barred] = [await person(), await person()];
  for (const { userId, organizationId, membershipId } of [returned, barred]) {
    await workos('PUT', `/user_management/organization_memberships/${membershipId}/deactivate`);
    await eventually(
      async () =>
        (await all(own.database, `select 1 from memberships where user_id = $1 and status = 'inactive'`, [userId]))
          .length > 0,
    );
    sandbox.world.switches.silent = true;
    await workos('PUT', `/user_management/organization_memberships/${membershipId}/reactivate`);
    sandbox.world.switches.silent = false;
    if (userId === barred.userId) {
      const body = {
        provider_id: PROVIDER,
        user_id: userId,
        organization_id: organizationId,
        reason: 'under suspicion',
      };
      expect((await grants.call('POST', '/v1/revocations', body)).status).toBe(200);
    }
  }
  const run = await compare({ dry_run: false });
  expect((await differencesOf(run)).map(({ kind, user_id }) => [kind, user_id])).toEqual([
    ['membership_active_there', returned.userId],
  ]);
  const grantTo = ({ userId, organizationId }: Person) =>
    grants.call('POST', '/v1/grants', {
      provider_id: PROVIDER,
      user_id: userId,
      organization_id: organizationId,
      resource: 'vault',
      scopes: ['read'],
    });
  await eventually(async () => (await grantTo(returned)).status === 201);
  expect((await grantTo(barred)).status).toBe(409);
  expect((await grantOf(returned)).status).toBe('revoked');
});

test('a wrong API key, or so many differences that it looks like one: nothing is closed', async () => {
  const members = [await person(), await person(), await person()];
  for (const { userId } of members) await silently({ delete_user: userId });
  const stopped = await compare({ dry_run: false, max_closings: 2 });
  expect(stopped).toMatchObject({ status: 'stopped' });
  expect(stopped.problem).toContain('max_closings');
  for (const one of members) expect((await grantOf(one)).status).toBe('active');
  expect(await compare({ dry_run: false, max_closings: 3 })).toMatchObject({ status: 'done' });
  for (const one of members) await eventually(async () => (await grantOf(one)).status === 'revoked');

  const wrongKey = providerOf({ url: sandbox.url, apiKey: 'sk_wrong' }, 'idp_wrong_key');
  await publishProvider(publisher, wrongKey);
  const asked = await eventually(async () => {
    const answer = await grants.call('POST', '/v1/reconciliations', { provider_id: 'idp_wrong_key', dry_run: false });
    return answer.status === 202 && answer.body;
  });
  await eventually(async () => {
    const { body } = await grants.call('GET', `/v1/reconciliations/${asked.id}`);
    return body.status === 'failed' && body.problem.includes('401');
  });
});

test('a directory that was deleted leaves its memberships active: a warning, and no repair', async () => {
  const member = await person();
  const { id } = await workos('POST', '/_sandbox/directories', { organization_id: member.organizationId });
  expect((await compare()).differences).toEqual({});
  await workos('DELETE', `/_sandbox/directories/${id}`);
  const [warning, ...others] = await differencesOf(await compare({ dry_run: false }));
  expect(others).toEqual([]);
  expect(warning).toMatchObject({ kind: 'directory_deleted', organization_id: member.organizationId, event_id: null });
  expect((await grantOf(member)).status).toBe('active');
});

test('the first import goes on after a crash where it was, and brings everybody', async () => {
  sandbox.world.switches.silent = true;
  const { user_ids, organization_id } = await workos('POST', '/_sandbox/bulk', { users: 1_000 });
  sandbox.world.switches.silent = false;
  await grants.close();
  grants = await startGrants(own.url, client, { RECONCILIATION_REQUESTS_PER_SECOND: '4' });
  const { body } = await grants.call('POST', '/v1/reconciliations', { provider_id: PROVIDER, dry_run: false });
  const progress = async (): Promise<Body> => (await grants.call('GET', `/v1/reconciliations/${body.id}`)).body;
  expect((await grants.call('POST', '/v1/reconciliations', { provider_id: PROVIDER })).body.code).toBe(
    'reconciliation_running',
  );
  await eventually(async () => (await progress()).progress.users_seen >= 300);
  await grants.close();
  grants = await startGrants(own.url, client, { RECONCILIATION_REQUESTS_PER_SECOND: '100' });
  const done = await eventually(async () => {
    const now = await progress();
    return now.status === 'done' && now;
  });
  expect(done.progress.users_seen).toBe(sandbox.world.users.size);
  expect(done.progress.memberships_seen).toBe(sandbox.world.memberships.size);
  expect(done.differences).toMatchObject({ user_unknown_here: 1_000, membership_unknown_here: 1_000 });
  await eventually(async () => {
    const counts = await all<{ users: string; members: string }>(
      own.database,
      `select (select count(*) from users where id = any($1) and email like 'bulk-%') as users,
         (select count(*) from memberships where organization_id = $2 and status = 'active') as members`,
      [user_ids, organization_id],
    );
    return counts[0]!.users === '1000' && counts[0]!.members === '1000';
  });
});

test('a run that is cancelled ends', async () => {
  await grants.close();
  grants = await startGrants(own.url, client, { RECONCILIATION_REQUESTS_PER_SECOND: '1' });
  const { body } = await grants.call('POST', '/v1/reconciliations', { provider_id: PROVIDER, dry_run: false });
  const cancelled = await grants.call('POST', `/v1/reconciliations/${body.id}/cancel`);
  expect(cancelled.body).toMatchObject({ status: 'cancelled' });
  expect((await grants.call('POST', `/v1/reconciliations/${body.id}/cancel`)).body).toEqual(cancelled.body);
  expect((await grants.call('GET', '/v1/reconciliations?status=running')).body.data).toEqual([]);
  expect((await grants.call('GET', '/v1/reconciliations/none')).body.code).toBe('reconciliation_unknown');
});
