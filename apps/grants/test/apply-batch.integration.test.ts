import { randomBytes } from 'node:crypto';
import { TOPICS } from '#contracts/topics.js';
import { decodeWorkOSEvent } from '#contracts/workos-event.js';
import { effectsOf } from '#revocation/effects.js';
import { merge, OPEN, type ScopeState } from '#revocation/scope-state.js';
import { stateFromWire } from '#revocation/wire.js';
import { applyBatch } from '../src/events/apply-batch.js';
import { changeScopes } from '../src/scopes/change-scopes.js';
import { markNextChunk } from '../src/marking/marking-worker.js';
import { readProgress } from '../src/outbox/outbox.sql.js';
import {
  all,
  apply,
  crashing,
  AT,
  event,
  grantedAt,
  newProvider,
  NO_RULE,
  ownDatabase,
  rawRecord,
  recordOf,
} from './support.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
beforeAll(async () => {
  own = await ownDatabase(12);
});
afterAll(() => own.drop());
beforeEach(() => all(own.database, 'delete from outbox'));

const member = (user: string, organization: string, status = 'active') => ({
  id: `om_${user}_${organization}`,
  user_id: user,
  organization_id: organization,
  status,
});
const count = async (table: string, providerId: string): Promise<number> => {
  const [row] = await all<{ n: string }>(own.database, `select count(*) as n from ${table} where provider_id = $1`, [
    providerId,
  ]);
  return Number(row!.n);
};
interface Published {
  topic: string;
  type: string;
  data: Parameters<typeof stateFromWire>[0] & { revoked_grant_ids?: string[] };
}
const outbox = async (): Promise<Published[]> => {
  const rows = await all<{ topic: string; value: Buffer }>(own.database, 'select topic, value from outbox order by id');
  return rows.map(({ topic, value }) => {
    const { type, data } = JSON.parse(String(value)) as Published;
    return { topic, type, data };
  });
};

test('a batch commits wholly or not at all, and may come again', async () => {
  const providerId = newProvider();
  const grant = await grantedAt(own.database, AT, { providerId, userId: 'user_a' });
  const records = [recordOf(event('user.deleted', 10, { id: 'user_a' }), providerId), rawRecord(Buffer.from('{'), 'x')];

  const broken = own.database.transaction(async (tx) => {
    await applyBatch(tx, records, NO_RULE);
    await tx.query('select pg_terminate_backend(pg_backend_pid())');
  });
  await expect(broken).rejects.toThrow('');
  for (const table of ['receipts', 'scopes', 'users', 'revocations', 'audit'])
    expect(await count(table, providerId)).toBe(0);
  expect(await outbox()).toEqual([]);
  expect(await all(own.database, 'select 1 from set_aside')).toEqual([]);
  expect(await all(own.database, 'select 1 from grants where id = $1 and revoked_at is null', [grant])).toHaveLength(1);

  await apply(own.database, records);
  for (const table of ['receipts', 'scopes', 'users', 'revocations']) expect(await count(table, providerId)).toBe(1);
  expect(await all(own.database, 'select 1 from set_aside')).toHaveLength(1);
  const [position] = await all<{ next_offset: string }>(own.database, 'select next_offset from consumer_positions');
  expect(position!.next_offset).toBe(String(BigInt(records[1]!.offset) + 1n));
});

test('each event is kept byte for byte as it came, also beside longer and shorter ones', async () => {
  const providerId = newProvider();
  const records = ['', 'ä'.repeat(700), 'x', '☃'.repeat(5_000)].map((note, index) =>
    recordOf(event('user.updated', index, { id: `user_${index}`, note }), providerId),
  );
  await apply(own.database, records);
  const kept = await all<{ kafka_offset: string; value: Buffer }>(
    own.database,
    'select kafka_offset, value from receipts where provider_id = $1',
    [providerId],
  );
  const valueOf = new Map(kept.map(({ kafka_offset, value }) => [kafka_offset, value.toString('hex')]));
  for (const { offset, value } of records) expect(valueOf.get(offset)).toBe(value!.toString('hex'));
  expect(kept).toHaveLength(records.length);
});

