import { setTimeout as delay } from 'node:timers/promises';

export interface Patience {
  /** Default 60,000 ms. */
  timeoutMs?: number;
  /** How long between two questions; default 10 ms. */
  everyMs?: number;
  /** Named by the error of one that waited in vain; default: the text of `ask`. */
  what?: string;
}

/**
 * Asks again until there is an answer: anything but undefined and false. Throws after `timeoutMs`, with the last error of
 * `ask` as its cause; an error of `ask` means "not yet".
 */
export async function eventually<T>(
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = 60_000, everyMs = 10, what = ask.toString() }: Patience = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let failure: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: failure });
    await delay(everyMs);
  }
}
