export interface RateLimitOptions {
  /** So many on average; 0: no limit. */
  perSecond: number;
  /** So many at once, after a pause. */
  burst: number;
  /** Keys remembered at most; the one that was quiet for longest is forgotten first, which is to its advantage. */
  maxKeys?: number;
  /** Milliseconds, of a clock that never goes back. */
  now?: () => number;
}

/**
 * A limit for each key, by the generic cell rate algorithm (ITU-T I.371): one number a key, the moment at which all that it
 * was allowed will be used up. Forgetting a key never locks anybody out, so memory is bounded.
 */
export class RateLimit {
  private readonly fullAt = new Map<string, number>();
  private readonly intervalMs: number;
  private readonly burstMs: number;
  private readonly maxKeys: number;
  private readonly now: () => number;

  constructor({ perSecond, burst, maxKeys = 10_000, now = () => performance.now() }: RateLimitOptions) {
    this.intervalMs = perSecond > 0 ? 1_000 / perSecond : 0;
    this.burstMs = burst * this.intervalMs;
    this.maxKeys = maxKeys;
    this.now = now;
  }

  /** Takes one. Answers 0, or where there is none the seconds after which there will be one, at least 1. */
  take(key: string): number {
    if (this.intervalMs === 0) return 0;
    const now = this.now();
    const next = Math.max(now, this.fullAt.get(key) ?? 0) + this.intervalMs;
    const waitMs = next - now - this.burstMs;
    // In microseconds, so that the sum of many intervals is not one too many by its rounding.
    if (waitMs > 0.001) return Math.max(1, Math.ceil(waitMs / 1_000));
    this.fullAt.delete(key);
    this.fullAt.set(key, next);
    if (this.fullAt.size > this.maxKeys) this.fullAt.delete(this.fullAt.keys().next().value!);
    return 0;
  }

  get size(): number {
    return this.fullAt.size;
  }
}
