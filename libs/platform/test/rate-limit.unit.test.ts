import fc from 'fast-check';
import { addressList, addressMatcher, sourceOf } from '../src/addresses.js';
import { RateLimit } from '../src/rate-limit.js';

describe('a limit', () => {
  test('a burst at once, then one an interval; a pause gives all of it back', () => {
    let now = 0;
    const limit = new RateLimit({ perSecond: 2, burst: 3, now: () => now });
    const taken = (times: number): number[] => Array.from({ length: times }, () => limit.take('a'));
    expect(taken(5)).toEqual([0, 0, 0, 1, 1]);
    now += 500;
    expect(taken(2)).toEqual([0, 1]);
    now += 60_000;
    expect(taken(4)).toEqual([0, 0, 0, 1]);
  });

  test('says when to come again, and then there is one', () => {
    let now = 0;
    const limit = new RateLimit({ perSecond: 0.1, burst: 1, now: () => now });
    expect(limit.take('a')).toBe(0);
    const wait = limit.take('a');
    expect(wait).toBe(10);
    now += wait * 1_000;
    expect(limit.take('a')).toBe(0);
  });

  test('one key costs another nothing', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1, now: () => 0 });
    expect([limit.take('a'), limit.take('a'), limit.take('b')]).toEqual([0, 1, 0]);
  });

  test('never more than the burst and what time has brought', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 100 }), (pauses) => {
        let now = 0;
        const limit = new RateLimit({ perSecond: 3, burst: 4, now: () => now });
        let allowed = 0;
        for (const pause of pauses) {
          now += pause;
          if (limit.take('a') === 0) allowed++;
          expect(allowed).toBeLessThanOrEqual(4 + (now * 3) / 1_000 + 1e-3);
        }
      }),
    );
  });

  test('remembers so many keys and no more, however many there are', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1, maxKeys: 100, now: () => 0 });
    for (let source = 0; source < 10_000; source++) limit.take(`source ${source}`);
    expect(limit.size).toBe(100);
    expect(limit.take('source 9999')).toBe(1);
  });

  test('0 is none', () => {
    const limit = new RateLimit({ perSecond: 0, burst: 0 });
    expect(Array.from({ length: 100 }, () => limit.take('a')).every((wait) => wait === 0)).toBe(true);
    expect(limit.size).toBe(0);
  });
});

describe('addresses', () => {
  test('lists of addresses and ranges, IPv4 within IPv6 too; what is no address is in none', () => {
    const isOne = addressMatcher(addressList.parse('192.0.2.1, 10.0.0.0/8,2001:db8::/32'));
    for (const yes of ['192.0.2.1', '::ffff:192.0.2.1', '10.255.0.1', '2001:db8:1::9']) expect(isOne(yes)).toBe(true);
    for (const no of ['192.0.2.2', '11.0.0.1', '2001:db9::1', '', 'unknown', '192.0.2.1, 10.0.0.1']) {
      expect(isOne(no)).toBe(false);
    }
  });

  test.each(['10.0.0.0/33', '10.0.0', 'proxy.example.com', '10.0.0.0/8/8', '::1/129', '10.0.0.0/'])(
    '%s is neither',
    (entry) => expect(addressList.safeParse(entry).success).toBe(false),
  );

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:0:7:aaaa::1', '2001:db8:0:7::/64'],
    ['2001:db8:0:7:bbbb:1:2:3', '2001:db8:0:7::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s counts as %s', (address, source) => expect(sourceOf(address)).toBe(source));
});
