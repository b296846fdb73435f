import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '#platform/logging.js';
import { backOffMs } from '#platform/until-done.js';

/** Work that goes on beside everything else: again at once while there is more, else after a rest, or when woken. */
export class BackgroundLoop {
  private readonly stopping = new AbortController();
  private nudge: () => void = () => undefined;
  private running: Promise<void> = Promise.resolve();

  /** @param work answers whether there may be more to do at once; what it throws is logged, and it is tried again */
  constructor(
    private readonly name: string,
    private readonly restMs: number,
    private readonly logger: Pick<Logger, 'warn'>,
    private readonly work: () => Promise<boolean>,
  ) {}

  start(): void {
    this.running = this.run();
  }

  wake(): void {
    this.nudge();
  }

  /** Resolves once the work in hand is done. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.nudge();
    await this.running;
  }

  private async run(): Promise<void> {
    for (let failures = 0; !this.stopping.signal.aborted;) {
      try {
        const more = await this.work();
        failures = 0;
        if (!more) await this.rest();
      } catch (error) {
        failures += 1;
        this.logger.warn({ err: error, failures }, `could not ${this.name}`);
        await delay(backOffMs(failures), undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }

  private async rest(): Promise<void> {
    if (this.stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.restMs);
      this.nudge = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
