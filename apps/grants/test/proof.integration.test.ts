import { rootFrom, rootOf } from '#proof/merkle.js';
import { leafHash } from '#proof/merkle.js';
import { checkReceipt } from '#proof/check-receipt.js';
import { type ReceiptFacts, receiptFacts, type VoidFacts } from '#proof/receipt.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import { sealAudit } from '../src/audit/audit-chain.js';
import { revokeByHand } from '../src/grants/grants.sql.js';
import { deleteSent } from '../src/outbox/outbox.sql.js';
import { AuditTree, growAuditTree, TILE } from '../src/proof/audit-tree.js';
import { prove } from '../src/proof/prove.js';
import { reinstateScope, revokeScope } from '../src/scopes/revoke-scope.js';
import { all, apply, AT, event, grantedAt, newProvider, ownDatabase, recordOf } from './support.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
beforeAll(async () => {
  own = await ownDatabase(10, { roles: true });
});
afterAll(() => own.drop());

const seal = async (): Promise<void> => {
  while ((await own.database.transaction((tx) => sealAudit(tx, 1_000))) > 0);
};
const COMPLETE = {
  status: 'complete',
  complete_from: '2026-01-01T00:00:00.000Z',
  complete_up_to: '2026-03-02T00:00:00.000Z',
  checked_at: '2026-03-02T00:00:10.000Z',
} as const;
const snapshot = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
  own.database.transaction(async (tx) => {
    await tx.query('set transaction isolation level repeatable read, read only');
    return work(tx);
  });
async function receiptOf(
  providerId: string,
  userId: string,
  organizationId: string | null = null,
): Promise<ReceiptFacts> {
  await seal();
  const facts = await snapshot((tx) => prove(tx, { providerId, userId, organizationId }, Date.now(), COMPLETE));
  // What crosses the boundary, as it arrives.
  return receiptFacts.parse(JSON.parse(JSON.stringify(facts)));
}
const voidReceiptOf = async (...who: Parameters<typeof receiptOf>): Promise<VoidFacts> => {
  const facts = await receiptOf(...who);
  if (facts.standing !== 'void') throw new Error('open');
  return facts;
};

/** Somebody with two grants, a sign-in and a membership. */
async function somebody(userId: string) {
  const providerId = newProvider();
  const membership = { id: `om_${userId}`, user_id: userId, organization_id: 'org_1', status: 'active' };
  await apply(own.database, [
    recordOf(event('user.created', 0, { id: userId, email: 'ada@example.com' }), providerId),
    recordOf(event('organization_membership.created', 1, membership), providerId),
    recordOf(event('session.created', 2, { id: `session_${userId}`, user_id: userId }), providerId),
  ]);
  const grants = [
    await grantedAt(own.database, AT + 3_000, { providerId, userId }),
    await grantedAt(own.database, AT + 4_000, { providerId, userId, organizationId: 'org_1' }),
  ];
  return { providerId, userId, grants, membership };
}

