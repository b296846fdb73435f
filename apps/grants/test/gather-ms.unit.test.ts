import { gatherMs } from '../src/events/gather-ms.js';

test('the more came, the more are gathered: a millisecond for each, fifty at most', () => {
  expect([2, 30, 50, 51, 5_000].map(gatherMs)).toEqual([2, 30, 50, 50, 50]);
});
