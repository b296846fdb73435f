import fc from 'fast-check';
import { Heartbeats } from '../src/heartbeats.js';

const START = Date.parse('2026-01-01T00:00:00.000Z');
const beat = (
  afterMs: number,
  { partitions = 1, applied = {}, ends = {} }: { partitions?: number; applied?: object; ends?: object } = {},
) => ({
  at: new Date(START + afterMs).toISOString(),
  partitions,
  applied: applied as Record<string, string>,
  ends: ends as Record<string, string>,
});

test('the view is as old as the heartbeat of its oldest partition, in any order of arrival, and however often they come', () => {
  const arrivals = fc.array(fc.record({ partition: fc.nat({ max: 2 }), at: fc.nat({ max: 10_000 }) }), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(arrivals, (beats) => {
      const heartbeats = new Heartbeats();
      beats.forEach(({ partition, at }, index) => {
        heartbeats.take(partition, beat(at, { partitions: 3 }), index);
        heartbeats.take(partition, beat(at, { partitions: 3 }), index + 1_000_000);
      });
      const newest = [0, 1, 2].map((which) =>
        Math.max(...beats.filter(({ partition }) => partition === which).map(({ at }) => at)),
      );
      const oldest = Math.min(...newest);
      expect(heartbeats.asOf).toBe(oldest === -Infinity ? null : beat(oldest).at);
      // Whoever looks before anything came in long ago sees the age by the clock on the wall.
      expect(heartbeats.ageMs(START + 20_000, 0)).toBe(20_000 - oldest);
    }),
  );
});

test('neither a clock that is behind nor a reader that lags hides an age', () => {
  const heartbeats = new Heartbeats();
  heartbeats.take(0, beat(0, { partitions: 2 }), 100);
  heartbeats.take(1, beat(50, { partitions: 2 }), 40);
  expect(heartbeats.ageMs(START + 7, 45)).toBe(7); // came in just now, written 7 ms ago
  expect(heartbeats.ageMs(START - 5_000, 1_040)).toBe(1_000); // written in the future, came in a second ago
});

test('a partition without a heartbeat is no freshness, also one that was added and that nobody has read yet', () => {
  const heartbeats = new Heartbeats();
  expect([heartbeats.ageMs(START, 0), heartbeats.asOf]).toEqual([Infinity, null]);
  heartbeats.take(1, beat(0, { partitions: 2 }), 0);
  expect([heartbeats.ageMs(START, 0), heartbeats.asOf]).toEqual([Infinity, null]);
  heartbeats.take(0, beat(0, { partitions: 2 }), 0);
  expect(heartbeats.ageMs(START, 0)).toBe(0);
  heartbeats.take(0, beat(1, { partitions: 3 }), 0);
  expect([heartbeats.ageMs(START, 0), heartbeats.asOf]).toEqual([Infinity, null]);
  // Whoever says less has not heard of it.
  heartbeats.take(1, beat(2, { partitions: 2 }), 0);
  expect(heartbeats.ageMs(START, 0)).toBe(Infinity);
  heartbeats.take(2, beat(2, { partitions: 3 }), 0);
  expect(heartbeats.ageMs(START + 2, 0)).toBe(1);
});

test('events are read from the lowest offset that any partition promises', () => {
  const heartbeats = new Heartbeats();
  expect(heartbeats.applied()).toEqual({});
  heartbeats.take(0, beat(5, { partitions: 2, applied: { 0: '9', 1: '30', 2: '7' } }), 0);
  expect(heartbeats.applied()).toEqual({}); // of the other partition nothing is known
  heartbeats.take(1, beat(4, { partitions: 2, applied: { 0: '10', 1: '4' } }), 0);
  expect(heartbeats.applied()).toEqual({ 0: '9', 1: '4', 2: '0' });
});

