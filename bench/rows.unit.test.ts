import { rowsFor } from './growth.js';
import { rowsUnderLoad } from './revocation-latency.js';

test('a latency under less load than was meant does not count as met', () => {
  const samples = Array.from({ length: 100 }, (_, index) => index);
  const metOf = (webhooksPerSecond: number, verifiesPerSecond: number) =>
    rowsUnderLoad(samples, { webhooksPerSecond, verifiesPerSecond }).map(({ met }) => met);
  expect(metOf(1_000, 2_000)).toEqual([undefined, true]);
  expect(metOf(900, 2_000)).toEqual([undefined, false]);
  expect(metOf(1_000, 1_500)).toEqual([undefined, false]);
  const slow = samples.map((ms) => ms + 100);
  const report = { webhooksPerSecond: 1_000, verifiesPerSecond: 2_000 };
  expect(rowsUnderLoad(slow, report).map(({ value, met }) => [value, met])).toEqual([
    [150, undefined],
    [199, false],
  ]);
});

test('growth is told beside the smallest size', () => {
  const first = { deletion: 10, question: 2, page: 4 };
  const rows = rowsFor(1_000_000, { deletion: 15, question: 2, page: 8 }, first);
  expect(rows.map(({ ratio }) => ratio)).toEqual([1.5, 1, 2]);
  expect(rows[0]!.name).toBe('1,000,000 grants: a deletion applied, p50');
});