describe('a deleted user', () => {
  test('each grant, sign-in and closing is there with its time, and all of it checks', async () => {
    const { providerId, userId, grants } = await somebody('user_gone');
    const said = event('user.deleted', 60, { id: userId });
    await apply(own.database, [recordOf(said, providerId)]);
    const facts = await voidReceiptOf(providerId, userId);

    expect(facts.scopes).toMatchObject([{ scope: `${providerId}/user:${userId}`, closed_at: 'infinity' }]);
    expect(facts.closings).toMatchObject([
      {
        event: { id: said.id, type: 'user.deleted', occurred_at: said.created_at, via: 'webhook' },
        announced: [{ published: null }],
      },
    ]);
    const since = { void_since: said.created_at, reason: 'user_deprovisioned', source_event_id: said.id };
    expect(facts.grants.total).toBe(2);
    expect(facts.grants.listed).toMatchObject([...grants].reverse().map((id) => ({ id, ...since })));
    expect(facts.sessions).toMatchObject({ total: 1, listed: [{ id: 'session_user_gone', ...since }] });
    expect(facts.audit.rows).toHaveLength(3);
    expect(checkReceipt(facts).problems).toEqual([]);
  });

  test('once Kafka has the announcement, the receipt says where', async () => {
    const { providerId, userId } = await somebody('user_told');
    await apply(own.database, [recordOf(event('user.deleted', 60, { id: userId }), providerId)]);
    const eventId = (await voidReceiptOf(providerId, userId)).closings[0]!.announced[0]!.id;
    const connection = {
      query: async (text: string, parameters?: unknown[]) => ({
        rows: await own.database.read((tx) => rowsOf(tx, text, parameters)),
      }),
    };
    const record = { eventId, topic: 'access.revocations', partition: 2, offset: '41' };
    // Sent again after a crash: the first place that was told stays.
    await deleteSent(connection, [], [record]);
    await deleteSent(connection, [], [record, { ...record, offset: '43' }]);
    const { announced } = (await voidReceiptOf(providerId, userId)).closings[0]!;
    expect(announced).toMatchObject([{ published: { topic: 'access.revocations', partition: 2, offset: '41' } }]);
  });

  test('a grant that ended before keeps its own time, reason and row', async () => {
    const { providerId, userId, grants } = await somebody('user_earlier');
    const hand = { at: AT + 10_000, by: 'ada', reason: 'project over' };
    await own.database.transaction((tx) => revokeByHand(tx, grants[0]!, hand));
    await apply(own.database, [recordOf(event('user.deleted', 60, { id: userId }), providerId)]);
    const facts = await voidReceiptOf(providerId, userId);
    expect(facts.grants.listed.find(({ id }) => id === grants[0])).toMatchObject({
      void_since: new Date(hand.at).toISOString(),
      reason: 'project over',
      actor: 'ada',
      audit_seq: null, // revokeByHand alone writes no audit
    });
    const { problems, notProved } = checkReceipt(facts);
    expect(problems).toEqual([]);
    expect(notProved.join()).toMatch(/when 1 grants were marked/);
  });
});

test('somebody who still has access: the receipt says so, and proves nothing', async () => {
  const { providerId, userId } = await somebody('user_here');
  const facts = await receiptOf(providerId, userId);
  expect(facts).toEqual({
    version: 1,
    provider_id: providerId,
    user_id: userId,
    organization_id: null,
    as_of: expect.any(String),
    completeness: COMPLETE,
    standing: 'open',
    active_grants: 2,
  });
  expect(checkReceipt(facts).proved.join()).not.toMatch(/void/);
});

test('offboarded from one organization: void there, and access elsewhere stays access', async () => {
  const { providerId, userId, grants, membership } = await somebody('user_left_org');
  const said = event('organization_membership.updated', 60, { ...membership, status: 'inactive' });
  await apply(own.database, [recordOf(said, providerId)]);
  expect(await receiptOf(providerId, userId)).toMatchObject({ standing: 'open', active_grants: 1 });
  const facts = await voidReceiptOf(providerId, userId, 'org_1');
  expect(facts.closings).toMatchObject([{ event: { id: said.id }, scope: expect.stringContaining('membership') }]);
  expect(facts.grants.listed).toMatchObject([{ id: grants[1], reason: 'membership_inactive' }]);
  expect(checkReceipt(facts).problems).toEqual([]);
});

test('shut out by hand, with a name; let in again, there is access', async () => {
  const { providerId, userId } = await somebody('user_by_hand');
  const scope = { kind: 'user', providerId, userId } as const;
  const hand = { actor: 'ada', reason: 'left in anger' };
  await own.database.transaction((tx) => revokeScope(tx, scope, { ...hand, dryRun: false }, { inline: 10 }));
  const facts = await voidReceiptOf(providerId, userId);
  expect(facts.closings).toMatchObject([{ event: null, by: 'ada', announced: [{ published: null }] }]);
  expect(checkReceipt(facts).problems).toEqual([]);
  await own.database.transaction((tx) => reinstateScope(tx, scope, hand, { inline: 10 }));
  expect(await receiptOf(providerId, userId)).toMatchObject({ standing: 'open' });
});

