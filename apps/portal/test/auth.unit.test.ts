import { encryptionKeys } from '#providers/sealing.js';
import { isSecure } from '../src/auth/cookies.js';
import { People } from '../src/auth/people.js';
import { standingOf } from '../src/auth/sessions.js';
import { FailureThrottle } from '../src/auth/throttle.js';
import { pathOf } from '../src/console/proxy.js';

const limits = { idleMs: 100_000, maxMs: 1_000_000, rotateMs: 10_000 };

test.each([
  ['live', 'current', {}],
  ['due', 'current', { rotated_ms: 10_000 }],
  ['taken', 'next', { rotated_ms: 20_000 }],
  ['live', 'previous', { rotated_ms: 59_999 }],
  ['reused', 'previous', { rotated_ms: 60_000 }],
  ['idle', 'current', { idle_ms: 100_000 }],
  ['idle', 'next', { idle_ms: 100_000 }],
  ['over', 'current', { age_ms: 1_000_000 }],
  ['over', 'previous', { age_ms: 1_000_000 }],
] as const)('%s: the %s token %o', (standing, given, ages) => {
  expect(standingOf({ given, age_ms: 0, idle_ms: 0, rotated_ms: 0, ...ages }, limits)).toBe(standing);
});

describe('the throttle', () => {
  const throttleAt = (clock: { now: number }, addresses = 3) =>
    new FailureThrottle({ failures: 2, windowMs: 60_000, addresses }, () => clock.now);

  test('after so many failures an address waits until the window ends', () => {
    const clock = { now: 0 };
    const throttle = throttleAt(clock);
    throttle.failed('192.0.2.1');
    expect(throttle.retryAfter('192.0.2.1')).toBeUndefined();
    throttle.failed('192.0.2.1');
    clock.now = 1_000;
    expect(throttle.retryAfter('192.0.2.1')).toBe(59);
    expect(throttle.retryAfter('192.0.2.2')).toBeUndefined();
    clock.now = 60_000;
    expect(throttle.retryAfter('192.0.2.1')).toBeUndefined();
    throttle.failed('192.0.2.1');
    expect(throttle.retryAfter('192.0.2.1')).toBeUndefined();
  });

  test('one network of IPv6 is one address', () => {
    const throttle = throttleAt({ now: 0 });
    throttle.failed('2001:db8:1:2::1');
    throttle.failed('2001:db8:1:2:ffff:ffff:ffff:ffff');
    expect(throttle.retryAfter('2001:db8:1:2:0:0:0:9')).toBe(60);
    expect(throttle.retryAfter('2001:db8:1:3::1')).toBeUndefined();
  });

  test('it remembers no more than it should', () => {
    const throttle = throttleAt({ now: 0 });
    for (let i = 0; i < 1_000; i++) throttle.failed(`192.0.2.${i}`);
    expect(throttle.size).toBe(3);
  });
});

test.each([
  [true, undefined],
  [true, 'https://portal.example.com'],
  [true, 'http://portal.example.com'],
  [true, 'http://localhost.example.com'],
  [false, 'http://localhost:3000'],
  [false, 'http://127.0.0.1:3000'],
  [false, 'http://[::1]:3000'],
])('cookies are Secure: %s at %s', (secure, url) => {
  expect(isSecure(url)).toBe(secure);
});

test.each(['/v1/grants', '/v1/grants?user_id=..%2f', '/v1/users/user_01%20A', '/v1/users/idp_1:user_2'])(
  '%s is a path of a service',
  (target) => {
    expect(pathOf(target)).toBe(target.split('?')[0]);
  },
);

test.each([
  '',
  '/',
  '/v1',
  '/v2/grants',
  '/metrics',
  '/v1/../metrics',
  '/v1/./grants',
  '/v1/grants/..',
  '/v1/%2e%2e/metrics',
  '/v1/%2E%2e/metrics',
  '/v1/..%2fmetrics',
  '/v1/..%5cmetrics',
  '/v1//metrics',
  '/v1/a\\..\\metrics',
  '/v1/a%00',
  '/v1/a%zz',
  '/v1@evil.example/x',
  '@evil.example/v1/x',
  '//evil.example/v1/x',
])('%s is not', (target) => {
  expect(() => pathOf(target)).toThrow('not_found');
});

test('a session whose tokens were sealed with a key that is gone is over, and nobody is asked about it', async () => {
  const keyring = (id: string) => encryptionKeys.parse(`${id}:${Buffer.alloc(32, id).toString('base64')}`);
  // What it would ask does not exist.
  const nobody = undefined as never;
  const peopleWith = (id: string) => new People(nobody, keyring(id), nobody, nobody);
  const tokens = peopleWith('old').seal('session_1', { access: 'a', refresh: 'r' });
  const person = { providerId: 'idp', userId: 'user_1', email: null, emailVerified: false, tokens };
  expect(await peopleWith('new').welcome('session_1', person)).toBe('key_gone');
  await expect(peopleWith('old').welcome('session_1', person)).rejects.toThrow(); // there it goes on to ask
});
