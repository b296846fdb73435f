import { setTimeout as delay } from 'node:timers/promises';

/** With everybody there it takes less to open what a service needs; without them nothing was opened. */
const OPENING_MS = 2_000;

/**
 * The start of a service, which goes on while the service listens already: it waits for the database, for Kafka. A service may
 * be told to stop in the middle of it, and what is closed while it is being opened stays open; so whoever closes waits for
 * {@link ended} first.
 */
export class Startup {
  private readonly stopping = new AbortController();
  private running: Promise<unknown> = Promise.resolve();

  /** @param work ends soon after its signal aborts, at the latest with the step that it is in; does not reject */
  begin(work: (signal: AbortSignal) => Promise<unknown>): void {
    this.running = work(this.stopping.signal);
  }

  /** Nothing more is begun. */
  stop(): void {
    this.stopping.abort();
  }

  /** Stops it. Resolves once nothing is being opened any more, or after `atMostMs`. */
  async ended(atMostMs = OPENING_MS): Promise<void> {
    this.stop();
    const late = new AbortController();
    await Promise.race([this.running, delay(atMostMs, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
  }
}