describe('an audit that somebody touched proves nothing', () => {
  const refused = async (tamper: (scope: string) => string): Promise<string> => {
    const other = await ownDatabase();
    const [kept, theirs] = [own, other];
    own = theirs;
    try {
      const { providerId, userId } = await somebody('user_x');
      await apply(own.database, [recordOf(event('user.deleted', 60, { id: userId }), providerId)]);
      await seal();
      await own.database.transaction(async (tx) => {
        await tx.query('set local session_replication_role = replica');
        await tx.query(tamper(`${providerId}/user:${userId}`));
      });
      return await receiptOf(providerId, userId).then(
        () => 'given',
        (error: Error) => error.message,
      );
    } finally {
      own = kept;
      await other.drop();
    }
  };
  test.each([
    ['a removed row', (of: string) => `delete from audit where subject = '${of}'`, /no row in the audit/],
    ['a changed row', (of: string) => `update audit set actor = 'x' where subject = '${of}'`, /is not what was sealed/],
    ['a cut chain', () => 'delete from audit_chain where seq = 1', /the chain of the audit lacks 1/],
  ])('%s', async (_, tamper, sentence) => {
    expect(await refused(tamper)).toMatch(sentence);
  });
});

test('what is not sealed yet is asked for again, in a moment', async () => {
  const { providerId, userId } = await somebody('user_young');
  await apply(own.database, [recordOf(event('user.deleted', 60, { id: userId }), providerId)]);
  const person = { providerId, userId, organizationId: null };
  await expect(snapshot((tx) => prove(tx, person, Date.now(), COMPLETE))).rejects.toThrow(/audit_not_sealed/);
});

describe('the tree over a long chain', () => {
  const SIZE = TILE * TILE + 3 * TILE + 7;
  let long: Awaited<ReturnType<typeof ownDatabase>>;
  let leaves: Buffer[];
  beforeAll(async () => {
    long = await ownDatabase();
    await long.database.transaction((tx) =>
      tx.query(
        `insert into audit_chain (seq, audit_id, hash)
         select n, n, sha256(n::text::bytea) from generate_series(1, ${SIZE}) n`,
      ),
    );
    const rows = await all<{ hash: Buffer }>(long.database, 'select hash from audit_chain order by seq');
    leaves = rows.map(({ hash }) => leafHash(hash));
  });
  afterAll(() => long.drop());

  test('is the one of the RFC, whatever of it is stored; a gap in the stored part is waited for', async () => {
    const rootAt = (size: number) => long.database.read((tx) => new AuditTree(tx, size).root());
    const sizes = [1, 2, 3, TILE - 1, TILE, TILE + 1, 3 * TILE + 5];
    await expect(rootAt(SIZE)).rejects.toThrow(/audit_tree_growing/);
    const grow = () => long.database.transaction((tx) => growAuditTree(tx, 100));
    let turns = 0;
    while ((await grow()) > 0) turns += 1;
    expect(turns).toBe(3); // 259 tiles and the one above them, a hundred at a time
    for (const size of [...sizes, TILE * TILE, SIZE]) expect(await rootAt(size)).toEqual(rootOf(leaves.slice(0, size)));
  });

  test('leads from any row to the root', async () => {
    const tree = new AuditTree(long.database.source.manager, SIZE);
    const root = await tree.root();
    for (const index of [0, 1, TILE - 1, TILE, TILE * TILE - 1, TILE * TILE, SIZE - 8, SIZE - 7, SIZE - 1]) {
      expect(rootFrom(leaves[index]!, index, SIZE, await tree.path(index))).toEqual(root);
    }
  });
});