test('while events are missing that Kafka had at a moment, the view is proved of an earlier one', () => {
  const heartbeats = new Heartbeats();
  heartbeats.eventsRead(0, 5n);
  heartbeats.take(0, beat(0, { ends: { 0: '5' } }), 0);
  expect(heartbeats.asOf).toBe(beat(0).at);
  heartbeats.take(0, beat(1_000, { ends: { 0: '6', 1: '1' } }), 1_000);
  heartbeats.take(0, beat(2_000, { ends: { 0: '9', 1: '1' } }), 2_000);
  heartbeats.eventsRead(0, 9n);
  expect(heartbeats.asOf).toBe(beat(0).at); // of the other partition nothing was read, it may be a new one
  expect(heartbeats.ageMs(START + 2_000, 2_000)).toBe(2_000);
  heartbeats.eventsRead(1, 1n);
  expect(heartbeats.asOf).toBe(beat(2_000).at);
  expect(heartbeats.ageMs(START + 2_000, 2_500)).toBe(500);
});

test('what was not read is not missing where its effects are among the states', () => {
  const heartbeats = new Heartbeats();
  heartbeats.take(0, beat(0, { partitions: 2, applied: { 0: '7' }, ends: { 0: '7' } }), 0);
  heartbeats.take(1, beat(0, { partitions: 2, applied: { 0: '6' }, ends: { 0: '7' } }), 0);
  expect(heartbeats.asOf).toBeNull(); // in the other partition they may not be
  heartbeats.take(1, beat(1, { partitions: 2, applied: { 0: '7' }, ends: { 0: '7' } }), 0);
  expect(heartbeats.asOf).toBe(beat(0).at);
});

test('a topic of events that was emptied and begins anew is read from there', () => {
  const heartbeats = new Heartbeats();
  heartbeats.eventsRead(0, 1_000n);
  heartbeats.take(0, beat(0, { ends: { 0: '1000' } }), 0);
  heartbeats.eventsRead(0, 1n);
  heartbeats.take(0, beat(1, { ends: { 0: '2' } }), 0);
  expect(heartbeats.asOf).toBe(beat(0).at);
  heartbeats.eventsRead(0, 2n);
  expect(heartbeats.asOf).toBe(beat(1).at);
});

test('a topic of events that was made anew: an end that it had before is not waited for, and nothing counts that was read before', () => {
  const heartbeats = new Heartbeats();
  heartbeats.eventsRead(0, 1_000n);
  heartbeats.take(0, beat(0, { ends: { 0: '1000' } }), 0);
  heartbeats.take(0, beat(1, { ends: { 0: '1002' } }), 0); // two that nobody will read any more
  heartbeats.take(0, beat(2, { ends: { 0: '3' } }), 0);
  expect(heartbeats.asOf).toBe(beat(0).at);
  heartbeats.eventsRead(0, 3n);
  expect(heartbeats.asOf).toBe(beat(2).at);
});

test('whatever the order, an age is never less than that of the newest moment up to which all is read', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ at: fc.nat({ max: 50 }), end: fc.nat({ max: 20 }), applied: fc.nat({ max: 20 }) }),
      fc.record({ read: fc.nat({ max: 20 }) }),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(steps, (history) => {
      const heartbeats = new Heartbeats();
      let [read, applied, newest] = [0, 0, -1];
      const all: { at: number; end: number }[] = [];
      const proved: number[] = [];
      for (const step of history) {
        if ('read' in step) heartbeats.eventsRead(0, BigInt((read = Math.max(read, step.read))));
        else {
          heartbeats.take(0, beat(step.at, { applied: { 0: String(step.applied) }, ends: { 0: String(step.end) } }), 0);
          if (step.at > newest) [newest, applied] = [step.at, step.applied];
          all.push(step);
        }
        proved.push(...all.filter(({ end }) => Math.max(read, applied) >= end).map(({ at }) => at));
        const asOf = heartbeats.asOf === null ? -1 : Date.parse(heartbeats.asOf) - START;
        expect(asOf).toBeLessThanOrEqual(Math.max(-1, ...proved));
      }
    }),
  );
});

test('what is no time is no heartbeat', () => {
  const heartbeats = new Heartbeats();
  heartbeats.take(0, { at: 'soon', partitions: 1, applied: {}, ends: {} }, 0);
  expect(heartbeats.ageMs(START, 0)).toBe(Infinity);
});
