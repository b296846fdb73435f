import { pageOf } from './workos-lists.js';

interface Page {
  data: { id: string; user_id?: string }[];
  list_metadata: { after: string | null };
}

/** Every object of a list, page by page. */
function everyOf(path: string, users: number, query: Record<string, string> = {}): Page['data'] {
  const all: Page['data'] = [];
  for (let after: string | null = '0'; after !== null;) {
    const page = pageOf(path, new URLSearchParams({ ...query, after }), users) as Page;
    expect(page.data.length).toBeLessThanOrEqual(100);
    all.push(...page.data);
    after = page.list_metadata.after;
  }
  return all;
}

test('every user is listed once, and is a member of just one organization', () => {
  const USERS = 1_230;
  const users = everyOf('/user_management/users', USERS).map(({ id }) => id);
  expect([users.length, new Set(users).size]).toEqual([USERS, USERS]);
  const organizations = everyOf('/organizations', USERS).map(({ id }) => id);
  expect(organizations).toHaveLength(13);
  const members = organizations.flatMap((organization_id) =>
    everyOf('/user_management/organization_memberships', USERS, { organization_id }).map(({ user_id }) => user_id),
  );
  expect(members).toEqual(users);
  expect(everyOf('/directories', USERS)).toEqual([]);
});
