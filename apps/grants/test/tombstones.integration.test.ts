import { checkAccess } from '../src/grants/check-access.js';
import { createGrant } from '../src/grants/create-grant.js';
import { writeSignIns } from '../src/directory/directory.sql.js';
import { reinstateScope } from '../src/scopes/revoke-scope.js';
import { all, apply, AT, event, grantedAt, newProvider, ownDatabase, type OwnDatabase, type RawEvent, recordOf } from './support.js'; // prettier-ignore

let own: OwnDatabase;
beforeAll(async () => {
  own = await ownDatabase();
});
afterAll(() => own.drop());

const LIMITS = { inline: 5_000 };
const HOLDER = { userId: 'user_a', organizationId: 'org_a', sessionId: 'session_a' };
const membership = (status: string) => ({ id: 'om_a', user_id: 'user_a', organization_id: 'org_a', status });

/** What may come late, each of it saying that the thing is there; with times before, at and long after its end. */
const LATE: Record<string, RawEvent[]> = {
  user: [-60, 0, 3_600].flatMap((seconds) => [
    event('user.created', seconds, { id: 'user_a', email: 'back@example.test' }),
    event('user.updated', seconds, { id: 'user_a', email: 'back@example.test', metadata: { suspended: 'no' } }),
    event('organization_membership.created', seconds, membership('active')),
    event('organization_membership.updated', seconds, membership('active'), { status: 'inactive' }),
    event('session.created', seconds, { id: 'session_a', user_id: 'user_a', organization_id: 'org_a' }),
  ]),
  organization: [-60, 0, 3_600].flatMap((seconds) => [
    event('organization.created', seconds, { id: 'org_a', name: 'Back' }),
    event('organization.updated', seconds, { id: 'org_a', name: 'Back' }),
    event('organization_membership.created', seconds, membership('active')),
  ]),
  session: [-60, 0, 3_600].map((seconds) =>
    event('session.created', seconds, { id: 'session_a', user_id: 'user_a', organization_id: 'org_a' }),
  ),
};
const END: Record<string, [RawEvent, string]> = {
  user: [event('user.deleted', 0, { id: 'user_a' }), 'user_deprovisioned'],
  organization: [event('organization.deleted', 0, { id: 'org_a' }), 'organization_deleted'],
  session: [event('session.revoked', 0, { id: 'session_a', user_id: 'user_a' }), 'session_revoked'],
};
const CASES = Object.keys(END).flatMap((kind) =>
  [
    ['late', (end: RawEvent, late: RawEvent[]) => [[end], ...late.map((one) => [one])]],
    ['before it', (end: RawEvent, late: RawEvent[]) => [...late.map((one) => [one]), [end]]],
    ['in one batch with it', (end: RawEvent, late: RawEvent[]) => [[...late, end, ...late]]],
    ['late, and everything twice', (end: RawEvent, late: RawEvent[]) => [[end], late, [end], late.toReversed()]],
  ].map(
    ([when, batches]) => [kind, when, batches] as [string, string, (end: RawEvent, late: RawEvent[]) => RawEvent[][]],
  ),
);

test.each(CASES)('a tombstone of a %s stays, whatever says that it is there: %s', async (kind, _when, batchesOf) => {
  const providerId = newProvider();
  const holder = { providerId, ...HOLDER };
  const [end, reason] = END[kind]!;
  // As if it had been granted by a clock that is far ahead.
  const granted = [await grantedAt(own.database, AT - 1, holder), await grantedAt(own.database, AT + 9e9, holder)];
  for (const batch of batchesOf(end, LATE[kind]!)) {
    await apply(
      own.database,
      batch.map((one) => recordOf(one, providerId)),
      { metadataKey: 'suspended', value: 'yes' },
    );
  }
  // Somebody signs in late, as another service has seen it.
  const signIn = { providerId, email: 'back@example.test', at: AT + 7_200_000, ...HOLDER };
  await own.database.transaction((tx) => writeSignIns(tx, [signIn]));

  const [scope] = await all<{ closed_at: number; reason: string }>(own.database, `select closed_at, reason from scopes where provider_id = $1 and kind = $2`, [providerId, kind]); // prettier-ignore
  expect(scope).toEqual({ closed_at: Infinity, reason });
  const marks = await all<{ reason: string }>(own.database, 'select reason from grants where id = any($1)', [granted]);
  expect(marks).toEqual([{ reason }, { reason }]);
  const question = { ...holder, resource: 'vault', scope: 'read' };
  expect(await own.database.read((tx) => checkAccess(tx, question))).toMatchObject({ allowed: false, reason });
  const request = { ...holder, resource: 'vault', scopes: ['read'], expiresAt: null };
  const asked = own.database.transaction((tx) => createGrant(tx, request, 'late'));
  await expect(asked).rejects.toMatchObject({ status: 409, code: 'principal_deprovisioned' });
  const scopeOf = {
    user: { kind: 'user', providerId, userId: 'user_a' },
    organization: { kind: 'organization', providerId, organizationId: 'org_a' },
    session: { kind: 'session', providerId, sessionId: 'session_a' },
  } as const;
  const opened = own.database.transaction((tx) =>
    reinstateScope(tx, scopeOf[kind as keyof typeof scopeOf], { actor: 'admin', reason: 'please' }, LIMITS),
  );
  await expect(opened).rejects.toMatchObject({ status: 409, code: 'scope_is_tombstone' });

  // The directory says the same.
  const column = kind === 'session' ? 'revoked_at' : 'deleted_at';
  const [record] = await all<{ ended: number }>(own.database, `select ${column} as ended from ${kind}s where provider_id = $1`, [providerId]); // prettier-ignore
  expect(record!.ended).toBe(AT);
});

test('who deletes a scope, or moves it back, is refused by the database', async () => {
  const providerId = newProvider();
  await apply(own.database, [recordOf(END['user']![0], providerId)]);
  for (const statement of [
    'delete from scopes where provider_id = $1',
    `update scopes set closed_at = 0 where provider_id = $1`,
  ]) {
    await expect(all(own.database, statement, [providerId])).rejects.toThrow('only grows');
  }
});
