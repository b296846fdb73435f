import { decodeStateRecord, HEARTBEAT_TYPE } from '../src/revocation.js';

const heartbeat = (data: object): Buffer =>
  Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      id: 'heartbeat_1',
      source: '/grants',
      type: HEARTBEAT_TYPE,
      datacontenttype: 'application/json',
      data: { at: '2026-01-01T00:00:00.000Z', partitions: 1, applied: { 0: '7' }, ...data },
    }),
  );

test('a heartbeat of a release that did not say where the events end is one that says nothing of it', () => {
  expect(decodeStateRecord(heartbeat({}))).toMatchObject({
    kind: 'heartbeat',
    data: { applied: { 0: '7' }, ends: {} },
  });
});

test.each([
  ['no number', { ends: { 0: 'soon' } }],
  ['nothing', { ends: { 0: '' } }],
  ['control characters', { applied: { 0: '\u0000' } }],
  ['a negative one', { applied: { 0: '-1' } }],
  ['more than an int64 has digits', { ends: { 0: '1'.repeat(20) } }],
  ['a partition that is none', { ends: { x: '1' } }],
])('an offset that is %s is malformed, and nobody stumbles over it', (_, data) => {
  expect(() => decodeStateRecord(heartbeat(data))).toThrow('record_malformed');
});
