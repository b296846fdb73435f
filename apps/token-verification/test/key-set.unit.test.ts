import { makeIssuer, providerOf } from './issuer.js';
import { jest } from '@jest/globals';
import { eventually } from '#testing/eventually.js';
import { KeySet } from '../src/keys/key-set.js';
import { keySetUrl, ProviderKeys } from '../src/keys/provider-keys.js';
import type { FetchedKeys } from '../src/keys/shared-key-sets.js';

const REFRESH_MS = 300_000;
const first = makeIssuer('client', 'key_1');
const second = makeIssuer('client', 'key_2');
const HOUR = 3_600_000;

function sourceOf(...issuers: { jwk: Record<string, unknown> }[]) {
  const source = {
    now: 1_000_000,
    fetches: 0,
    keys: issuers.map(({ jwk }) => jwk) as unknown,
    error: undefined as Error | undefined,
    /** While there is one, whoever asks waits for it. */
    gate: undefined as Promise<void> | undefined,
    /** What verifiers have told each other. */
    shared: undefined as FetchedKeys | undefined,
    /** A new process. */
    open: () =>
      new KeySet({
        url: 'https://keys.test/a',
        settings: { refreshMs: REFRESH_MS, cooldownMs: 30_000, maxAgeMs: 24 * HOUR },
        fetch: async () => {
          source.fetches += 1;
          await source.gate;
          if (source.error) throw source.error;
          return { keys: source.keys };
        },
        shared: { of: async () => source.shared, share: (_, fetched) => void (source.shared = fetched) },
        now: () => source.now,
        logger: { warn() {}, info() {} },
      }),
  };
  return source;
}
const kidOf = async (set: KeySet, kid: string | undefined): Promise<string | undefined> => {
  const found = await set.find(kid, 'RS256');
  return typeof found === 'string' ? found : found.kid;
};

test('many who ask at once cause one request', async () => {
  const source = sourceOf(first);
  const set = source.open();
  expect(await Promise.all(Array.from({ length: 50 }, () => kidOf(set, 'key_1')))).toEqual(Array(50).fill('key_1'));
  expect(source.fetches).toBe(1);
});

test('a flood of unknown kids causes one request a cooldown', async () => {
  const source = sourceOf(first);
  const set = source.open();
  await kidOf(set, 'key_1');
  for (let i = 0; i < 1_000; i++) expect(await kidOf(set, `unknown_${i}`)).toBe('unknown');
  expect(source.fetches).toBe(1);
  source.now += 30_000;
  for (let i = 0; i < 1_000; i++) expect(await kidOf(set, `unknown_${i}`)).toBe('unknown');
  expect(source.fetches).toBe(2);
});

test('a rotation is seamless: the new key is found when it is first used, the old one goes on', async () => {
  const source = sourceOf(first);
  const set = source.open();
  await kidOf(set, 'key_1');
  source.keys = [first.jwk, second.jwk];
  source.now += 30_000;
  expect(await kidOf(set, 'key_2')).toBe('key_2');
  expect(await kidOf(set, 'key_1')).toBe('key_1');
});

test('a key that the source has withdrawn is dropped at the next refresh', async () => {
  const source = sourceOf(first, second);
  const set = source.open();
  await kidOf(set, 'key_1');
  source.keys = [second.jwk];
  source.now += 30_000;
  await kidOf(set, 'unknown');
  expect(await kidOf(set, 'key_1')).toBe('unknown');
});

test('while the source is away its keys serve for 24 hours, and then nobody knows', async () => {
  const source = sourceOf(first);
  const set = source.open();
  await kidOf(set, 'key_1');
  source.error = new Error('away');
  source.now += 24 * HOUR - 1;
  expect(await kidOf(set, 'key_1')).toBe('key_1');
  source.now += 1;
  expect(await kidOf(set, 'key_1')).toBe('unavailable');
});

test('an unknown kid while the source is away is not known, rather than wrong: it may be a new key', async () => {
  const source = sourceOf(first);
  const set = source.open();
  await kidOf(set, 'key_1');
  source.error = new Error('away');
  source.now += 30_000;
  expect(await kidOf(set, 'key_2')).toBe('unavailable');
});

