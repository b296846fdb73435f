import fc from 'fast-check';
import { decodeStateRecord, HEARTBEAT_TYPE, SCOPE_STATE_TYPE } from '#contracts/revocation.js';
import { stateFromWire } from '../src/wire.js';
import { readStateRecord, StateInBytes } from '../src/read-state-record.js';
import type { ScopeState } from '../src/scope-state.js';
import { StateTable } from '../src/state-table.js';

interface Said {
  scope: string;
  state: ScopeState;
}

/** What the fast one says, as the table takes it; the record stands in the middle of other bytes. */
function quickly(value: Buffer): Said | undefined {
  const bytes = Buffer.concat([Buffer.from('{"'), value, Buffer.from('"}')]);
  const read = new StateInBytes();
  if (!readStateRecord(bytes, 2, 2 + value.length, read)) return undefined;
  const table = new StateTable();
  table.takeRead(read);
  const [[scope, state]] = [...table.entries()] as [[string, ScopeState]];
  return { scope, state };
}

/** What the strict decoder says; undefined where it refuses, or where it is no state. */
function strictly(value: Buffer): Said | undefined {
  try {
    const record = decodeStateRecord(value);
    return record.kind === 'scope' ? { scope: record.data.scope, state: stateFromWire(record.data) } : undefined;
  } catch {
    return undefined;
  }
}

const id = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom('user_01E4ZCR3C56J083X43JQXF3JK5', 'org_1') },
  { weight: 1, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.string({ maxLength: 12 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
);
const years = { min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true };
const ODD_MOMENTS = [
  ...['2026-02-30T00:00:00.000Z', '2026-02-29T12:00:00.000Z', '2024-02-29T23:59:59.999Z', '2026-13-01T00:00:00.000Z'],
  ...['2026-00-10T00:00:00.000Z', '2026-01-10T24:00:00.000Z', '2026-01-10T23:60:00.000Z', '2026-01-10T23:59:60.000Z'],
  ...['0000-01-01T00:00:00.000Z', '2026-01-10T10:00:00Z', '2026-01-10 10:00:00.000+02:00', '2026-1-10T10:00:00.0000Z'],
  ...['', 'never', '2026-01-10T10:00:00.00aZ', '2026-01-1 T10:00:00.000Z', '+275760-09-13T00:00:00.000Z'],
];
const moment = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom(null, 'infinity') },
  { weight: 20, arbitrary: fc.date(years).map((date) => date.toISOString()) },
  { weight: 3, arbitrary: fc.constantFrom(...ODD_MOMENTS) },
);
const optional = (name: string) =>
  fc.option(
    id.map((value) => ({ [name]: value })),
    { nil: {} },
  );

/** As grants writes it (announcements.ts). */
const records = fc
  .record({
    scope: id,
    provider: id,
    user: optional('user_id'),
    organization: optional('organization_id'),
    session: optional('session_id'),
    moments: fc.tuple(moment, moment, moment, moment),
    reason: fc.option(id),
    event: fc.option(id),
  })
  .map(({ scope, provider, user, organization, session, moments, reason, event }) => ({
    specversion: '1.0',
    id: 'state_abc',
    source: '/grants',
    type: SCOPE_STATE_TYPE,
    time: '2026-11-24T10:00:00.000Z',
    datacontenttype: 'application/json',
    subject: scope,
    providerid: provider,
    data: {
      scope,
      provider_id: provider,
      ...user,
      ...organization,
      ...session,
      closed_at: moments[0],
      opened_at: moments[1],
      tokens_before: moments[2],
      reason,
      source_event_id: event,
      occurred_at: moments[3],
    },
  }));

const bytesOf = (record: object): Buffer => Buffer.from(JSON.stringify(record));
const isWritten = (value: Buffer): boolean => /^[\x20-\x5b\x5d-\x7e]*$/.test(value.toString('latin1'));

test('a record as grants writes it is read as the strict decoder reads it', () => {
  let read = 0;
  fc.assert(
    fc.property(records, (record) => {
      const value = bytesOf(record);
      const strict = strictly(value);
      const fast = quickly(value);
      if (fast) read += 1;
      // Plain ones are read, or the start would be slow; the others are left to the strict decoder.
      if (isWritten(value)) expect(fast).toEqual(strict);
      else expect(fast ?? strict).toEqual(strict);
    }),
    { numRuns: 1_000 },
  );
  expect(read).toBeGreaterThan(100);
});

test('it accepts nothing that the strict decoder refuses, and reads nothing otherwise, whatever is wrong', () => {
  const pieces = [
    '"',
    '\\',
    '{',
    '}',
    ',',
    ':',
    'null',
    '\\u0000',
    '\n',
    '\u0000',
    '\t',
    '\u00e9',
    '\ufffd',
    ' ',
    '","scope":"x',
    '1',
  ];
  const hostile = fc
    .tuple(records, fc.array(fc.tuple(fc.nat(), fc.nat(3), fc.constantFrom(...pieces)), { minLength: 1, maxLength: 3 }))
    .map(([record, edits]) => {
      let text = JSON.stringify(record);
      for (const [at, drop, piece] of edits) {
        const place = at % (text.length + 1);
        text = text.slice(0, place) + piece + text.slice(place + drop);
      }
      return Buffer.from(text);
    });
  fc.assert(
    fc.property(hostile, (value) => {
      const fast = quickly(value);
      if (fast) expect(fast).toEqual(strictly(value));
    }),
    { numRuns: 3_000 },
  );
});

test('any bytes', () => {
  const mutated = fc
    .tuple(records, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }))
    .map(([record, edits]) => {
      const value = bytesOf(record);
      for (const [at, byte] of edits) value[at % value.length] = byte;
      return value;
    });
  fc.assert(
    fc.property(
      fc.oneof(
        mutated,
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      ),
      (value) => {
        const fast = quickly(value);
        if (fast) expect(fast).toEqual(strictly(value));
      },
    ),
    { numRuns: 3_000 },
  );
});

test('heartbeats are left to the strict decoder', () => {
  const [sample] = fc.sample(records, 1);
  expect(quickly(bytesOf({ ...sample!, type: HEARTBEAT_TYPE }))).toBeUndefined();
});

test('what ends in the middle is left too, wherever that is', () => {
  const value = bytesOf(fc.sample(records, 1)[0]!);
  for (let length = 0; length < value.length; length++) expect(quickly(value.subarray(0, length))).toBeUndefined();
});
