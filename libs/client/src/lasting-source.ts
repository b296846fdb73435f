import { backoffMs, pause } from '#kafka/backoff.js';
import type { Sink, Source } from './source.js';

const [FIRST_MS, LONGEST_MS] = [100, 2_000];

/**
 * A source that reads until it is closed: whenever `readOnce` ends, it is told why and begins again, after a pause that is longer
 * each time until `went` says that it works. `readOnce` ends soon after `stopped` is aborted.
 */
export function lastingSource(
  readOnce: (sink: Sink, went: () => void, stopped: AbortSignal) => Promise<void>,
): Pick<Source, 'open' | 'close'> {
  const stopped = new AbortController();
  let running: Promise<void> = Promise.resolve();

  async function run(sink: Sink): Promise<void> {
    for (let attempt = 1; !stopped.signal.aborted; attempt++) {
      try {
        await readOnce(sink, () => (attempt = 0), stopped.signal);
      } catch (error) {
        if (!stopped.signal.aborted) sink.problem(error as Error);
      }
      await pause(backoffMs(Math.max(1, attempt), FIRST_MS, LONGEST_MS), stopped.signal);
    }
  }

  return {
    open: (sink) => {
      running = run(sink);
    },
    close: async () => {
      stopped.abort();
      await running;
    },
  };
}