test('one that is new while the source is away goes on with what others were told, no longer than they may', async () => {
  const source = sourceOf(first);
  await kidOf(source.open(), 'key_1');
  source.error = new Error('away');
  source.now += 23 * HOUR;
  expect(await kidOf(source.open(), 'key_1')).toBe('key_1');
  source.now += 2 * HOUR;
  expect(await kidOf(source.open(), 'key_1')).toBe('unavailable');
});

test('one that is new asks the source all the same, and drops what was withdrawn meanwhile', async () => {
  const source = sourceOf(first, second);
  await kidOf(source.open(), 'key_1');
  source.keys = [second.jwk];
  source.now += 1_000;
  const set = source.open();
  expect(await kidOf(set, 'key_2')).toBe('key_2');
  await eventually(() => set.peek('key_1', 'RS256') === undefined);
});

test('one that is new does not wait for a source that does not answer where others were told', async () => {
  const source = sourceOf(first);
  await kidOf(source.open(), 'key_1');
  source.gate = new Promise(() => undefined);
  expect(await kidOf(source.open(), 'key_1')).toBe('key_1');
});

test('one that cannot reach the source takes what another was told since; what is older than its own it does not', async () => {
  const source = sourceOf(first);
  const set = source.open();
  await kidOf(set, 'key_1');
  source.error = new Error('not from here');
  source.now += 30_000;
  source.shared = { fetchedAt: source.now - 30_001, keys: [second.jwk] };
  expect(await kidOf(set, 'key_2')).toBe('unavailable');
  expect(await kidOf(set, 'key_1')).toBe('key_1');
  source.now += 30_000;
  source.shared = { fetchedAt: source.now - 1, keys: [second.jwk] };
  expect(await kidOf(set, 'key_2')).toBe('key_2');
  expect(await kidOf(set, 'key_1')).toBe('unavailable');
});

test('a clock that is ahead makes no keys last longer', async () => {
  const source = sourceOf(first);
  source.error = new Error('away');
  source.shared = { fetchedAt: source.now + 1_000 * HOUR, keys: [first.jwk] };
  const set = source.open();
  expect(await kidOf(set, 'key_1')).toBe('key_1');
  source.shared = undefined;
  source.now += 24 * HOUR;
  expect(await kidOf(set, 'key_1')).toBe('unavailable');
});

test('what is no key set is an outage, and changes nothing', async () => {
  const source = sourceOf(first);
  const set = source.open();
  await kidOf(set, 'key_1');
  source.keys = 'a page of HTML';
  source.now += 30_000;
  await kidOf(set, 'unknown');
  expect(await kidOf(set, 'key_1')).toBe('key_1');
});

test.each([
  ['for encryption', { use: 'enc' }],
  ['for another algorithm', { alg: 'RS512' }],
  ['not for checking', { key_ops: ['encrypt'] }],
  ['of a kind that we do not check with', { kty: 'oct', k: 'AAAA' }],
  ['that is private', { d: 'AAAA' }],
  ['that is broken', { n: '!' }],
])('a key %s is not used', async (_, over) => {
  const source = sourceOf({ jwk: { ...first.jwk, ...over } }, second);
  expect(await kidOf(source.open(), 'key_1')).toBe('unknown');
});

test('a token without kid gets a key only where there is just one', async () => {
  expect(await kidOf(sourceOf(first).open(), undefined)).toBe('key_1');
  expect(await kidOf(sourceOf(first, second).open(), undefined)).toBe('unknown');
});

