import { makeIssuer } from './issuer.js';
import { KeySet, type StoredKeySet } from '../src/keys/key-set.js';

const first = makeIssuer('client', 'key_1');
const second = makeIssuer('client', 'key_2');
const HOUR = 3_600_000;

function sourceOf(...issuers: { jwk: Record<string, unknown> }[]) {
  const disk = new Map<string, StoredKeySet>();
  const source = {
    now: 1_000_000,
    fetches: 0,
    keys: issuers.map(({ jwk }) => jwk) as unknown,
    error: undefined as Error | undefined,
    disk,
    /** A new process, with the same disk. */
    open: () =>
      new KeySet({
        url: 'https://keys.test/a',
        settings: { refreshMs: 300_000, cooldownMs: 30_000, maxAgeMs: 24 * HOUR },
        fetch: async () => {
          source.fetches += 1;
          if (source.error) throw source.error;
          return { keys: source.keys };
        },
        load: async (url) => disk.get(url),
        store: async (set) => void disk.set(set.url, set),
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

test('a restart while the source is away goes on with the keys on disk, no longer than it might have', async () => {
  const source = sourceOf(first);
  await kidOf(source.open(), 'key_1');
  source.error = new Error('away');
  source.now += 23 * HOUR;
  expect(await kidOf(source.open(), 'key_1')).toBe('key_1');
  source.now += 2 * HOUR;
  expect(await kidOf(source.open(), 'key_1')).toBe('unavailable');
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