test('names and addresses longer than an index can hold do not stop a partition', async () => {
  const providerId = newProvider();
  // Of random bytes: what can be compressed fits into an index however long it is.
  const long = randomBytes(8_000).toString('base64');
  const wide = Array.from(randomBytes(2_000), (byte) => String.fromCharCode(0x4e00 + byte * 3)).join('');
  await apply(own.database, [
    recordOf(event('user.created', 1, { id: 'user_long', email: long, first_name: wide, last_name: long }), providerId),
    recordOf(event('user.created', 2, { id: 'user_wide', name: wide, external_id: long }), providerId),
    recordOf(event('organization.created', 3, { id: 'org_long', name: long }), providerId),
  ]);
  const [kept] = await all<{ email: string }>(own.database, 'select email from users where id = $1', ['user_long']);
  expect(kept!.email).toBe(long.slice(0, 320));
});

test('an event delivered again changes nothing, announces nothing and is audited once', async () => {
  const providerId = newProvider();
  const grant = await grantedAt(own.database, AT, { providerId, userId: 'user_a', organizationId: 'org_a' });
  const left = event('organization_membership.updated', 5, member('user_a', 'org_a', 'inactive'));
  await apply(own.database, [recordOf(left, providerId)]);
  const first = await outbox();
  expect(first.map(({ topic }) => topic)).toEqual([TOPICS.revocationState, TOPICS.revocations]);
  expect(first[1]!.data).toMatchObject({
    scope: `${providerId}/membership:user_a:org_a`,
    reason: 'membership_inactive',
    source_event_id: left.id,
    occurred_at: left.created_at,
    closed_at: left.created_at,
    revoked_grant_ids: [grant],
  });
  await apply(own.database, [recordOf(left, providerId), recordOf(left, providerId)]);
  await apply(own.database, [recordOf(left, providerId)]);

  expect(await outbox()).toHaveLength(2);
  expect(await count('receipts', providerId)).toBe(1);
  const audit = await all<{ action: string; subject: string; source_event_id: string }>(
    own.database,
    'select action, subject, source_event_id from audit where provider_id = $1 order by id',
    [providerId],
  );
  expect(audit).toEqual([
    { action: 'scope.closed', subject: `${providerId}/membership:user_a:org_a`, source_event_id: left.id },
    { action: 'grant.revoked', subject: grant, source_event_id: left.id },
  ]);
});

test('a late event takes its mark back where the rule says so, and opens nothing that it may not', async () => {
  const providerId = newProvider();
  const holder = { providerId, userId: 'user_a', organizationId: 'org_a' };
  const before = await grantedAt(own.database, AT + 1_000, holder);
  const between = await grantedAt(own.database, AT + 7_000, holder);
  const closed = event('organization_membership.deleted', 5, member('user_a', 'org_a'));
  const opened = event('organization_membership.created', 6, member('user_a', 'org_a'));
  const marks = () =>
    all(own.database, 'select id, reason from grants where provider_id = $1 order by id', [providerId]);

  await apply(own.database, [recordOf(closed, providerId)]);
  expect(await marks()).toEqual([
    { id: before, reason: 'membership_deleted' },
    { id: between, reason: 'membership_deleted' },
  ]);
  await apply(own.database, [recordOf(opened, providerId)]);
  expect(await marks()).toEqual([
    { id: before, reason: 'membership_deleted' },
    { id: between, reason: null },
  ]);
  const restored = await all(own.database, `select subject, actor, source_event_id from audit where provider_id = $1 and action = 'grant.restored'`, [providerId]); // prettier-ignore
  expect(restored).toEqual([{ subject: between, actor: 'workos', source_event_id: opened.id }]);
});

