import type { Moment } from '#contracts/moment.js';

/** What is known of how far a provider's events have been applied. Moments in ms. */
export interface Evidence {
  /** Without a gap from here on, and `readUpTo`: everything that happened until then is in Kafka. By WorkOS's clock. */
  completeFrom: Moment;
  readUpTo: Moment;
  /** The first event that was read and is not applied. Infinity: there is none. */
  firstPendingAt: Moment;
  /** How many those are. */
  pending: number;
  /** When WorkOS looked last, by its clock. */
  asOf: Moment;
  /** When it answered last, by our clock. */
  checkedAt: Moment | undefined;
  problem: string | undefined;
}

export type CertificateStatus = 'complete' | 'behind' | 'unknown' | 'not_configured';

export interface Certificate {
  status: CertificateStatus;
  /** Everything that happened from then on … */
  completeFrom: Moment | undefined;
  /** … until then has been applied. Stays true whatever happens later. */
  completeUpTo: Moment | undefined;
  checkedAt: Moment | undefined;
  problem: string | undefined;
}

/** An hour ago is no certificate any more; a few questions may stay without an answer. */
const UNKNOWN_AFTER_MS = 120_000;
/** What the Events API holds back, the rest between two questions, and some. */
const BEHIND_AFTER_MS = 60_000;

/**
 * What may be said: everything up to a moment has been applied. Bounded by what was read, and by the first event that was
 * read and not applied, so an event that waits in Kafka, or cannot be applied at all, holds it up.
 */
export function certify(evidence: Evidence | undefined, isConfigured: boolean, now: Moment): Certificate {
  const nothing = { completeFrom: undefined, completeUpTo: undefined, checkedAt: undefined, problem: undefined };
  if (!isConfigured) {
    return { ...nothing, status: 'not_configured', problem: 'no API key: the events of WorkOS cannot be read back' };
  }
  if (!evidence || !Number.isFinite(evidence.readUpTo)) {
    return { ...nothing, status: 'unknown', problem: evidence?.problem ?? 'not read yet' };
  }
  const { completeFrom, readUpTo, firstPendingAt, pending, asOf, checkedAt, problem } = evidence;
  const completeUpTo = Math.min(readUpTo, firstPendingAt - 1);
  const known = { completeFrom, completeUpTo, checkedAt };
  if (checkedAt === undefined || now - checkedAt > UNKNOWN_AFTER_MS) {
    return { ...known, status: 'unknown', problem: problem ?? 'WorkOS has not been asked lately' };
  }
  // Each difference within one clock, so that a clock of ours that is wrong says nothing wrong.
  const behindMs = asOf - completeUpTo + (now - checkedAt);
  if (completeUpTo < completeFrom || behindMs > BEHIND_AFTER_MS) {
    const events = pending === 1 ? 'One event that was read is' : `${pending} events that were read are`;
    const waiting = pending > 0 ? `${events} not applied; see also GET /v1/set-aside` : null;
    return { ...known, status: 'behind', problem: problem ?? waiting ?? 'older events are still being read' };
  }
  return { ...known, status: 'complete', problem };
}
