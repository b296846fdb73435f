import { TOPICS } from '#contracts/topics.js';
import { decodeWorkOSRecord } from '#contracts/workos-event.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { applyBatch } from '../src/events/apply-batch.js';
import { checkAccess } from '../src/grants/check-access.js';
import { EventApplier } from '../src/events/event-applier.js';
import { GrantsMetrics } from '../src/grants-metrics.js';
import { sendAgain } from '../src/shadow/shadow.js';
import { readShadowRevocations } from '../src/shadow/shadow.sql.js';
import { all, apply, AT, event, grantedAt, newProvider, NO_RULE, ownDatabase, rawRecord, type RawEvent, recordOf } from './support.js'; // prettier-ignore

let own: Awaited<ReturnType<typeof ownDatabase>>;
beforeAll(async () => {
  own = await ownDatabase();
});
afterAll(() => own.drop());
beforeEach(() => all(own.database, 'delete from outbox'));

const RULE = { metadataKey: 'suspended', value: 'yes' };
const inShadow = (providerId: string, events: readonly RawEvent[]): ConsumedRecord[] =>
  events.map((one) => recordOf(one, providerId, 0, 'shadow'));
const allowed = async (providerId: string, userId: string): Promise<boolean> => {
  const question = { providerId, userId, organizationId: 'org_a', resource: 'vault', scope: 'read' };
  return (await own.database.read((tx) => checkAccess(tx, question))).allowed;
};
const recorded = (providerId: string) =>
  own.database.read((tx) => readShadowRevocations(tx, { provider_id: providerId }, { before: undefined, limit: 50 }));
const outcomes = async (providerId: string) => {
  const rows = await all<{ outcome: string }>(own.database, 'select outcome from receipts where provider_id = $1 order by seq', [providerId]); // prettier-ignore
  return rows.map(({ outcome }) => outcome);
};
const sent = async (): Promise<ConsumedRecord[]> => {
  const rows = await all<{ key: Buffer; value: Buffer }>(own.database, 'select key, value from outbox where topic = $1 order by id', [TOPICS.workosEvents]); // prettier-ignore
  return rows.map(({ key, value }) => rawRecord(value, String(key)));
};
const history = (): RawEvent[] => [
  event('user.deleted', 1, { id: 'user_a' }),
  event('organization_membership.updated', 2, { user_id: 'user_b', organization_id: 'org_a', status: 'inactive' }),
  event('user.updated', 3, { id: 'user_c', metadata: { suspended: 'yes' } }),
  event('organization_membership.created', 4, { user_id: 'user_d', organization_id: 'org_a', status: 'active' }),
];

test('in shadow mode nothing is closed, marked or announced, and what would have ended is recorded', async () => {
  const providerId = newProvider();
  for (const userId of ['user_a', 'user_b', 'user_c'])
    await grantedAt(own.database, AT - 1_000, { providerId, userId, organizationId: 'org_a' });
  const events = history();
  for (let times = 0; times < 2; times++) await apply(own.database, inShadow(providerId, events), RULE);

  for (const userId of ['user_a', 'user_b', 'user_c']) expect(await allowed(providerId, userId)).toBe(true);
  expect(await all(own.database, 'select 1 from scopes where provider_id = $1', [providerId])).toEqual([]);
  expect(await all(own.database, 'select 1 from outbox')).toEqual([]);
  expect(await all(own.database, 'select 1 from grants where provider_id = $1 and revoked_at is not null', [providerId])).toEqual([]); // prettier-ignore
  expect(await outcomes(providerId)).toEqual(['shadow', 'shadow', 'shadow', 'shadow']);
  const expected = [
    { scope_key: `${providerId}/user:user_a`, reason: 'user_deprovisioned', source_event_id: events[0]!.id },
    { scope_key: `${providerId}/membership:user_b:org_a`, reason: 'membership_inactive', source_event_id: events[1]!.id }, // prettier-ignore
    { scope_key: `${providerId}/user:user_c`, reason: 'user_suspended', source_event_id: events[2]!.id },
  ];
  const rows = await recorded(providerId);
  expect(rows.toReversed()).toMatchObject(expected.map((row) => ({ ...row, grants: 1, sent_again_at: null })));
  const audit = await all(own.database, 'select actor, action, subject, reason, source_event_id from audit where provider_id = $1 order by id', [providerId]); // prettier-ignore
  expect(audit).toEqual(
    expected.map(({ scope_key: subject, reason, source_event_id }) => ({
      actor: 'workos',
      action: 'shadow.would_close',
      subject,
      reason,
      source_event_id,
    })),
  );
});

