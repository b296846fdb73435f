import { sealAudit, verifyAudit } from '../src/audit/audit-chain.js';
import { all, apply, event, newProvider, ownDatabase, recordOf } from './support.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
beforeEach(async () => {
  own = await ownDatabase();
  const providerId = newProvider();
  for (let user = 0; user < 10; user++) {
    await apply(own.database, [recordOf(event('user.deleted', user, { id: `user_${user}` }), providerId)]);
  }
  await seal();
});
afterEach(() => own.drop());

const seal = async (): Promise<void> => {
  while ((await own.database.transaction((tx) => sealAudit(tx, 3))) > 0);
};
const verify = (expected?: { seq: string; hash: string }) => own.database.read((tx) => verifyAudit(tx, expected));
/** As somebody who owns the database and means ill. */
const tamper = (statement: string): Promise<unknown> =>
  own.database.transaction(async (tx) => {
    await tx.query(`set local session_replication_role = replica`);
    await tx.query(statement);
  });

test('an audit that nobody touched is whole', async () => {
  const report = await verify();
  expect(report).toMatchObject({ checked: 10, unsealed: 0, problems: [], head: { seq: '10' } });
  expect((await verify(report.head)).problems).toEqual([]);
});

test.each([
  ['a changed row', `update audit set reason = 'nothing' where id = 4`, /4 .* is not what was sealed/],
  ['another time', `update audit set at = at + interval '1 microsecond' where id = 4`, /4 .* is not what was sealed/],
  ['a removed row', `delete from audit where id = 4`, /audit row 4 .* was removed/],
  [
    'a row removed with its entry',
    `with a as (delete from audit where id = 4) delete from audit_chain where audit_id = 4`,
    /the chain has no 4/,
  ],
  [
    'an end that was cut off',
    `with a as (delete from audit where id > 8) delete from audit_chain where seq > 8`,
    /the chain ends at 8, and its head stands at 10/,
  ],
  ['a chain that is gone', `delete from audit; delete from audit_chain`, /the chain ends at 0/],
  ['a row put in', `insert into audit (actor, action, subject) values ('me', 'x', 'y')`, /neither in the chain/],
  ['a removed entry', `delete from audit_chain where seq = 10`, /audit row 10 is neither in the chain/],
  [
    'entries in another order',
    `update audit_chain set audit_id = -audit_id where audit_id in (4, 5);
      update audit_chain set audit_id = 9 + audit_id where audit_id < 0`,
    /is not what was sealed/,
  ],
])('%s is found', async (_, statement, problem) => {
  await tamper(statement);
  expect((await verify()).problems.join('\n')).toMatch(problem);
});

test('a row that was removed before it was sealed is found, now and ever after; the others are sealed', async () => {
  const providerId = newProvider();
  const gone = [0, 1].map((user) => recordOf(event('user.deleted', user, { id: `user_${user}` }), providerId));
  await apply(own.database, gone); // two rows of one statement
  await apply(own.database, [recordOf(event('user.deleted', 2, { id: 'user_2' }), providerId)]);
  await tamper('delete from audit where id in (12, 13)');
  const removed = ['audit row 12 was removed before it was sealed', 'audit row 13 was removed before it was sealed'];
  expect((await verify()).problems).toEqual(removed);
  await seal();
  await seal();
  expect(await verify()).toMatchObject({ checked: 11, unsealed: 2, problems: removed });
});

test('where the head was cut back as well, one that was written down elsewhere finds it', async () => {
  const { head } = await verify();
  await tamper(`with a as (delete from audit where id > 8) delete from audit_chain where seq > 8;
    update audit_head h set seq = c.seq, hash = c.hash from audit_chain c where c.seq = 8`);
  expect((await verify()).problems).toEqual([]);
  expect((await verify(head)).problems.join()).toMatch('does not hold the expected head');
});

test.each([
  `update audit set reason = ''`,
  `delete from audit where false`,
  `truncate audit`,
  `update audit_chain set seq = seq + 1`,
  `delete from audit_chain`,
  `truncate audit_head`,
])('the database refuses: %s', async (statement) => {
  await expect(all(own.database, statement)).rejects.toThrow('append-only');
});

test.each(['update audit_head set seq = seq - 1', 'delete from audit_head'])(
  'the database refuses: %s',
  async (statement) => {
    await expect(all(own.database, statement)).rejects.toThrow('only grows');
  },
);

test('an owner without superuser has no right to change it either', async () => {
  const rights = await all<{ table_name: string; privilege_type: string }>(
    own.database,
    `select table_name, privilege_type from information_schema.role_table_grants
     where table_name in ('audit', 'audit_chain') and privilege_type in ('UPDATE', 'DELETE', 'TRUNCATE')`,
  );
  expect(rights).toEqual([]);
});

test('sealers at the same time make one chain', async () => {
  const providerId = newProvider();
  for (let user = 0; user < 20; user++) {
    await apply(own.database, [recordOf(event('user.deleted', user, { id: `user_${user}` }), providerId)]);
  }
  await Promise.all(Array.from({ length: 8 }, seal));
  await seal();
  expect(await verify()).toMatchObject({ checked: 30, problems: [] });
});