describe('in time, without anybody asking', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  /** Time passes for the timers and for the clock of the key set. */
  async function passes(source: { now: number }, ms: number): Promise<void> {
    source.now += ms;
    await jest.advanceTimersByTimeAsync(ms);
  }

  test('a key that the source has withdrawn is dropped within the refresh time', async () => {
    const source = sourceOf(first, second);
    const set = source.open();
    set.start();
    expect(await kidOf(set, 'key_1')).toBe('key_1');
    source.keys = [second.jwk];
    await passes(source, REFRESH_MS);
    expect(await kidOf(set, 'key_1')).toBe('unknown');
    expect(await kidOf(set, 'key_2')).toBe('key_2');
    set.stop();
    const fetches = source.fetches;
    await passes(source, 10 * REFRESH_MS);
    expect(source.fetches).toBe(fetches);
  });

  test('while the source is slow its old keys answer at once (stale-while-revalidate)', async () => {
    const source = sourceOf(first);
    const set = source.open();
    set.start();
    expect(await kidOf(set, 'key_1')).toBe('key_1');
    let open = (): void => undefined;
    source.gate = new Promise((resolve) => (open = resolve));
    source.keys = [first.jwk, second.jwk];
    await passes(source, REFRESH_MS);
    expect(source.fetches).toBe(2);
    // Neither would come back if it waited for the source.
    expect(await kidOf(set, 'key_1')).toBe('key_1');
    expect(set.peek('key_2', 'RS256')).toBeUndefined();
    open();
    expect(await kidOf(set, 'key_2')).toBe('key_2');
    expect(source.fetches).toBe(2);
    set.stop();
  });

  test('a source that comes back after an outage is heard at the next refresh', async () => {
    const source = sourceOf(first);
    const set = source.open();
    set.start();
    await kidOf(set, 'key_1');
    source.error = new Error('away');
    for (let hour = 0; hour < 24; hour++) await passes(source, HOUR);
    expect(await kidOf(set, 'key_1')).toBe('unavailable');
    source.error = undefined;
    await passes(source, REFRESH_MS);
    expect(await kidOf(set, 'key_1')).toBe('key_1');
    set.stop();
  });

  test('while there are no keys at all the source is asked again each minute, no oftener after a while', async () => {
    const source = sourceOf(first);
    source.error = new Error('away');
    const set = source.open();
    set.start();
    for (let minute = 0; minute < 60; minute++) await passes(source, 60_000);
    expect(source.fetches).toBeGreaterThanOrEqual(60);
    expect(source.fetches).toBeLessThan(150);
    expect(set.isUsable()).toBe(false);
    source.error = undefined;
    await passes(source, 60_000);
    expect(set.isUsable()).toBe(true);
    const { fetches } = source;
    await passes(source, 10 * REFRESH_MS);
    expect(source.fetches).toBe(fetches + 10); // from here on as seldom as any other
    set.stop();
  });

  /** Two providers, the source of one of which does not answer. */
  function startingKeys() {
    let open = (): void => undefined;
    const slow = new Promise<void>((resolve) => (open = resolve));
    const a = providerOf(makeIssuer('client_01A', 'k', 'ed25519'));
    const b = { ...a, id: 'idp_b', jwks_uri: 'https://keys.test/slow' };
    const keys = new ProviderKeys({
      settings: { refreshMs: REFRESH_MS, cooldownMs: 30_000, maxAgeMs: HOUR },
      fetch: async (url) => {
        if (url === b.jwks_uri) await slow;
        return { keys: [first.jwk] };
      },
      shared: { of: async () => undefined, share() {} },
      now: () => 1_000_000,
      logger: { warn() {}, info() {} },
    });
    return { keys, a, b, open };
  }

  test('at its start a verifier waits for the first keys of all', async () => {
    const { keys, a, b, open } = startingKeys();
    expect(keys.problem()).toBeDefined();
    keys.follow([a, b]);
    await jest.advanceTimersByTimeAsync(0);
    expect([keys.missing(), keys.problem()]).toEqual([['idp_b'], expect.any(String)]);
    open();
    await jest.advanceTimersByTimeAsync(0);
    expect([keys.missing(), keys.problem()]).toEqual([[], undefined]);
    keys.stop();
  });

  test('but no longer than five seconds, and never again', async () => {
    const { keys, a, b } = startingKeys();
    keys.follow([a, b]);
    await jest.advanceTimersByTimeAsync(4_999);
    expect(keys.problem()).toBeDefined();
    await jest.advanceTimersByTimeAsync(1);
    expect([keys.missing(), keys.problem()]).toEqual([['idp_b'], undefined]);
    keys.follow([a, b, { ...b, id: 'idp_c', jwks_uri: 'https://keys.test/other' }]);
    expect(keys.problem()).toBeUndefined();
    keys.stop();
  });
});

