import { readFileSync } from 'node:fs';
import { decodeCloudEvent } from '#contracts/cloud-event.js';
import { FOR_EVER, momentFromWire, momentToWire, NEVER, parseTime } from '#contracts/moment.js';
import { Rejected } from '#contracts/rejected.js';
import {
  decodeWorkOSEvent,
  decodeWorkOSRecord,
  encodeWorkOSRecord,
  KNOWN_TYPES,
  readWorkOSEnvelope,
  withoutShadow,
} from '#contracts/workos-event.js';

/** Events as WorkOS's OpenAPI specification shapes them. */
const specified = JSON.parse(readFileSync(new URL('./workos-events.json', import.meta.url), 'utf8')) as {
  event: string;
  id: string;
  data: Record<string, unknown>;
  created_at: string;
}[];
const body = (json: unknown): Buffer => Buffer.from(JSON.stringify(json));
const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof Rejected) return error.message;
    throw error;
  }
  return 'accepted';
};

test.each(specified.map((event) => [event.event, event] as const))('%s of the specification is read', (type, json) => {
  const event = decodeWorkOSEvent(json, 'idp_1');
  expect(event).toMatchObject({ id: json.id, providerId: 'idp_1', occurredAt: Date.parse(json.created_at) });
  expect(event.type).toBe((KNOWN_TYPES as string[]).includes(type) ? type : 'unknown');
});

test('the record holds the very bytes that WorkOS sent', () => {
  const sent = Buffer.from(
    '{ "id":"event_1",  "event":"user.deleted","data":{"id":"user_1","n":1.0,"u":"\\u00e9"},"created_at":"2026-01-15T12:00:00.123Z" }',
  );
  const record = encodeWorkOSRecord(sent, readWorkOSEnvelope(sent), { id: 'idp_1', mode: 'enforced' }, new Date(0));
  expect(record.includes(sent)).toBe(true);
  expect(decodeCloudEvent(record)).toMatchObject({
    specversion: '1.0',
    id: 'event_1',
    source: '/identity-providers/idp_1',
    type: 'com.workos.user.deleted',
    subject: 'user_1',
    time: '2026-01-15T12:00:00.123Z',
    providerid: 'idp_1',
  });
  expect(decodeWorkOSRecord(record)).toMatchObject({
    receivedAt: 0,
    event: { type: 'user.deleted', data: { id: 'user_1' } },
  });
});

test('everything about one person has one key', () => {
  const keys = specified.map((json) => [json.event, readWorkOSEnvelope(body(json)).key]);
  for (const [type, key] of keys) {
    const { data } = specified.find(({ event }) => event === type)!;
    if (type!.startsWith('user.') || type!.startsWith('organization.')) expect(key).toBe(data['id']);
    else if (data['user_id']) expect(key).toBe(data['user_id']);
    expect(key).not.toBe('');
  }
});

test.each([
  ['no JSON', Buffer.from('{"id":'), 'body_malformed'],
  ['nothing', Buffer.alloc(0), 'body_malformed'],
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'body_malformed'],
  ['a byte order mark', Buffer.from('\ufeff{"id":"e","event":"x","data":{}}'), 'body_malformed'],
  ['a list', body([]), 'body_malformed'],
  ['null', body(null), 'body_malformed'],
  ['no id', body({ event: 'user.deleted', data: {} }), 'body_malformed: id'],
  ['an empty id', body({ id: '', event: 'user.deleted', data: {} }), 'body_malformed: id'],
  ['no event', body({ id: 'event_1', data: {} }), 'body_malformed: event'],
  ['a number for the event', body({ id: 'event_1', event: 7, data: {} }), 'body_malformed: event'],
  ['text for the data', body({ id: 'event_1', event: 'user.deleted', data: 'x' }), 'body_malformed: data'],
])('a body of %s is refused', (_, sent, code) => expect(codeOf(() => readWorkOSEnvelope(sent))).toMatch(code));

test.each([
  ['without a time', { id: 'event_1', event: 'user.updated', data: { id: 'user_1' } }, 'created_at'],
  [
    'with a time that is none',
    { id: 'e', event: 'user.deleted', data: { id: 'u' }, created_at: 'yesterday' },
    'created_at',
  ],
  ['of nobody', { id: 'e', event: 'user.deleted', data: {}, created_at: '2026-01-15T12:00:00Z' }, 'data: id'],
  [
    'with a number for the user',
    { id: 'e', event: 'user.deleted', data: { id: 7 }, created_at: '2026-01-15T12:00:00Z' },
    'data: id',
  ],
  [
    'with something for the user whose length cannot be compared',
    { id: 'e', event: 'user.deleted', data: { id: { length: { toString: 1 } } }, created_at: '2026-01-15T12:00:00Z' },
    'data: the whole',
  ],
  [
    'of a membership without its user',
    {
      id: 'e',
      event: 'organization_membership.deleted',
      data: { organization_id: 'o' },
      created_at: '2026-01-15T12:00:00Z',
    },
    'data: user_id',
  ],
  [
    'of a membership without a status',
    {
      id: 'e',
      event: 'organization_membership.updated',
      data: { user_id: 'u', organization_id: 'o' },
      created_at: '2026-01-15T12:00:00Z',
    },
    'data: status',
  ],
])('an event %s says which field is wrong, and not what was in it', (_, json, field) => {
  expect(codeOf(() => decodeWorkOSEvent(json, 'idp_1'))).toBe(`event_malformed: ${field}`);
});

test('a trimmed user.deleted is enough', () => {
  const json = { id: 'event_1', event: 'user.deleted', data: { id: 'user_1' }, created_at: '2026-01-15T12:00:00.000Z' };
  expect(decodeWorkOSEvent(json, 'idp_1')).toMatchObject({ type: 'user.deleted', previousAttributes: {} });
});

