import { setTimeout as sleep } from 'node:timers/promises';

/** Delay before attempt `attempt` (1, 2, …): doubles from `firstMs` to `mostMs`, half of it random. */
export function backoffMs(attempt: number, firstMs = 100, mostMs = 5_000): number {
  const full = Math.min(mostMs, firstMs * 2 ** Math.min(attempt - 1, 16));
  return full / 2 + (Math.random() * full) / 2;
}

/** Resolves after `ms`, or at once when `signal` is aborted. Never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/** What `promise` settles to, or undefined after `ms`. Does not keep the process alive. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController();
  try {
    return await Promise.race([promise, sleep(ms, undefined, { ref: false, signal: timer.signal })]);
  } finally {
    timer.abort();
    promise.catch(() => undefined);
  }
}