test('enforced: each recorded event is sent again once, just as if it had come now, and takes effect', async () => {
  const [providerId, other] = [newProvider(), newProvider()];
  await grantedAt(own.database, AT - 1_000, { providerId, userId: 'user_a', organizationId: 'org_a' });
  const events = history();
  await apply(own.database, inShadow(providerId, events), RULE);
  await apply(own.database, inShadow(other, history()), RULE);

  const both = await Promise.all([0, 1].map(() => own.database.transaction((tx) => sendAgain(tx, [providerId], 100))));
  expect(both.reduce((sum, n) => sum + n, 0)).toBe(4);
  // Two send at once, each what it finds first: the order is no promise, and decides nothing.
  const again = (await sent()).toSorted((one, two) => String(one.key).localeCompare(String(two.key)));
  expect(again.map(({ key }) => String(key))).toEqual(['user_a', 'user_b', 'user_c', 'user_d']);
  for (const [index, { value }] of again.entries()) {
    const { event: decoded, raw } = decodeWorkOSRecord(value);
    expect([decoded.shadow, decoded.id, raw]).toEqual([false, events[index]!.id, events[index]]);
  }
  await apply(own.database, [...again, ...inShadow(providerId, events), ...again], RULE);
  await apply(own.database, inShadow(providerId, events), RULE);

  expect(await allowed(providerId, 'user_a')).toBe(false);
  const closed = await all<{ scope_key: string }>(own.database, `select scope_key from scopes where provider_id = $1 and closed_at >= opened_at and reason is not null order by 1`, [providerId]); // prettier-ignore
  expect(closed.map((row) => row.scope_key.slice(providerId.length))).toEqual([
    '/membership:user_b:org_a',
    '/user:user_a',
    '/user:user_c',
  ]);
  expect(await outcomes(providerId)).toEqual(['applied', 'applied', 'no_effect', 'applied']);
  expect((await recorded(providerId)).map((row) => row.sent_again_at)).not.toContain(null);
  expect(await own.database.transaction((tx) => sendAgain(tx, [providerId], 100))).toBe(0);
  expect(await outcomes(other)).toEqual(Array(4).fill('shadow'));
});

test('what comes in shadow after the switch is found as well, and a crash in between sends again', async () => {
  const providerId = newProvider();
  await apply(own.database, inShadow(providerId, [event('user.deleted', 1, { id: 'user_a' })]));
  await own.database.transaction((tx) => sendAgain(tx, [providerId], 100));
  await apply(own.database, inShadow(providerId, [event('user.deleted', 1, { id: 'user_b' })]));
  const broken = own.database.transaction(async (tx) => {
    expect(await sendAgain(tx, [providerId], 100)).toBe(1);
    await tx.query('select pg_terminate_backend(pg_backend_pid())');
  });
  await expect(broken).rejects.toThrow('');
  expect(await own.database.transaction((tx) => sendAgain(tx, [providerId], 100))).toBe(1);
  expect((await sent()).map(({ key }) => String(key))).toEqual(['user_a', 'user_b']);
});

test('while a provider is not known, its events wait: nothing is applied by a guess', async () => {
  const providerId = newProvider();
  const asked: string[][] = [];
  let known = false;
  const providers = {
    settle: async (ids: Iterable<string>): Promise<void> => {
      asked.push([...ids]);
      if (!known) throw new Error('not read to the end');
    },
  };
  const applier = new EventApplier(
    own.database,
    providers,
    () => (known ? RULE : undefined),
    NO_RULE.limits,
    () => undefined,
    { wake: () => undefined },
    new GrantsMetrics(new Registry()),
    pino({ level: 'silent' }),
  );
  const records = [recordOf(event('user.updated', 1, { id: 'user_a', metadata: { suspended: 'yes' } }), providerId)];
  await expect(applier.apply(records)).rejects.toThrow('not read to the end');
  expect(await outcomes(providerId)).toEqual([]);
  expect(await all(own.database, 'select 1 from set_aside')).toEqual([]);
  known = true;
  await applier.apply(records);
  expect(asked).toEqual([[providerId], [providerId]]);
  expect(await all(own.database, `select 1 from scopes where provider_id = $1 and reason = 'user_suspended'`, [providerId])).toHaveLength(1); // prettier-ignore
});

test('enforced and in shadow in one batch: each as it came', async () => {
  const [enforced, shadow] = [newProvider(), newProvider()];
  const records = [
    recordOf(event('user.deleted', 1, { id: 'user_a' }), enforced),
    ...inShadow(shadow, [event('user.deleted', 1, { id: 'user_a' })]),
  ];
  await own.database.transaction((tx) => applyBatch(tx, records, NO_RULE));
  const closed = await all<{ provider_id: string }>(own.database, `select provider_id from scopes where provider_id = any($1)`, [[enforced, shadow]]); // prettier-ignore
  expect(closed).toEqual([{ provider_id: enforced }]);
});
