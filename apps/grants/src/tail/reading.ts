import type { Moment } from '#contracts/moment.js';

/** Where reading WorkOS's Events API has come to, of one provider. Moments are WorkOS's own, in ms. */
export interface Reading {
  /** From here on nothing is left out: the beginning of what has been read without a gap. */
  completeFrom: Moment;
  /** The last event of the last page. Only ever from a page, since an event that came by webhook may overtake others. */
  cursor: string | null;
  /** Where there is no cursor: read from this moment on. */
  from: Moment;
  /** Everything that happened until then has been read, and Kafka has it. */
  readUpTo: Moment;
}

/** What a page of events says, as far as going on depends on it. */
export interface PageRead {
  lastId: string | undefined;
  /** NaN where it does not say. */
  lastAt: Moment;
  /** Whether WorkOS says that there is more. */
  hasMore: boolean;
  /** When WorkOS looked, at the latest. */
  asOf: Moment;
}

export interface TailTimes {
  /** WorkOS holds its newest events back, so that none can appear behind one that was shown already. */
  holdBackMs: number;
  /** After going back to a moment, this much is read again. */
  overlapMs: number;
}

const DAY_MS = 86_400_000;
/** WorkOS keeps events for 90 days; a minute less, so that we never ask for what is being thrown away. */
export const KEPT_MS = 90 * DAY_MS - 60_000;
/** And a question by time covers no more than 30 days. */
export const RANGE_MS = 30 * DAY_MS;

/** Of a provider that has never been read: everything that WorkOS still has. */
export function firstReading(now: Moment): Reading {
  const from = now - KEPT_MS;
  return { completeFrom: from, cursor: null, from, readUpTo: from };
}

export type Question = { after: string } | { since: Date };

/** By cursor where there is one; else by time, and never from before what WorkOS keeps: what it has thrown away is a gap. */
export function questionOf(reading: Reading, now: Moment): { reading: Reading; question: Question } {
  if (reading.cursor !== null) return { reading, question: { after: reading.cursor } };
  const current = reading.from < now - KEPT_MS ? { ...reading, ...withoutWhatIsGone(reading, now) } : reading;
  return { reading: current, question: { since: new Date(current.from) } };
}

/** Where a page has brought us. `isAtEnd`: there is nothing more to be read for now. */
export function afterPage(reading: Reading, page: PageRead, times: TailTimes): { reading: Reading; isAtEnd: boolean } {
  const byTime = reading.cursor === null;
  const windowEnd = byTime ? reading.from + RANGE_MS : Infinity;
  const visibleUpTo = page.asOf - times.holdBackMs;
  // A question by time ends with its window: what lies behind it is asked for next.
  const isAtEnd = !page.hasMore && windowEnd >= page.asOf;
  if (page.lastId !== undefined) {
    const seenUpTo = Number.isNaN(page.lastAt) ? reading.readUpTo : page.lastAt - times.holdBackMs;
    const readUpTo = Math.max(reading.readUpTo, isAtEnd ? visibleUpTo : Math.min(seenUpTo, visibleUpTo));
    return { reading: { ...reading, cursor: page.lastId, readUpTo }, isAtEnd };
  }
  const readUpTo = Math.max(reading.readUpTo, Math.min(windowEnd, visibleUpTo));
  if (!byTime) return { reading: { ...reading, readUpTo }, isAtEnd };
  return { reading: { ...reading, from: isAtEnd ? readUpTo - times.overlapMs : windowEnd, readUpTo }, isAtEnd };
}

/**
 * Back to a moment, a little before everything that has been read: where WorkOS does not know the cursor any more (400), and
 * now and then, in case an event has appeared behind the cursor all the same. What was thrown away meanwhile leaves a gap, so
 * nothing can be said any more of the time before it.
 */
export function goBack(reading: Reading, now: Moment, { overlapMs }: TailTimes): Reading {
  const back = { ...reading, cursor: null, from: reading.readUpTo - overlapMs };
  return { ...back, ...withoutWhatIsGone(back, now) };
}

function withoutWhatIsGone(reading: Reading, now: Moment): Pick<Reading, 'from' | 'completeFrom'> {
  const oldest = now - KEPT_MS;
  return {
    from: Math.max(reading.from, oldest),
    completeFrom: reading.readUpTo < oldest ? oldest : reading.completeFrom,
  };
}

/** Before the next question, ms: quickly while webhooks are missing; spread, so that installations do not march in step. */
export function restMs(intervals: { normalMs: number; fastMs: number }, isMissing: boolean, random: number): number {
  return (isMissing ? intervals.fastMs : intervals.normalMs) * (0.8 + 0.4 * random);
}
