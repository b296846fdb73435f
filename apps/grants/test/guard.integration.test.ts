import { TOPICS } from '#contracts/topics.js';
import { momentFromWire } from '#contracts/moment.js';
import type { Topic } from '#contracts/topics.js';
import { deferred } from '#testing/deferred.js';
import { eventually } from '#testing/eventually.js';
import { applyBatch } from '../src/events/apply-batch.js';
import { checkAccess } from '../src/grants/check-access.js';
import type { Guard } from '../src/domain/guard.js';
import { lockGuardOf, readTrips, type TripRow } from '../src/guard/guard.sql.js';
import { decide } from '../src/guard/guard-trips.controller.js';
import { reopenNextChunk } from '../src/guard/guard-undoing.js';
import { listGrants } from '../src/grants/list-grants.js';
import { markNextChunk } from '../src/marking/marking-worker.js';
import { revokeScope } from '../src/scopes/revoke-scope.js';
import { all, AT, event, grantedAt, newProvider, ownDatabase, type RawEvent, recordOf } from './support.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
beforeAll(async () => {
  own = await ownDatabase();
});
afterAll(() => own.drop());

const GUARD: Guard = { maxUsers: 3, maxShare: 1, windowMs: 60_000 };
const LIMITS = { inline: 5_000 };

const apply = (providerId: string, events: readonly RawEvent[], guard = GUARD, inline = LIMITS.inline) =>
  own.database.transaction((tx) =>
    applyBatch(
      tx,
      events.map((one) => recordOf(one, providerId)),
      { suspensionOf: () => undefined, limits: { inline }, guardOf: () => guard },
    ),
  );
const user = (index: number): string => `user_${String(index).padStart(3, '0')}`;
const inactive = (index: number, seconds: number): RawEvent =>
  event('organization_membership.updated', seconds, {
    user_id: user(index),
    organization_id: 'org_a',
    status: 'inactive',
  });
const deleted = (index: number, seconds: number): RawEvent => event('user.deleted', seconds, { id: user(index) });
const grantsOf = (providerId: string, count: number): Promise<string[]> =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      grantedAt(own.database, AT - 1_000, { providerId, userId: user(index), organizationId: 'org_a' }),
    ),
  );
const trips = (providerId: string): Promise<TripRow[]> =>
  own.database.read((tx) => readTrips(tx, { provider_id: providerId }, { before: undefined, limit: 10 }));
const marked = async (providerId: string): Promise<number> => {
  const rows = await all(own.database, 'select 1 from grants where provider_id = $1 and revoked_at is not null', [providerId]); // prettier-ignore
  return rows.length;
};
const allowed = async (providerId: string, index: number): Promise<boolean> => {
  const question = { providerId, userId: user(index), organizationId: 'org_a', resource: 'vault', scope: 'read' };
  return (await own.database.read((tx) => checkAccess(tx, question))).allowed;
};
const published = async (topic: Topic, providerId: string) => {
  const rows = await all<{ value: Buffer }>(own.database, 'select value from outbox where topic = $1 order by id', [topic]); // prettier-ignore
  return rows
    .map(({ value }) => (JSON.parse(String(value)) as { data: Record<string, unknown> }).data)
    .filter((data) => data['provider_id'] === providerId);
};
const work = async (): Promise<void> => {
  while ((await markNextChunk(own.database, { chunk: 100, connections: 2 })) !== undefined);
};
const undo = async (): Promise<void> => {
  while ((await own.database.transaction((tx) => reopenNextChunk(tx, 2, LIMITS))) > 0);
};
const DECIDER = { by: 'admin', note: 'looked at it' };

