import fc from 'fast-check';
import { afterPage, firstReading, goBack, KEPT_MS, questionOf, RANGE_MS, restMs } from '../../src/tail/reading.js';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-06-01T00:00:00Z');
const TIMES = { holdBackMs: 10_000, overlapMs: 300_000 };
const PAGE = 3;

interface Happened {
  id: string;
  at: number;
  /** Held back until then. */
  visibleAt: number;
}

/** WorkOS's Events API, as it is documented and seen in production. */
class EventsApi {
  constructor(readonly events: readonly Happened[]) {}

  list(question: ReturnType<typeof questionOf>['question'], now: number): { data: Happened[]; hasMore: boolean } | 400 {
    const kept = this.events.filter(({ at, visibleAt }) => at >= now - 90 * DAY_MS && visibleAt <= now);
    let data: Happened[];
    if ('after' in question) {
      const place = kept.findIndex(({ id }) => id === question.after);
      if (place < 0) return 400;
      data = kept.slice(place + 1);
    } else {
      const since = question.since.getTime();
      data = kept.filter(({ at }) => at >= since && at <= since + RANGE_MS);
    }
    return { data: data.slice(0, PAGE), hasMore: data.length > PAGE };
  }
}

const happened = fc
  .array(
    fc.record({
      at: fc.integer({ min: -100 * DAY_MS, max: 10 * DAY_MS }),
      heldMs: fc.integer({ min: 0, max: 10_000 }),
    }),
    { maxLength: 40 },
  )
  .map((list) =>
    list
      .map(({ at }) => NOW + at)
      .sort((a, b) => a - b)
      .map((at, index) => ({ id: `event_${index}`, at, visibleAt: at + (list[index]?.heldMs ?? 0) })),
  )
  // Nothing overtakes: who is shown has everybody before it shown.
  .map((list) => {
    let latest = -Infinity;
    return list.map((event) => ({ ...event, visibleAt: (latest = Math.max(latest, event.visibleAt)) }));
  });
const rounds = fc.array(
  fc.record({
    waitMs: fc.oneof(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 0, max: 40 * DAY_MS })),
    sweep: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
);

test('whatever it says is read, has been read', () => {
  fc.assert(
    fc.property(happened, rounds, (events, waits) => {
      const api = new EventsApi(events);
      let now = NOW;
      let reading = firstReading(now);
      const seen = new Set<string>();
      for (const { waitMs, sweep } of waits) {
        now += waitMs;
        if (sweep) reading = goBack(reading, now, TIMES);
        for (let steps = 0; ; steps++) {
          expect(steps).toBeLessThan(200);
          const asked = questionOf(reading, now);
          reading = asked.reading;
          const page = api.list(asked.question, now);
          if (page === 400) {
            reading = goBack(reading, now, TIMES);
            continue;
          }
          for (const { id } of page.data) seen.add(id);
          const last = page.data.at(-1);
          const read = { lastId: last?.id, lastAt: last?.at ?? NaN, hasMore: page.hasMore, asOf: now };
          const next = afterPage(reading, read, TIMES);
          reading = next.reading;
          const claimed = events.filter(({ at }) => at >= reading.completeFrom && at <= reading.readUpTo);
          expect(claimed.filter(({ id }) => !seen.has(id))).toEqual([]);
          if (next.isAtEnd) break;
        }
        // At the end it claims everything that is old enough.
        expect(reading.readUpTo).toBe(now - TIMES.holdBackMs);
      }
    }),
    { numRuns: 500 },
  );
});

test('a silence longer than a question may span is not taken for the end', () => {
  const first = firstReading(NOW);
  const { reading, isAtEnd } = afterPage(first, { lastId: undefined, lastAt: NaN, hasMore: false, asOf: NOW }, TIMES);
  expect(isAtEnd).toBe(false);
  expect(questionOf(reading, NOW).question).toEqual({ since: new Date(NOW - KEPT_MS + RANGE_MS) });
});

test('after more than what WorkOS keeps, the time before is no longer claimed', () => {
  const old = { completeFrom: NOW - 200 * DAY_MS, cursor: 'event_1', from: 0, readUpTo: NOW - 100 * DAY_MS };
  const back = goBack(old, NOW, TIMES);
  expect(back).toMatchObject({ cursor: null, from: NOW - KEPT_MS, completeFrom: NOW - KEPT_MS });
  expect(goBack({ ...old, readUpTo: NOW - 3 * DAY_MS }, NOW, TIMES)).toMatchObject({
    from: NOW - 3 * DAY_MS - TIMES.overlapMs,
    completeFrom: old.completeFrom,
  });
});

test('it asks more often while webhooks are missing, and never in step', () => {
  const intervals = { normalMs: 10_000, fastMs: 1_000 };
  expect(restMs(intervals, false, 0)).toBeCloseTo(8_000);
  expect(restMs(intervals, false, 1)).toBeCloseTo(12_000);
  expect(restMs(intervals, true, 0)).toBeCloseTo(800);
  expect(restMs(intervals, true, 1)).toBeCloseTo(1_200);
});
