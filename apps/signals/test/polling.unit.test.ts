import {
  answered,
  askForFewer,
  FIRST_POLL,
  isProgress,
  pollRequest,
  readPollAnswer,
  retryAfterHeaderMs,
} from '../src/domain/polling.js';

const NOW = new Date('2026-11-28T12:00:00.000Z');
const error = { err: 'invalid_key', description: 'No key of the issuer has signed this.' };

test('a request acknowledges, refuses and asks, in the words of RFC 8936, section 2.4', () => {
  expect(JSON.parse(pollRequest(FIRST_POLL))).toEqual({ maxEvents: 100, returnImmediately: false });
  const state = { ack: ['a'], setErrs: new Map([['__proto__', error]]), maxEvents: 5, waits: false };
  expect(pollRequest(state)).toBe(
    `{"maxEvents":5,"returnImmediately":true,"ack":["a"],"setErrs":{"__proto__":${JSON.stringify(error)}}}`,
  );
});

test('an answer is read as section 2.5 says, and as nothing else', () => {
  expect(readPollAnswer('{"sets":{"a":"eyJ","b":1},"moreAvailable":true}')).toEqual([
    ['a', 'eyJ'],
    ['b', 1],
  ]);
  expect(readPollAnswer('{"sets":{}}')).toEqual([]);
  for (const body of ['', '{}', '[]', 'null', '{"sets":[]}', '{"sets":null}', '<html>']) {
    expect([body, readPollAnswer(body)]).toEqual([body, undefined]);
  }
});

test('what was told before is no progress', () => {
  const told = { ack: ['a'], setErrs: new Map([['b', error]]) };
  expect(isProgress(told, told)).toBe(false);
  expect(isProgress(told, { ack: [], setErrs: new Map() })).toBe(false);
  expect(isProgress(told, { ack: ['a', 'c'], setErrs: new Map() })).toBe(true);
  expect(isProgress(told, { ack: [], setErrs: new Map([['c', error]]) })).toBe(true);
});

test('so many are asked for as there is room for', () => {
  let state = FIRST_POLL;
  for (let time = 0; time < 10; time++) state = askForFewer(state);
  expect(state.maxEvents).toBe(1);
  state = answered(state, { ack: [], setErrs: new Map() });
  expect(state.maxEvents).toBe(2);
  for (let time = 0; time < 10; time++) state = answered(state, { ack: [], setErrs: new Map() });
  expect(state.maxEvents).toBe(100);
});

test.each([
  [undefined, 0],
  ['0', 0],
  ['7', 7_000],
  ['999999999', 600_000],
  ['Sat, 28 Nov 2026 12:00:30 GMT', 30_000],
  ['Sat, 28 Nov 2026 11:00:00 GMT', 0],
  ['soon', 0],
  ['-5', 0],
])('Retry-After: %s is %i ms', (header, ms) => {
  expect(retryAfterHeaderMs(header, NOW)).toBe(ms);
});