test('more people than allowed: their marks wait, and nothing else does', async () => {
  const providerId = newProvider();
  await grantsOf(providerId, 8);
  const first = await apply(providerId, [0, 1, 2].map((index) => inactive(index, index))); // prettier-ignore
  expect(first).toMatchObject({ held: 0, tripped: [] });
  expect(await marked(providerId)).toBe(3);

  const burst = [3, 4, 5].map((index) => inactive(index, index));
  const second = await apply(providerId, burst);
  expect(second).toMatchObject({ held: 3, marked: [], tripped: [{ providerId, allowedUsers: 3 }] });
  await work();
  expect(await marked(providerId)).toBe(3);
  for (const index of [3, 4, 5]) expect(await allowed(providerId, index)).toBe(false);
  expect(await allowed(providerId, 6)).toBe(true);
  const states = await published(TOPICS.revocationState, providerId);
  expect(states).toHaveLength(6);
  const announced = await published(TOPICS.revocations, providerId);
  expect(announced.map((data) => 'revoked_grant_ids' in data)).toEqual([true, true, true, false, false, false]);
  const listed = await own.database.read((tx) =>
    listGrants(tx, { provider_id: providerId, status: 'revoked', limit: 50 } as Parameters<typeof listGrants>[1]),
  );
  expect(listed.data).toHaveLength(6);

  const [trip] = await trips(providerId);
  expect(trip).toMatchObject({ status: 'paused', users: 6, scopes: 6, tombstones: 0, grants_waiting: 3, allowed_users: 3, window_seconds: 60 }); // prettier-ignore
  const audit = await all(own.database, `select actor, subject, source_event_id from audit where action = 'guard.tripped' and provider_id = $1`, [providerId]); // prettier-ignore
  expect(audit).toEqual([{ actor: 'rescind', subject: trip!.id, source_event_id: burst[2]!.id }]);
});

test('who leaves long after it does not belong to it, and is marked at once', async () => {
  const providerId = newProvider();
  await grantsOf(providerId, 6);
  await apply(providerId, [0, 1, 2, 3].map((index) => inactive(index, index))); // prettier-ignore
  expect(await apply(providerId, [inactive(4, 120)])).toMatchObject({ held: 0, marked: [{}] });
  expect(await trips(providerId)).toMatchObject([{ scopes: 4 }]);
});

test('the order, number and cut of deliveries do not matter to what is counted', async () => {
  const leaving = [0, 1, 2, 3].map((index) => inactive(index, index * 10));
  for (const batches of [
    [leaving],
    [leaving.toReversed()],
    leaving.map((one) => [one]),
    leaving.toReversed().map((one) => [one]),
    [leaving.slice(1, 3), leaving, leaving, [leaving[3]!, leaving[3]!]],
  ]) {
    const providerId = newProvider();
    for (const batch of batches) await apply(providerId, batch);
    expect(await trips(providerId)).toMatchObject([{ users: 4, scopes: 4 }]);
  }
  // The same person, many times and in two ways; and a replay of what was long ago.
  const providerId = newProvider();
  for (let turn = 0; turn < 4; turn++)
    await apply(providerId, [inactive(0, turn), inactive(1, turn), deleted(2, turn)]);
  await own.database.transaction((tx) => tx.query('delete from guard_closings where provider_id = $1', [providerId]));
  await apply(providerId, [inactive(0, 0), inactive(1, 0), inactive(3, 5), deleted(2, 5)]);
  expect(await trips(providerId)).toEqual([]);
});

test('replicas that count at the same time do not each see too few', async () => {
  const providerId = newProvider();
  await grantsOf(providerId, 8);
  // Both wait for the same guard before they count, so that both have written what the other must not miss.
  const free = deferred();
  const locked = deferred();
  const holder = own.database.transaction(async (tx) => {
    await lockGuardOf(tx, providerId);
    locked.resolve();
    await free.promise;
  });
  await locked.promise;
  const both = [0, 1].map(
    (half) =>
    apply(providerId, [0, 1, 2].map((index) => inactive(half * 3 + index, index))), // prettier-ignore
  );
  const waiting = () =>
    all<{ n: string }>(
      own.database,
      `select count(*) as n from pg_locks l join pg_database d on d.oid = l.database
       where l.locktype = 'advisory' and not l.granted and d.datname = current_database()`,
    );
  await eventually(async () => (await waiting())[0]!.n === '2', { what: 'both wait' });
  free.resolve();
  await holder;
  await Promise.all(both);
  expect(await trips(providerId)).toMatchObject([{ users: 6 }]);
});

test('a share of the people that are known, once there are fifty', async () => {
  const providerId = newProvider();
  const guard = { maxUsers: 1_000, maxShare: 0.1, windowMs: 60_000 };
  const people = (from: number, to: number): RawEvent[] =>
    Array.from({ length: to - from }, (_, index) => event('user.created', -10, { id: user(from + index) }));
  await apply(providerId, people(0, 49), guard);
  await apply(providerId, Array.from({ length: 20 }, (_, index) => deleted(index, -3_600 + index)), guard); // prettier-ignore
  expect(await trips(providerId)).toEqual([]);
  await apply(providerId, people(49, 100), guard);
  // 80 are left, so eight may go.
  await apply(providerId, Array.from({ length: 8 }, (_, index) => deleted(30 + index, index)), guard); // prettier-ignore
  expect(await trips(providerId)).toEqual([]);
  await apply(providerId, [deleted(40, 9)], guard);
  expect(await trips(providerId)).toMatchObject([{ users: 9, tombstones: 9 }]);
});