test('keys that others were told are taken at once where there are none, or the source is away; else not', async () => {
  const source = sourceOf(first);
  source.error = new Error('away');
  const set = source.open();
  expect(await kidOf(set, 'key_1')).toBe('unavailable');
  source.shared = { fetchedAt: source.now, keys: [first.jwk] };
  await set.hear();
  expect(set.peek('key_1', 'RS256')?.kid).toBe('key_1');
  source.shared = { fetchedAt: source.now + 1, keys: [second.jwk] };
  source.now += 1;
  await set.hear();
  expect(set.peek('key_2', 'RS256')?.kid).toBe('key_2');
  source.error = undefined;
  source.keys = [first.jwk];
  source.now += 1_000;
  expect(await kidOf(set, 'key_1')).toBe('key_1');
  source.shared = { fetchedAt: source.now + 1, keys: [second.jwk] };
  await set.hear();
  expect(set.peek('key_2', 'RS256')).toBeUndefined(); // the source itself has the last word
});

test('a set of more keys than anybody has is an outage: each refresh compares them all', async () => {
  const source = sourceOf(first);
  const set = source.open();
  await kidOf(set, 'key_1');
  source.keys = Array.from({ length: 50_000 }, (_, index) => ({ kty: 'EC', kid: String(index) }));
  source.now += 30_000;
  expect(await kidOf(set, 'unknown')).toBe('unavailable');
  expect(await kidOf(set, 'key_1')).toBe('key_1');
});

test.each([
  ['what was given or discovered', { jwks_uri: 'https://keys.test/x' }, 'https://keys.test/x'],
  ['of WorkOS, its documented place', { jwks_uri: null }, 'https://api.workos.com/sso/jwks/client_01A'],
  [
    'of WorkOS elsewhere',
    { jwks_uri: null, api_base_url: 'http://127.0.0.1:3010' },
    'http://127.0.0.1:3010/sso/jwks/client_01A',
  ],
  [
    'of an older environment, whose issuer is the same for all',
    { jwks_uri: null, issuers: ['https://api.workos.com'] },
    'https://api.workos.com/sso/jwks/client_01A',
  ],
  [
    'of another issuer',
    { jwks_uri: null, kind: 'oidc', issuers: ['https://login.test/realms/a'] },
    'https://login.test/realms/a/.well-known/jwks.json',
  ],
  [
    'of one with a slash at its end',
    { jwks_uri: null, kind: 'oidc', issuers: ['https://tenant.auth0.com/'] },
    'https://tenant.auth0.com/.well-known/jwks.json',
  ],
] as const)('where the keys are: %s', (_, over, url) => {
  expect(keySetUrl(providerOf(makeIssuer('client_01A', 'k', 'ed25519'), over as object))).toBe(url);
});

test('providers with one address share a key set; one that nobody uses any more is let go', async () => {
  const asked: string[] = [];
  const keys = new ProviderKeys({
    settings: { refreshMs: REFRESH_MS, cooldownMs: 30_000, maxAgeMs: HOUR },
    fetch: async (url) => (asked.push(url), { keys: [first.jwk] }),
    shared: { of: async () => undefined, share() {} },
    now: () => 1_000_000,
    logger: { warn() {}, info() {} },
  });
  const a = providerOf(makeIssuer('client_01A', 'k', 'ed25519'), { jwks_uri: 'https://keys.test/one' });
  const b = { ...a, id: 'idp_b' };
  const c = { ...a, id: 'idp_c', jwks_uri: 'https://keys.test/two' };
  keys.follow([a, b, c]);
  expect(keys.of(a)).toBe(keys.of(b));
  // Asked for before the first token comes.
  await keys.of(c).find('key_1', 'RS256');
  expect(asked.sort()).toEqual(['https://keys.test/one', 'https://keys.test/two']);
  const before = keys.of(c);
  keys.follow([a]);
  expect(keys.of(c)).not.toBe(before);
  keys.stop();
});
