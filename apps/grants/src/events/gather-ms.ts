const MOST_MS = 50;

/**
 * How long more events are gathered after a batch of so many, ms: under load they share a transaction, whose cost hardly depends on
 * how many there are. Nobody who asks about a token waits for it.
 */
export const gatherMs = (records: number): number => Math.min(MOST_MS, records);