test('a deleted organization counts as its members, and its grants wait', async () => {
  const providerId = newProvider();
  await grantsOf(providerId, 5);
  const joined = [0, 1, 2, 3].map((index) =>
    event('organization_membership.created', -60, { user_id: user(index), organization_id: 'org_a', status: 'active' }),
  );
  await apply(providerId, joined);
  const gone = event('organization.deleted', 1, { id: 'org_a' });
  expect(await apply(providerId, [gone], GUARD, 2)).toMatchObject({ held: 1, deferred: [], marked: [] });
  await work();
  expect(await trips(providerId)).toMatchObject([{ users: 4, scopes: 1, tombstones: 1, grants_waiting: 5 }]);
  for (let index = 0; index < 5; index++) expect(await allowed(providerId, index)).toBe(false);
});

test('an organization that trips the guard by itself is one row; whoever leaves in its window belongs to it', async () => {
  const providerId = newProvider();
  await grantsOf(providerId, 9);
  const joined = Array.from({ length: 8 }, (_, index) =>
    event('organization_membership.created', -600, {
      user_id: user(index),
      organization_id: 'org_a',
      status: 'active',
    }),
  );
  await apply(providerId, joined);
  await apply(providerId, [event('organization.deleted', 1, { id: 'org_a' })]);
  // Counted no further than it takes.
  expect(await trips(providerId)).toMatchObject([{ users: 4, scopes: 1, tombstones: 1 }]);
  const rows = await all(own.database, 'select user_id, people from guard_closings where provider_id = $1', [
    providerId,
  ]);
  expect(rows).toEqual([{ user_id: '', people: 4 }]);
  expect(await apply(providerId, [deleted(8, 30)])).toMatchObject({ held: 1 });
  expect(await apply(providerId, [event('session.revoked', 31, { id: 'session_x', user_id: user(7) })])).toMatchObject({ held: 0 }); // prettier-ignore
  expect(await trips(providerId)).toMatchObject([{ users: 5, scopes: 2 }]);
});

test('of an organization that does not, each member counts once, in whichever way they leave', async () => {
  const providerId = newProvider();
  await grantsOf(providerId, 8);
  const joined = [0, 1].map((index) =>
    event('organization_membership.created', -600, {
      user_id: user(index),
      organization_id: 'org_a',
      status: 'active',
    }),
  );
  await apply(providerId, joined);
  const gone = [event('organization.deleted', 1, { id: 'org_a' }), deleted(0, 2), deleted(1, 3), deleted(2, 4)];
  expect(await apply(providerId, gone)).toMatchObject({ held: 0, tripped: [] });
  expect(await apply(providerId, [deleted(3, 5)])).toMatchObject({ tripped: [{}] });
  expect(await trips(providerId)).toMatchObject([{ users: 4, scopes: 5 }]);
});

test('confirmed: the marks are written, and what comes after is counted anew', async () => {
  const providerId = newProvider();
  await grantsOf(providerId, 9);
  await apply(providerId, [0, 1, 2, 3].map((index) => inactive(index, index))); // prettier-ignore
  const [{ id }] = (await trips(providerId)) as [TripRow];
  const answer = await own.database.transaction((tx) => decide(tx, id, { status: 'confirmed', ...DECIDER }));
  expect(answer).toMatchObject({ status: 'confirmed', decided_by: 'admin', note: 'looked at it' });
  await work();
  expect(await marked(providerId)).toBe(4);
  expect(await trips(providerId)).toMatchObject([{ grants_waiting: 0, reopened: 0 }]);

  expect(await apply(providerId, [4, 5, 6].map((index) => inactive(index, index)))).toMatchObject({ held: 0 }); // prettier-ignore
  expect(await apply(providerId, [inactive(7, 8)])).toMatchObject({ held: 1 });
  expect(await trips(providerId)).toMatchObject([{ status: 'paused', users: 4 }, { status: 'confirmed' }]);
  const again = own.database.transaction((tx) => decide(tx, id, { status: 'undone', ...DECIDER }));
  await expect(again).rejects.toMatchObject({ code: 'guard_trip_decided' });
  const same = await own.database.transaction((tx) => decide(tx, id, { status: 'confirmed', by: 'other', note: 'x' }));
  expect(same).toMatchObject({ decided_by: 'admin' });
});

