/** With fewer under way nobody waits. */
const BUSY_FROM = 8;
const LONGEST_WAIT_MS = 5;

/**
 * Lets deliveries go on together while many are under way: each waits a moment, until as many have come as were under way when
 * the last ones went on. One after the other they find neither their code nor its data in the processor's caches, since the
 * network has pushed them out in between, and each takes several times as long; together they also share one produce request,
 * and their lines in the log one write.
 */
export class Turns {
  private waiting: (() => void)[] = [];
  private underWay = 0;
  private awaited = 0;
  private timer: NodeJS.Timeout | undefined;

  /** Undefined: nobody waits. Each one that enters leaves. */
  enter(): Promise<void> | undefined {
    this.underWay += 1;
    if (this.awaited < BUSY_FROM) {
      if (this.underWay < BUSY_FROM) return undefined;
      this.awaited = this.underWay;
    }
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      if (this.waiting.length >= this.awaited) this.goOn();
      else this.timer ??= setTimeout(() => this.goOn(), LONGEST_WAIT_MS);
    });
  }

  leave(): void {
    this.underWay -= 1;
  }

  private goOn(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.awaited = this.underWay;
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
