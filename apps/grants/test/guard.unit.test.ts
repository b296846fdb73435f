import fc from 'fast-check';
import { allowedUsers, bursts, guardOf, knownThatMatter, neighbourhoods } from '../src/domain/guard.js';

const INSTALLATION = { maxUsers: 1_000, maxShare: 0.25, windowMs: 3_600_000 };

test.each([
  ['nothing said', null, INSTALLATION],
  ['one limit', { max_users: 5 }, { ...INSTALLATION, maxUsers: 5 }],
  [
    'all of them',
    { max_users: 5, max_share: 0.5, window_seconds: 60 },
    { maxUsers: 5, maxShare: 0.5, windowMs: 60_000 },
  ],
  ['no guard', { max_users: 0, max_share: 0.5 }, undefined],
])('limits: %s', (_, own, expected) => {
  expect(guardOf(own, INSTALLATION)).toEqual(expected);
});

test.each([
  [0, 1_000],
  [49, 1_000],
  [50, 12],
  [400, 100],
  [4_003, 1_000],
  [1_000_000, 1_000],
])('of %i known users, %i may leave within a window', (known, allowed) => {
  expect(allowedUsers(INSTALLATION, known)).toBe(allowed);
  expect(allowedUsers(INSTALLATION, Math.min(known, knownThatMatter(INSTALLATION)))).toBe(allowed);
});

test('known users are counted as far as they decide whether too many have left', () => {
  const guards = fc.record({
    maxUsers: fc.integer({ min: 1, max: 5_000 }),
    maxShare: fc.double({ min: 0.001, max: 1, noNaN: true }),
    windowMs: fc.constant(1),
  });
  fc.assert(
    fc.property(guards, fc.nat(10_000), fc.nat(6_000), (guard, known, left) => {
      const counted = Math.min(known, knownThatMatter(guard, left));
      const trips = (users: number) => left > allowedUsers(guard, users);
      expect(trips(counted)).toBe(trips(known));
      if (trips(known)) expect(allowedUsers(guard, counted)).toBe(allowedUsers(guard, known));
    }),
    { numRuns: 500 },
  );
});

test('where few have left, few are counted', () => {
  expect(knownThatMatter({ maxUsers: 100_000, maxShare: 0.25, windowMs: 1 }, 100)).toBe(404);
});

const at = (userId: string, occurredAt: number) => ({ userId, occurredAt, people: 1 });
const members = (people: number, occurredAt: number) => ({ userId: undefined, occurredAt, people });

test.each([
  ['nobody', [], 1, []],
  ['as many as are allowed', [at('a', 1), at('b', 2)], 2, []],
  ['one more', [at('a', 1), at('b', 2), at('c', 3)], 2, [{ from: 1, to: 3 }]],
  ['the same person again', [at('a', 1), at('b', 2), at('a', 3)], 2, []],
  ['a window ends before its length', [at('a', 0), at('b', 5), at('c', 10)], 2, []],
  ['at the very same moment', [at('a', 5), at('b', 5), at('c', 5)], 2, [{ from: 5, to: 5 }]],
  ['two bursts', [at('a', 0), at('b', 1), at('c', 50), at('d', 51)], 1, [{ from: 0, to: 1 }, { from: 50, to: 51 }]], // prettier-ignore
  ['an organization', [members(3, 5)], 2, [{ from: 5, to: 5 }]],
  ['beside it, and too late', [at('a', 0), members(3, 5), at('b', 14), at('c', 15)], 2, [{ from: 0, to: 14 }]],
  ['windows that overlap', [at('a', 0), at('b', 6), at('c', 12)], 1, [{ from: 0, to: 12 }]],
])('bursts: %s', (_, closings, allowed, expected) => {
  expect(bursts(closings, 10, allowed)).toEqual(expected);
});

test('a moment is in a burst just where one of the windows around it says so', () => {
  const closings = fc
    .array(
      fc.record({
        userId: fc.constantFrom('a', 'b', 'c', 'd', 'e', undefined),
        occurredAt: fc.nat(60),
        people: fc.constant(1),
      }),
      { maxLength: 25 },
    )
    .map((found) => found.sort((a, b) => a.occurredAt - b.occurredAt));
  fc.assert(
    fc.property(closings, fc.nat(4), (found, allowed) => {
      const spans = bursts(found, 10, allowed);
      for (const { occurredAt } of found) {
        const ends = found.map((one) => one.occurredAt).filter((end) => end >= occurredAt && end < occurredAt + 10);
        const isOver = ends.some(
          (end) =>
            new Set(
              found.filter((one) => one.occurredAt > end - 10 && one.occurredAt <= end).map((one) => one.userId ?? one), // who has no name is nobody else
            ).size > allowed,
        );
        expect(spans.some(({ from, to }) => from <= occurredAt && occurredAt <= to)).toBe(isOver);
      }
    }),
  );
});

test('neighbourhoods are merged where they meet', () => {
  expect(neighbourhoods([100, 5, 12], 10)).toEqual([
    { from: -5, to: 22 },
    { from: 90, to: 110 },
  ]);
});