test('undone: what can be opened is opened later than it was closed; tombstones, and what was closed since, stay', async () => {
  const providerId = newProvider();
  await grantsOf(providerId, 8);
  // 0 has left before the guard tripped, 4 is deleted, 5 is shut out by hand meanwhile, 6 by an event after the decision.
  await apply(providerId, [inactive(0, 0), inactive(1, 1)]);
  await apply(providerId, [2, 3, 5, 6].map((index) => inactive(index, index))); // prettier-ignore
  await apply(providerId, [deleted(4, 8)]);
  await own.database.transaction((tx) =>
    revokeScope(
      tx,
      { kind: 'membership', providerId, userId: user(5), organizationId: 'org_a' },
      { actor: 'admin', reason: 'really', dryRun: false },
      LIMITS,
    ),
  );
  const [{ id }] = (await trips(providerId)) as [TripRow];
  const answer = await own.database.transaction((tx) => decide(tx, id, { status: 'undone', ...DECIDER }));
  expect(answer).toMatchObject({ status: 'undone', scopes: 7, tombstones: 1, reopened: 0 });
  await apply(providerId, [inactive(6, 3_600)]);
  await undo();
  await work();

  expect(await trips(providerId)).toMatchObject([{ status: 'undone', reopened: 4, tombstones: 1, grants_waiting: 0 }]);
  const states = await all<{ scope_key: string; closed_at: number; opened_at: number; undone: string }>(
    own.database,
    `select distinct scope_key, s.closed_at, s.opened_at, c.undone from guard_closings c join scopes s using (scope_key)
     where c.trip_id = $1 order by scope_key`,
    [id],
  );
  expect(states.map(({ undone }) => undone).sort()).toEqual(['left', 'left', ...Array<string>(4).fill('reopened'), 'tombstone']); // prettier-ignore
  for (const { undone, closed_at, opened_at } of states) expect(opened_at > closed_at).toBe(undone === 'reopened');
  // Whoever comes back asks for new grants: the old ones are older than the closing, and are marked so.
  expect(await marked(providerId)).toBe(7);
  expect(await allowed(providerId, 1)).toBe(false);
  await grantedAt(own.database, Date.now() + 1_000, { providerId, userId: user(1), organizationId: 'org_a' });
  expect(await allowed(providerId, 1)).toBe(true);
  for (const index of [4, 5, 6]) {
    await grantedAt(own.database, Date.now() + 1_000, { providerId, userId: user(index), organizationId: 'org_a' });
    expect(await allowed(providerId, index)).toBe(false);
  }
  const opened = await published(TOPICS.revocationState, providerId);
  const key = `${providerId}/membership:${user(1)}:org_a`;
  const last = opened.findLast(({ scope }) => scope === key)!;
  expect(momentFromWire(last['opened_at'] as string)).toBeGreaterThan(momentFromWire(last['closed_at'] as string));
  const audit = await all(own.database, `select actor, action, reason from audit where provider_id = $1 and (action = 'guard.undone' or subject = $2 and action = 'scope.opened')`, [providerId, key]); // prettier-ignore
  expect(audit).toEqual([
    { actor: 'admin', action: 'guard.undone', reason: 'looked at it' },
    { actor: 'admin', action: 'scope.opened', reason: 'looked at it' },
  ]);
  // The events of the burst come once more, and shut nobody out who was let in again.
  await apply(providerId, [1, 2, 3].map((index) => inactive(index, index))); // prettier-ignore
  expect(await allowed(providerId, 1)).toBe(true);
});

test('no guard, no trip; and what is done by hand never waits', async () => {
  const providerId = newProvider();
  await grantsOf(providerId, 6);
  const events = [0, 1, 2, 3, 4].map((index) => inactive(index, index));
  await own.database.transaction((tx) =>
    applyBatch(
      tx,
      events.map((one) => recordOf(one, providerId)),
      { suspensionOf: () => undefined, limits: LIMITS, guardOf: () => undefined },
    ),
  );
  expect(await marked(providerId)).toBe(5);
  expect(await trips(providerId)).toEqual([]);
});
