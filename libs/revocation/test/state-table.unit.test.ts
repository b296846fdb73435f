import fc from 'fast-check';
import { NEVER } from '#contracts/moment.js';
import { merge, OPEN, type ScopeState } from '../src/scope-state.js';
import { StateInBytes } from '../src/read-state-record.js';
import { scopesOf } from '../src/scope.js';
import { StateTable } from '../src/state-table.js';

const ulid = fc
  .array(fc.constantFrom(...'0123456789ABCDEFGHJKMNPQRSTVWXYZ'), { minLength: 25, maxLength: 25 })
  .chain((rest) => fc.constantFrom(...'012345678').map((first) => first + rest.join('')));
const piece = fc.oneof(
  ulid,
  fc.constantFrom(
    'user:user_',
    'org:org_',
    'membership:user_',
    ':org_',
    'session:session_',
    'event_',
    'idp_',
    '/',
    ':',
  ),
  fc.string({ maxLength: 30 }),
  fc.string({ unit: 'binary', maxLength: 5 }),
  // Halves of a character too, which JSON can hold and UTF-8 cannot.
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 3 }).map((codes) => String.fromCharCode(...codes)),
);
const texts = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));

const moments = fc.oneof(fc.constantFrom(NEVER, Infinity), fc.integer({ min: 0, max: 2 ** 45 }));
const states: fc.Arbitrary<ScopeState> = fc.record({
  closedAt: moments,
  openedAt: moments,
  tokensBefore: moments,
  closing: fc.option(
    fc.record({
      reason: fc.oneof(fc.constantFrom('user_deprovisioned', 'session_revoked'), texts),
      sourceEventId: fc.option(texts),
      occurredAt: moments,
    }),
  ),
});

test('it answers as a Map of objects does, whatever comes in which order', () => {
  const keys = fc.uniqueArray(texts, { minLength: 1, maxLength: 12 });
  const histories = keys.chain((some) =>
    fc.array(fc.tuple(fc.constantFrom(...some), states), { maxLength: 60 }).map((takes) => ({ some, takes })),
  );
  fc.assert(
    fc.property(histories, ({ some, takes }) => {
      const table = new StateTable();
      const map = new Map<string, ScopeState>();
      for (const [key, state] of takes) {
        table.take(key, state);
        map.set(key, merge(map.get(key) ?? OPEN, state));
      }
      for (const key of [...some, 'idp_1/user:nobody']) expect(table.get(key)).toEqual(map.get(key));
      expect(new Map(table.entries())).toEqual(map);
      expect(table.size).toBe(map.size);
      for (const key of map.keys()) expect(table.mayHold(table.hashOf(key))).toBe(true);
    }),
    { numRuns: 400 },
  );
});

test('the hashes of a holder are those of the keys of its scopes, in their order', () => {
  const id = fc.oneof(texts, fc.constantFrom('user_1', 'a:b', 'a/b', ':', ''));
  const ids = {
    userId: id,
    organizationId: fc.option(id, { nil: undefined }),
    sessionId: fc.option(id, { nil: undefined }),
  };
  const table = new StateTable();
  fc.assert(
    fc.property(fc.constantFrom('idp_1', 'idp_2', 'idp_ü'), fc.record(ids), (providerId, holder) => {
      const keys = scopesOf({ providerId, ...holder });
      expect(table.hashesOf(providerId, holder)).toEqual(keys.map((key) => table.hashOf(key)));
    }),
    { numRuns: 2_000 },
  );
});

/** As `readStateRecord` would leave it, of a record that holds these texts. */
function inBytes(key: string, { closedAt, openedAt, tokensBefore, closing }: ScopeState): StateInBytes {
  const texts = [key, closing?.reason ?? '', closing?.sourceEventId ?? ''];
  const [scopeEnd = 0, reasonEnd = 0, eventEnd = 0] = texts.map(
    (_, index) => texts.slice(0, index + 1).join('').length,
  );
  return Object.assign(new StateInBytes(), {
    ...{ bytes: Buffer.from(texts.join(''), 'latin1'), scopeStart: 0, scopeEnd, closedAt, openedAt, tokensBefore },
    ...(closing ? { reasonStart: scopeEnd, reasonEnd, occurredAt: closing.occurredAt } : {}),
    ...(typeof closing?.sourceEventId === 'string' ? { eventStart: reasonEnd, eventEnd } : {}),
  });
}

test('what was read in bytes is taken as what was decoded, in any mixture of both', () => {
  const plain = (text: string): string => text.replace(/[^ -~]/gs, '.');
  const some = fc.uniqueArray(texts.map(plain), { minLength: 1, maxLength: 8 });
  // A state that was never closed has no closing: so it comes from either decoder.
  const plainStates = states.map(({ closing, ...state }) => ({
    ...state,
    closing:
      closing === null || state.closedAt === NEVER
        ? null
        : {
            ...closing,
            reason: plain(closing.reason),
            sourceEventId: closing.sourceEventId && plain(closing.sourceEventId),
          },
  }));
  const histories = some.chain((keys) =>
    fc.array(fc.tuple(fc.constantFrom(...keys), plainStates, fc.boolean()), { maxLength: 40 }),
  );
  fc.assert(
    fc.property(histories, (takes) => {
      const table = new StateTable();
      const decoded = new StateTable();
      for (const [key, state, isRead] of takes) {
        const changed = isRead ? table.takeRead(inBytes(key, state)) : table.take(key, state);
        expect(changed).toBe(decoded.take(key, state));
      }
      expect(new Map(table.entries())).toEqual(new Map(decoded.entries()));
      for (const [key] of takes) expect(table.get(key)).toEqual(decoded.get(key));
    }),
    { numRuns: 400 },
  );
});

test('it grows over its first chunks, and keeps each key apart from all others', () => {
  const table = new StateTable();
  const keyOf = (index: number): string => `idp_${index % 3}/${index % 2 === 0 ? 'user:u' : 'session:s'}${index}`;
  const COUNT = 20_000;
  for (let index = 0; index < COUNT; index++) table.take(keyOf(index), { ...OPEN, closedAt: index });
  expect(table.size).toBe(COUNT);
  let wrong = 0;
  for (let index = 0; index < COUNT; index++) if (table.get(keyOf(index))?.closedAt !== index) wrong += 1;
  for (let index = COUNT; index < 2 * COUNT; index++) if (table.get(keyOf(index)) !== undefined) wrong += 1;
  expect(wrong).toBe(0);
});

test('a key longer than a whole chunk is a key like any other', () => {
  const table = new StateTable();
  const long = `idp_1/user:${'x'.repeat(1_500_000)}`;
  for (const key of [long, `${long}y`, 'idp_1/user:short']) table.take(key, { ...OPEN, closedAt: key.length });
  for (const key of [long, `${long}y`, 'idp_1/user:short']) expect(table.get(key)?.closedAt).toBe(key.length);
});

/** A hash is 32 bits: of a hundred thousand scopes two have the same one. */
test('scopes of one hash never meet, also where only the provider is another', () => {
  const table = new StateTable();
  table.hashOf = () => 7;
  const keys = ['idp_1/user:a', 'idp_2/user:a', 'idp_1/user:b', 'idp_1/user:aa', 'user:a', 'idp_1/'];
  keys.forEach((key, index) => table.take(key, { ...OPEN, closedAt: index }));
  expect(table.size).toBe(keys.length);
  expect(keys.map((key) => table.get(key)!.closedAt)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(table.get('idp_3/user:a')).toBeUndefined();
});