test('what cannot be read is set aside with its bytes, its headers and a reason, and the rest goes on', async () => {
  const providerId = newProvider();
  const odd = { ...rawRecord(Buffer.from([0, 255, 1]), 'odd'), headers: { trace: Buffer.from('abc') } };
  const nul = event('user.deleted', 1, { id: 'user_\0' });
  const records = [
    odd,
    recordOf(event('user.deleted', 1, { id: 'user_a' }), providerId),
    rawRecord(null, 'nothing'),
    recordOf(event('user.deleted', 1, {}), providerId),
    recordOf(nul, providerId),
    recordOf(event('user.created', 1, { id: 'user_b', email: 'b\0@example.test', first_name: '\ud800' }), providerId),
    recordOf(event('what.is.this', 1, { id: 'x' }), providerId),
  ];
  const applied = await apply(own.database, records);
  expect(applied.setAside.map(({ reason }) => reason)).toEqual([
    'record_malformed',
    'record_malformed',
    'event_malformed',
    'event_malformed',
  ]);
  expect(applied.fresh).toBe(3);
  expect(await count('users', providerId)).toBe(2);
  const letters = await all<{ key: Buffer; value: Buffer; headers: Record<string, string> }>(
    own.database,
    'select key, value, headers from outbox where topic = $1 order by id',
    [TOPICS.workosEventsDlq],
  );
  expect(letters).toHaveLength(4);
  const text = (name: string): string => Buffer.from(letters[0]!.headers[name] ?? '', 'base64').toString();
  expect([letters[0]!.key.toString(), letters[0]!.value]).toEqual(['odd', odd.value]);
  expect([text('trace'), text('rescind-reason'), text('rescind-offset')]).toEqual([
    'abc',
    'record_malformed',
    odd.offset,
  ]);

  await apply(own.database, records);
  expect(await all(own.database, 'select 1 from outbox where topic = $1', [TOPICS.workosEventsDlq])).toHaveLength(4);
  const audit = await all(own.database, `select actor, reason from audit where action = 'record.set_aside' and subject like '%-' || $1 || '-%'`, [odd.offset]); // prettier-ignore
  expect(audit).toEqual([{ actor: 'rescind', reason: 'record_malformed' }]);
});

test('changes of the same scopes at the same time lose nothing, and the outbox keeps the order of each scope', async () => {
  const providerId = newProvider();
  const users = ['user_a', 'user_b', 'user_c'];
  const history = Array.from({ length: 60 }, (_, index) => {
    const [user, organization] = [users[index % 3]!, `org_${index % 2}`];
    const status = index % 4 < 2 ? 'inactive' : 'active';
    return index % 15 === 14
      ? event('organization.deleted', index, { id: 'org_9' })
      : event('organization_membership.updated', (index * 37) % 60, member(user, organization, status));
  });
  for (const [index, userId] of users.entries()) {
    await grantedAt(own.database, AT + index * 20_000, { providerId, userId, organizationId: 'org_0' });
  }
  // The rows are there already: otherwise the first one to make them would keep the others waiting.
  const invited = users.flatMap((user) =>
    ['org_0', 'org_1'].map((organization) =>
      recordOf(event('organization_membership.created', -1, member(user, organization)), providerId),
    ),
  );
  await apply(own.database, invited);
  const batches = Array.from({ length: 12 }, (_, index) =>
    history.filter((_, at) => (at * 7 + index) % 5 === 0 || at % 12 === index),
  );
  // Straight at the scopes, as changes by hand come: receipts and directory would make some of them wait before.
  await Promise.all(
    batches.map((batch, index) => {
      const updates = (index % 2 ? batch.toReversed() : batch).flatMap((one) =>
        effectsOf(decodeWorkOSEvent(one, providerId)).map((update) => ({
          ...update,
          source: { eventId: one.id, occurredAt: Date.parse(one.created_at), actor: null },
        })),
      );
      return own.database.transaction((tx) => changeScopes(tx, updates, { inline: 5_000 }));
    }),
  );

  const expected = new Map<string, ScopeState>();
  for (const one of history) {
    for (const { scope, state } of effectsOf(decodeWorkOSEvent(one, providerId))) {
      const key = 'userId' in scope && 'organizationId' in scope ? `${scope.userId}:${scope.organizationId}` : 'org_9';
      expected.set(key, merge(expected.get(key) ?? OPEN, state));
    }
  }
  const published = (await outbox()).filter(({ topic }) => topic === TOPICS.revocationState);
  const last = new Map<string, ScopeState>();
  for (const { data } of published) {
    const key = data.scope.replace(/^.*?\/(membership|org):/, '');
    const state = stateFromWire(data);
    const previous = last.get(key) ?? OPEN;
    // Each state holds everything of the one before: nothing older is published after something newer.
    expect(merge(previous, state)).toEqual(state);
    last.set(key, state);
  }
  expect(Object.fromEntries(last)).toEqual(
    Object.fromEntries([...expected].filter(([key]) => expected.get(key)!.closedAt !== -Infinity)),
  );
});

