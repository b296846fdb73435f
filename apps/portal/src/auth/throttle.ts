import { sourceOf } from '#platform/addresses.js';

export interface ThrottleLimits {
  /** Failures of one address within the window; whoever has as many has to wait until it ends. */
  failures: number;
  windowMs: number;
  /** That are remembered; beyond, the one that failed first is forgotten. */
  addresses: number;
}

/**
 * Slows down whoever guesses. It counts by address alone, so that nobody can shut out somebody else, and in the memory of
 * this process: what is guessed has 192 bits, so that it is about noise and load, not about the last guess.
 */
export class FailureThrottle {
  private readonly bySource = new Map<string, { failures: number; until: number }>();

  constructor(
    private readonly limits: ThrottleLimits,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** How long this address has to wait, seconds; undefined: it may try. */
  retryAfter(address: string): number | undefined {
    const entry = this.bySource.get(sourceOf(address));
    if (!entry || entry.failures < this.limits.failures) return undefined;
    const leftMs = entry.until - this.now();
    return leftMs > 0 ? Math.ceil(leftMs / 1_000) : undefined;
  }

  failed(address: string): void {
    const source = sourceOf(address);
    const entry = this.bySource.get(source);
    if (entry && entry.until > this.now()) {
      entry.failures += 1;
      return;
    }
    this.bySource.delete(source);
    if (this.bySource.size >= this.limits.addresses) this.bySource.delete(this.bySource.keys().next().value!);
    this.bySource.set(source, { failures: 1, until: this.now() + this.limits.windowMs });
  }

  get size(): number {
    return this.bySource.size;
  }
}
