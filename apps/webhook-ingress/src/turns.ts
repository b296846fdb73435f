/** With fewer under way nobody waits. */
const BUSY_FROM = 8;
const LONGEST_WAIT_MS = 5;

/**
 * Lets deliveries go on together while many are under way: each waits a moment, until half as many have come as were under way
 * when the last ones went on; the other half is with Kafka and on the network meanwhile. One after the other they find neither
 * their code nor its data in the processor's caches, since the network has pushed them out in between, and each takes several
 * times as long; together they also share one produce request, and their lines in the log one write.
 */
export class Turns {
  private waiting: (() => void)[] = [];
  private underWay = 0;
  private lastUnderWay = 0;
  private timer: NodeJS.Timeout | undefined;

  /** Undefined: nobody waits. Each one that enters leaves. */
  enter(): Promise<void> | undefined {
    this.underWay += 1;
    if (this.lastUnderWay < BUSY_FROM) {
      if (this.underWay < BUSY_FROM) return undefined;
      this.lastUnderWay = this.underWay;
    }
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      if (this.waiting.length >= this.lastUnderWay / 2) this.goOn();
      else this.timer ??= setTimeout(() => this.goOn(), LONGEST_WAIT_MS);
    });
  }

  leave(): void {
    this.underWay -= 1;
  }

  private goOn(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.lastUnderWay = this.underWay;
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
