export interface RetrySettings {
  firstMs: number;
  longestMs: number;
}

/** The wait that follows `failures` failed tries: doubling, bounded, and between half and all of it by chance. */
export function retryAfterMs(failures: number, { firstMs, longestMs }: RetrySettings, random = Math.random()): number {
  const bound = Math.min(longestMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return Math.round(bound / 2 + (bound / 2) * random);
}

/** What became of one try. */
export type Outcome =
  | { kind: 'delivered'; status: number }
  /** The receiver will not have this one; the others may pass. */
  | { kind: 'refused'; status: number; error: string }
  /** The receiver is away, or wrongly set up: nothing passes. */
  | { kind: 'unavailable'; status: number | null; error: string }
  /** A webhook that answers 410 wants no more (Standard Webhooks). */
  | { kind: 'gone'; status: number; error: string };

/** Answers that speak of what was sent, and not of the receiver. 400 is RFC 8935's word for a SET that it refuses. */
const ABOUT_THE_MESSAGE = new Set([400, 413, 422]);

/** @param saidError the `err` of RFC 8935, section 2.4, where there was one */
export function outcomeOf(status: number, isWebhook: boolean, saidError?: string): Outcome {
  if (status >= 200 && status < 300) return { kind: 'delivered', status };
  const error = saidError === undefined ? `answered ${status}` : `answered ${status} ${saidError}`;
  if (isWebhook && status === 410) return { kind: 'gone', status, error };
  // Whoever says that our key, name or credentials are wrong says so of everything that we send.
  if (ABOUT_THE_MESSAGE.has(status) && !ABOUT_US.has(saidError ?? '')) return { kind: 'refused', status, error };
  return { kind: 'unavailable', status, error };
}

const ABOUT_US = new Set(['invalid_key', 'invalid_issuer', 'authentication_failed', 'access_denied']);

/** So often one message is tried that the receiver refuses; then it is set aside, and what comes behind it goes on. */
export const MOST_REFUSALS = 5;
