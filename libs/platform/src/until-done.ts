import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from './logging.js';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;

/** Before the try that follows `failures` failed ones: doubling, bounded, and jittered so that replicas do not march in step. */
export function backOffMs(failures: number, random = Math.random()): number {
  const bound = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1));
  return bound / 2 + (bound / 2) * random;
}

/**
 * Does something that needs another system, again and again until it is done or `signal` aborts. Answers whether it was
 * done. Each failure is one line in the log, and none of them ends the process.
 */
export async function untilDone(
  what: string,
  logger: Pick<Logger, 'warn'>,
  signal: AbortSignal,
  attempt: () => Promise<void>,
): Promise<boolean> {
  for (let failures = 0; !signal.aborted;) {
    try {
      await attempt();
      return true;
    } catch (error) {
      failures += 1;
      const waitMs = Math.round(backOffMs(failures));
      logger.warn({ err: error, failures, next_try_in_ms: waitMs }, `could not ${what}`);
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
  return false;
}