const ENDS = {
  'user.deleted': { id: 'user_1' },
  'organization.deleted': { id: 'org_1' },
  'session.revoked': { id: 'session_1' },
  'organization_membership.deleted': { user_id: 'user_1', organization_id: 'org_1' },
  'organization_membership.updated': { user_id: 'user_1', organization_id: 'org_1', status: 'inactive' },
};
const recordOf = (json: object): Buffer => {
  const sent = body(json);
  return encodeWorkOSRecord(sent, readWorkOSEnvelope(sent), { id: 'idp_1', mode: 'enforced' }, new Date(7_000));
};

test.each(Object.entries(ENDS))('%s is read whatever stands in the fields that decide nothing', (event, data) => {
  const odd = { ...data, ...(event === 'session.revoked' ? { user_id: 7 } : { role: 'admin' }), updated_at: 8 };
  for (const context of ['dashboard', [], { previous_attributes: [] }, { previous_attributes: 'status' }]) {
    const json = { id: 'event_1', event, data: odd, created_at: '2026-01-15T12:00:00.000Z', context };
    expect(decodeWorkOSRecord(recordOf(json)).event).toMatchObject({ type: event, data, previousAttributes: {} });
  }
});

test.each(['user.deleted', 'organization.deleted', 'session.revoked'] as const)(
  '%s is for ever, and needs no time: without one it counts as having happened when it came',
  (event) => {
    for (const created_at of [undefined, null, 'yesterday', 1_768_478_400_000]) {
      const read = decodeWorkOSRecord(recordOf({ id: 'event_1', event, data: ENDS[event], created_at }));
      expect(read.event).toMatchObject({ type: event, occurredAt: 7_000 });
    }
    const told = { id: 'event_1', event, data: { ...ENDS[event], updated_at: '1970-01-01T00:00:01.000Z' } };
    expect(decodeWorkOSRecord(recordOf(told)).event.occurredAt).toBe(1_000);
  },
);

test('what could be opened again needs its own time', () => {
  const json = {
    id: 'event_1',
    event: 'organization_membership.deleted',
    data: ENDS['organization_membership.deleted'],
  };
  expect(codeOf(() => decodeWorkOSRecord(recordOf(json)))).toBe('event_malformed: created_at');
});

test('what is longer than an id is no key, and no type', () => {
  const long = 'x'.repeat(256);
  const data = { id: long, user_id: long, organization_id: 'org_1' };
  expect(readWorkOSEnvelope(body({ id: 'event_1', event: 'user.deleted', data })).key).toBe('org_1');
  expect(readWorkOSEnvelope(body({ id: 'event_1', event: 'user.deleted', data: { id: long } })).key).toBe('event_1');
  expect(codeOf(() => readWorkOSEnvelope(body({ id: 'event_1', event: long, data })))).toBe('body_malformed: event');
  expect(codeOf(() => decodeWorkOSEvent({ id: 'event_1', event: long, data }, 'idp_1'))).toBe('event_malformed: event');
});

test.each([
  [null, 'the record has no value'],
  [Buffer.from('x'), 'the value is not JSON'],
  [body({ specversion: '0.3' }), 'specversion'],
  [
    body({
      specversion: '1.0',
      id: '1',
      source: '/x',
      type: 'io.other',
      datacontenttype: 'application/json',
      providerid: 'p',
      data: {},
    }),
    'type',
  ],
  [
    body({
      specversion: '1.0',
      id: '1',
      source: '/x',
      type: 'com.workos.user.deleted',
      datacontenttype: 'application/json',
      data: {},
    }),
    'providerid',
  ],
])('a record that is none of ours is refused', (value, detail) => {
  expect(codeOf(() => decodeWorkOSRecord(value))).toMatch(`record_malformed: ${detail}`);
});

describe('moments', () => {
  test.each([
    ['2023-04-28 20:05:31.093', '2023-04-28T20:05:31.093Z'],
    ['2023-04-28T20:05:31Z', '2023-04-28T20:05:31.000Z'],
    ['2023-04-28T22:05:31.5+02:00', '2023-04-28T20:05:31.500Z'],
  ])('%s is %s', (text, iso) => expect(new Date(parseTime(text)).toISOString()).toBe(iso));

  test.each(['', 'now', '1682712331', '2023-04-28', '2023-13-41T00:00:00Z', 'infinity'])('%p is no time', (text) =>
    expect(parseTime(text)).toBeNaN(),
  );

  test.each(['9999-12-31T23:59:59-12:00', '0000-01-01T00:00:00+12:00'])('%p could not be written in RFC 3339', (text) =>
    expect(parseTime(text)).toBeNaN(),
  );

  test.each([NEVER, FOR_EVER, 0, 1_774_000_000_123])('%p comes back from the wire', (moment) =>
    expect(momentFromWire(momentToWire(moment))).toBe(moment),
  );
});

test.each([
  { id: 'event_1', event: 'user.deleted', data: { id: 'user_a' }, created_at: '2026-03-01T09:00:00.000Z' },
  { id: 'event,"shadow":true,', event: 'x,"data":', data: { id: ',"shadow":true,', n: 1 } },
])('taken out of shadow, a record is byte for byte what it would have been: %j', (event) => {
  const raw = Buffer.from(JSON.stringify(event).replace('{', '{ "shadow":true,'));
  const of = (mode: 'shadow' | 'enforced'): Buffer =>
    encodeWorkOSRecord(raw, readWorkOSEnvelope(raw), { id: 'idp_1', mode }, new Date(0));
  expect(String(withoutShadow(of('shadow')))).toBe(String(of('enforced')));
  expect(() => withoutShadow(of('enforced'))).toThrow('not a record of an event in shadow mode');
});
