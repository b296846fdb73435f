import { Database } from '#platform/database.js';
import { type FoundUser, searchUsers, type UserPlace } from '../src/directory/directory.sql.js';
import { GRANTS_SCHEMA } from '../src/grants-schema.js';
import { grantQuery, listGrants } from '../src/grants/list-grants.js';
import { all, apply, event, grantedAt, newProvider, ownDatabase, recordOf } from './support.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
beforeAll(async () => {
  own = await ownDatabase();
});
afterAll(() => own.drop());

describe('searching people', () => {
  const providerId = newProvider();
  beforeAll(async () => {
    const people: [id: string, email: string | null, first: string | null, last: string | null][] = [
      ['user_a', 'Zoe@example.com', 'Ann', 'Lee'],
      ['user_b', 'ann@example.com', 'Zoe', 'Lee'],
      ['user_c', 'ann.b@example.com', 'Ann', 'Berg'],
      ['user_d', null, 'Änne', 'Ø'],
      ['ann', 'ann.z@example.com', 'Ann', 'Zed'], // found by all three
      ['user_e', '100%@example.com', 'a_b', 'c\\d'],
      ['user_f', '1000@example.com', 'axb', 'cd'],
    ];
    const records = people.map(([id, email, first_name, last_name], index) =>
      recordOf(event('user.created', index, { id, email, first_name, last_name }), providerId),
    );
    await apply(own.database, records);
  });
  const search = (text: string, after?: UserPlace, limit = 100): Promise<FoundUser[]> =>
    own.database.read((tx) => searchUsers(tx, { search: text, providerId }, { after, limit }));
  const idsOf = async (text: string): Promise<string[]> => (await search(text)).map(({ id }) => id);

  test.each([
    ['ann', ['ann', 'user_c', 'user_b', 'user_a']], // by id; by address; by name; each once
    ['ANN', ['user_c', 'ann', 'user_b', 'user_a']], // ids are told apart by case, people are not
    ['zoe', ['user_a', 'user_b']],
    ['Änne', ['user_d']],
    ['user_', ['user_a', 'user_b', 'user_c', 'user_d', 'user_e', 'user_f']],
    ['100%', ['user_e']], // what LIKE would take for anything
    ['a_b', ['user_e']],
    ['a_b c\\d', ['user_e']],
    ['ann lee', ['user_a']],
    ['nobody', []],
    ['\u{10ffff}', []],
  ])('%s', async (text, ids) => {
    expect(await idsOf(text)).toEqual(ids);
  });

  test.each([1, 2, 3])('%i at a time: nobody is left out and nobody comes twice', async (limit) => {
    for (const text of ['ann', 'user_', 'a', 'z']) {
      const read: string[] = [];
      for (let after: UserPlace | undefined; ;) {
        const page = await search(text, after, limit);
        read.push(...page.map(({ id }) => id));
        if (page.length < limit) break;
        after = page.at(-1)!.place;
      }
      expect(read).toEqual(await idsOf(text));
    }
  });
});

