import { Problem } from '#platform/problem.js';
import { createGrant, once } from '../src/grants/create-grant.js';
import { reinstateScope, revokeScope } from '../src/scopes/revoke-scope.js';
import { all, apply, event, newProvider, ownDatabase, recordOf } from './support.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
beforeAll(async () => {
  own = await ownDatabase(12);
});
afterAll(() => own.drop());

const LIMITS = { inline: 5_000 };
const request = (providerId: string, userId: string, sessionId?: string) => ({
  providerId,
  userId,
  organizationId: 'org_a',
  sessionId,
  resource: 'vault',
  scopes: ['read'],
  expiresAt: null,
});
const codeOf = (problem: unknown): string => (problem as Problem).code;

test.each(['user.deleted', 'organization.deleted', 'session.revoked', 'organization_membership.deleted'])(
  'whoever is granted access while %s comes in is refused or revoked, whichever is first',
  async (type) => {
    let granted = 0;
    for (let round = 0; round < 25; round++) {
      const providerId = newProvider();
      const data = {
        id: type.startsWith('user') ? 'user_a' : type.startsWith('session') ? 'session_a' : 'org_a',
        user_id: 'user_a',
        organization_id: 'org_a',
      };
      const now = (Date.now() + 60_000 - Date.parse('2026-03-01T09:00:00Z')) / 1000;
      const outcomes = await Promise.allSettled([
        own.database.transaction((tx) => createGrant(tx, request(providerId, 'user_a', 'session_a'), 'test')),
        apply(own.database, [recordOf(event(type, now, data), providerId)]),
        own.database.transaction((tx) => createGrant(tx, request(providerId, 'user_a', 'session_a'), 'test')),
      ]);
      granted += outcomes.filter(({ status }, index) => index !== 1 && status === 'fulfilled').length;
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(codeOf(outcome.reason)).toBe('principal_deprovisioned');
      }
      const unmarked = await all(own.database, 'select id from grants where provider_id = $1 and revoked_at is null', [
        providerId,
      ]);
      expect(unmarked).toEqual([]);
    }
    expect(granted).toBeGreaterThan(0); // otherwise nothing was raced for
  },
);

test('one key, one grant: at the same time, later, and never for another request', async () => {
  const providerId = newProvider();
  const ask = (userId: string) =>
    own.database.transaction((tx) =>
      once(tx, { actor: 'test', key: providerId, request: { userId } }, () =>
        createGrant(tx, request(providerId, userId), 'test'),
      ),
    );
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask('user_a')));
  expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
  expect(await all(own.database, 'select 1 from grants where provider_id = $1', [providerId])).toHaveLength(1);
  await expect(ask('user_b')).rejects.toMatchObject({ status: 422, code: 'idempotency_key_reused' });
});

test('a request that failed has not used its key', async () => {
  const providerId = newProvider();
  await apply(own.database, [
    recordOf(event('organization_membership.deleted', 0, { user_id: 'user_a', organization_id: 'org_a' }), providerId),
  ]);
  const ask = () =>
    own.database.transaction((tx) =>
      once(tx, { actor: 'test', key: providerId, request: 1 }, () =>
        createGrant(tx, request(providerId, 'user_a'), 'test'),
      ),
    );
  await expect(ask()).rejects.toMatchObject({ status: 409, code: 'principal_deprovisioned' });
  await apply(own.database, [
    recordOf(
      event('organization_membership.created', 1, { user_id: 'user_a', organization_id: 'org_a', status: 'active' }),
      providerId,
    ),
  ]);
  await expect(ask()).resolves.toMatchObject({ userId: 'user_a' });
});

test('by hand: closed until opened, what was granted before stays void, a tombstone stays', async () => {
  const providerId = newProvider();
  const user = { kind: 'user', providerId, userId: 'user_a' } as const;
  const hand = { actor: 'admin', reason: 'left the building' };
  const before = await own.database.transaction((tx) => createGrant(tx, request(providerId, 'user_a'), 'test'));

  const dry = await own.database.transaction((tx) => revokeScope(tx, user, { ...hand, dryRun: true }, LIMITS));
  expect(dry).toMatchObject({ dry_run: true, revoked_grants: 1, grant_ids: [before.id] });
  expect(
    await all(own.database, 'select 1 from grants where provider_id = $1 and revoked_at is not null', [providerId]),
  ).toEqual([]);

  const wet = await own.database.transaction((tx) => revokeScope(tx, user, { ...hand, dryRun: false }, LIMITS));
  expect(wet).toMatchObject({ dry_run: false, revoked_grants: 1, grant_ids: [before.id] });
  const mark = { reason: hand.reason, actor: 'admin', source_event_id: null };
  expect(await all(own.database, 'select * from grants where id = $1', [before.id])).toMatchObject([mark]);
  const again = () => own.database.transaction((tx) => createGrant(tx, request(providerId, 'user_a'), 'test'));
  await expect(again()).rejects.toMatchObject({ code: 'principal_deprovisioned' });

  const opened = await own.database.transaction((tx) => reinstateScope(tx, user, hand, LIMITS));
  expect(opened).toMatchObject({ closed: false });
  await again();
  expect(await all(own.database, 'select * from grants where id = $1', [before.id])).toMatchObject([mark]);

  await apply(own.database, [recordOf(event('user.deleted', 0, { id: 'user_a' }), providerId)]);
  const reopen = own.database.transaction((tx) => reinstateScope(tx, user, hand, LIMITS));
  await expect(reopen).rejects.toMatchObject({ status: 409, code: 'scope_is_tombstone' });
});
