import { createLocalJWKSet, jwtVerify } from 'jose';
import { hostileTokens, other, ours } from './hostile-tokens.js';
import { providerOf } from './issuer.js';
import { outcomeOf, worldOf } from './verifier-of.js';

const NOW = Date.parse('2026-11-24T10:00:00.500Z');
const { VECTORS, good, signed, seconds } = hostileTokens(NOW);

const world = () =>
  worldOf(NOW, [providerOf(ours), providerOf(other)], {
    'https://keys.test/client_01OURS': [ours.jwk],
    'https://keys.test/client_01OTHER': [other.jwk],
  });
const shared = world();

test(`there are ${VECTORS.length} of them, each another one`, () => {
  expect(VECTORS.length).toBeGreaterThanOrEqual(120);
  expect(new Set(VECTORS.map(([, hostile]) => hostile)).size).toBe(VECTORS.length);
});

test.each(VECTORS)('refused: %s', async (_, hostile, reason) => {
  expect(await outcomeOf(shared, hostile)).toBe(reason);
  // Nor does it get in by having been seen before, or when a good token was.
  expect(await outcomeOf(shared, good)).toBe('active');
  expect(await outcomeOf(shared, hostile)).toBe(reason);
});

test('a key set without a key for the token is asked for once in the cooldown, not once for each token', async () => {
  const { verifier, ...rest } = shared;
  expect(verifier).toBeDefined();
  expect(rest.fetches).toBeLessThanOrEqual(2);
});

describe('accepted, and by jose as well', () => {
  const jwks = createLocalJWKSet({ keys: [ours.jwk] as never });
  test.each([
    ['as AuthKit mints them', good],
    ['without aud and client_id', signed()],
    ['with our audience', signed({ aud: ours.clientId })],
    ['with our audience among others', signed({ aud: ['https://api.test', ours.clientId] })],
    ['with our client_id', signed({ client_id: ours.clientId })],
    ['without an organization', signed({ org_id: undefined })],
    ['typ at+jwt', signed({}, { typ: 'at+jwt' })],
    ['typ application/at+jwt', signed({}, { typ: 'application/at+jwt' })],
    ['without typ', signed({}, { typ: undefined })],
    ['without kid, of a set of one key', signed({}, { kid: undefined })],
    ['with an nbf that has come', signed({ nbf: seconds })],
    ['with fractions of seconds', signed({ iat: seconds + 0.25, exp: seconds + 300.5 })],
    ['just about to expire', signed({ iat: seconds - 300, exp: seconds - 4 })],
    ['with claims that we do not know', signed({ permissions: ['a'], roles: ['admin'], x: { y: [1, { z: null }] } })],
    ['with members named like those of objects', signed({ __proto__x: 1, constructor: 'x', toString: 'y' })],
  ])('%s', async (_, accepted) => {
    expect(await outcomeOf(world(), accepted)).toBe('active');
    const checked = await jwtVerify(accepted, jwks, {
      issuer: ours.issuer,
      currentDate: new Date(NOW),
      clockTolerance: 5,
    });
    expect(checked.payload.sub).toBe('user_01ALICE');
  });
});