test('a mass change is closed at once and marked by a job, from where the last chunk ended', async () => {
  const providerId = newProvider();
  await all(
    own.database,
    `insert into grants (id, provider_id, user_id, organization_id, resource, scopes, granted_at, granted_by)
     select 'grant_${providerId}_' || lpad(n::text, 6, '0'), $1, 'user_' || n, 'org_big', 'vault', '{read}', $2, 'test'
     from generate_series(1, 250) as n`,
    [providerId, AT],
  );
  const small = await grantedAt(own.database, AT, { providerId, userId: 'user_x' });
  const applied = await apply(
    own.database,
    [
      recordOf(event('organization.deleted', 1, { id: 'org_big' }), providerId),
      recordOf(event('user.deleted', 1, { id: 'user_x' }), providerId),
    ],
    undefined,
    100,
  );
  const marked = async (): Promise<number> => {
    const rows = await all(own.database, 'select 1 from grants where provider_id = $1 and revoked_at is not null', [
      providerId,
    ]);
    return rows.length;
  };
  expect(applied.deferred).toHaveLength(1);
  expect(applied.marked.map(({ id }) => id)).toEqual([small]);
  const announced = (await outbox()).filter(({ topic }) => topic === TOPICS.revocations);
  expect(announced.map(({ data }) => data.revoked_grant_ids)).toEqual([undefined, [small]]);

  await markNextChunk(own.database, { chunk: 50, connections: 2 });
  expect(await marked()).toBe(101);
  // A chunk that breaks is done again by whoever comes next.
  await expect(markNextChunk(crashing(own.database, 1), { chunk: 100, connections: 1 })).rejects.toThrow('crash');
  expect(await marked()).toBe(101);
  while ((await markNextChunk(own.database, { chunk: 30, connections: 3 })) !== undefined);
  expect(await marked()).toBe(251);
  expect(await all(own.database, 'select 1 from marking_jobs')).toEqual([]);
});

test('a deleted user is never created again by a late event, and their tombstone never opens', async () => {
  const providerId = newProvider();
  const late = [
    event('user.created', 1, { id: 'user_a', email: 'a@example.test' }),
    event('user.updated', 20, { id: 'user_a', email: 'a2@example.test', metadata: {} }),
  ];
  await apply(own.database, [recordOf(event('user.deleted', 10, { id: 'user_a' }), providerId)]);
  await apply(
    own.database,
    late.map((one) => recordOf(one, providerId)),
    { metadataKey: 'suspended', value: 'yes' },
  );
  const [user] = await all<{ deleted_at: number }>(
    own.database,
    'select deleted_at from users where provider_id = $1',
    [providerId],
  );
  expect(user!.deleted_at).toBe(AT + 10_000);
  const [scope] = await all<{ closed_at: number; opened_at: number }>(
    own.database,
    'select * from scopes where provider_id = $1',
    [providerId],
  );
  expect(scope).toMatchObject({ closed_at: Infinity, opened_at: AT + 20_000 });
});

test('the database itself refuses a state that goes back', async () => {
  const providerId = newProvider();
  await apply(own.database, [recordOf(event('user.deleted', 10, { id: 'user_a' }), providerId)]);
  const back = `update scopes set closed_at = '-infinity', reason = null, occurred_at = null where provider_id = $1`;
  await expect(all(own.database, back, [providerId])).rejects.toThrow('only grows');
  await expect(all(own.database, 'delete from scopes where provider_id = $1', [providerId])).rejects.toThrow(
    'only grows',
  );
});

test('the progress never claims an event whose outbox rows are not there', async () => {
  const providerId = newProvider();
  const reading = own.database.source.createQueryRunner();
  try {
    await apply(own.database, [recordOf(event('user.deleted', 1, { id: 'user_a' }), providerId, 3)]);
    const connection = {
      query: async (text: string, parameters?: unknown[]) => ({ rows: await reading.query(text, parameters) }),
    };
    const progress = await readProgress(connection, TOPICS.workosEvents);
    const [position] = await all<{ next_offset: string }>(
      own.database,
      'select next_offset from consumer_positions where partition = 3',
    );
    expect(progress.applied['3']).toBe(position!.next_offset);
    const [last] = await all<{ id: string }>(own.database, 'select max(id) as id from outbox');
    expect(progress.upTo).toBe(last!.id);
  } finally {
    await reading.release();
  }
});