describe('grants by their standing', () => {
  const list = async (query: Record<string, unknown>, mostWalked?: number): Promise<string[]> => {
    const read: string[] = [];
    for (let cursor: string | undefined; ;) {
      const asked = grantQuery.parse({ limit: 2, ...query, ...(cursor === undefined ? {} : { cursor }) });
      const page = await own.database.read((tx) => listGrants(tx, asked, mostWalked));
      read.push(...page.data.map(({ id }) => id));
      if (page.next_cursor === null) return read;
      cursor = page.next_cursor;
    }
  };
  const HOUR = 3_600_000;

  async function grantsOf(providerId: string) {
    const now = Date.now();
    const grant = (back: number, userId: string, expiresAt: number | null = null) =>
      grantedAt(own.database, now - back * HOUR, { providerId, userId }, { expiresAt });
    const live = [await grant(1, 'here'), await grant(2, 'here', now + HOUR), await grant(3, 'here')];
    const gone = [await grant(4, 'gone'), await grant(5, 'gone', now - 4 * HOUR), await grant(6, 'gone')];
    // The older ones expired later.
    const expired = [
      await grant(9, 'here', now - HOUR),
      await grant(8, 'here', now - 2 * HOUR),
      await grant(7, 'here', now - 3 * HOUR),
    ];
    return { live, gone, expired };
  }
  const leaves = (providerId: string, inline: number) =>
    apply(own.database, [recordOf(event('user.deleted', 0, { id: 'gone' }), providerId)], undefined, inline);

  test.each([
    ['marked', 5_000],
    ['while a job has still to mark them', 0],
  ])('%s: each list holds its own, page by page, in its order', async (_, inline) => {
    const providerId = newProvider();
    const { live, gone, expired } = await grantsOf(providerId);
    await leaves(providerId, inline);
    const [jobs] = await all<{ n: string }>(
      own.database,
      'select count(*) as n from marking_jobs where provider_id = $1',
      [providerId],
    );
    expect(Number(jobs!.n)).toBe(inline === 0 ? 1 : 0);
    expect(await list({ provider_id: providerId, status: 'active' })).toEqual(live);
    expect(await list({ provider_id: providerId, status: 'revoked' })).toEqual(gone);
    expect(await list({ provider_id: providerId, status: 'expired' })).toEqual(expired);
    expect(await list({ provider_id: providerId })).toEqual([...live, ...gone, ...[...expired].reverse()]);
    await own.database.transaction((tx) => tx.query('delete from marking_jobs'));
  });

  test.each([1, 2, 3, 9])('by walks of %i: none is left out, and an empty page is not the end', async (mostWalked) => {
    const providerId = newProvider();
    const { live, gone, expired } = await grantsOf(providerId);
    await leaves(providerId, 5_000);
    const walked = (status: string) => list({ provider_id: providerId, status }, mostWalked);
    expect(await walked('active')).toEqual(live);
    expect(await walked('revoked')).toEqual(gone);
    expect(await walked('expired')).toEqual(expired);

    const asked = grantQuery.parse({ provider_id: providerId, status: 'revoked' });
    const first = await own.database.read((tx) => listGrants(tx, asked, 3));
    expect(first).toEqual({ data: [], next_cursor: expect.any(String) });
  });

  test('the cursor of another list is no place among expired ones', async () => {
    const cursor = Buffer.from(JSON.stringify(['grant_1'])).toString('base64url');
    await expect(list({ status: 'expired', cursor })).rejects.toThrow(/cursor: must be a next_cursor of this list/);
  });
});

describe('indexes that are made while others write', () => {
  const INDEX = 'grants_by_expiry';
  const isWhole = async (): Promise<boolean | undefined> =>
    (
      await all<{ whole: boolean }>(
        own.database,
        'select indisvalid as whole from pg_index where indexrelid = to_regclass($1)',
        [INDEX],
      )
    )[0]?.whole;
  const again = async (): Promise<void> => {
    await own.asAdmin(`delete from grants.migrations where name = 'IndexLists1796169800000'`);
    const replicas = Array.from(
      { length: 3 },
      () => new Database({ url: own.url, poolSize: 2, timeoutMs: 10_000 }, GRANTS_SCHEMA),
    );
    await Promise.all(replicas.map((replica) => replica.start()));
    await Promise.all(replicas.map((replica) => replica.close()));
  };

  test('by several replicas at once, over a table that has rows; and again where one was left half made', async () => {
    await grantedAt(own.database, Date.now(), { providerId: newProvider(), userId: 'somebody' });
    await own.asAdmin(`drop index grants.${INDEX}`);
    await again();
    expect(await isWhole()).toBe(true);
    await own.asAdmin(`update pg_index set indisvalid = false where indexrelid = 'grants.${INDEX}'::regclass`);
    expect(await isWhole()).toBe(false);
    await again();
    expect(await isWhole()).toBe(true);
  });
});
