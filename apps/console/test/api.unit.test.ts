import { call, urlOf } from '../src/api.js';

test('a path is filled in, each part encoded; of the query what has a value', () => {
  const ask = { path: { id: 'user/1?' }, query: { provider_id: undefined } };
  expect(urlOf('GET /api/grants/v1/users/{id}', ask)).toBe('/api/grants/v1/users/user%2F1%3F');
  const query = { q: 'a&b', limit: 20, provider_id: '' };
  expect(urlOf('GET /api/grants/v1/users', { query })).toBe('/api/grants/v1/users?q=a%26b&limit=20');
});

/** Never called: `npm run typecheck` reads it, and what is expected not to compile has to be refused. */
export async function whatDoesNotCompile(): Promise<void> {
  // @ts-expect-error there is no such path
  await call('GET /api/grants/v1/user/{id}', { path: { id: '1' } });
  // @ts-expect-error not with this method
  await call('PUT /api/grants/v1/users/{id}', { path: { id: '1' } });
  // @ts-expect-error without its part the path is none
  await call('GET /api/grants/v1/users/{id}', {});
  // @ts-expect-error that is another part
  await call('GET /api/grants/v1/users/{id}', { path: { userId: '1' } });
  // @ts-expect-error no such filter
  await call('GET /api/grants/v1/users', { query: { name: 'a' } });
  // @ts-expect-error no such field
  await call('POST /api/grants/v1/set-aside/redrive', { body: { reasons: 'event_malformed' } });
  // @ts-expect-error a field of another type
  await call('POST /api/token-verification/v1/tokens/verify', { body: { token: 1 } });
  // @ts-expect-error a body that is needed
  await call('POST /api/token-verification/v1/tokens/verify', {});
  const grant = await call('GET /api/grants/v1/grants/{id}', { path: { id: '1' } });
  // @ts-expect-error the answer has no such field
  void grant.user;
}
