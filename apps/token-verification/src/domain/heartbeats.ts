import { parseTime } from '#contracts/moment.js';
import type { HeartbeatData } from '#contracts/revocation.js';

interface Heartbeat extends HeartbeatData {
  atMs: number;
  /** When it came in here, by the monotonic clock, ms. */
  receivedAt: number;
}

/**
 * The proof that the view is fresh: the newest heartbeat of each partition of the topic of states. What is revoked may stand
 * in any of them, so the view is as old as the oldest of these, and as long as one has none nothing is proved.
 */
export class Heartbeats {
  private readonly newest = new Map<number, Heartbeat>();
  /** As many as any heartbeat has ever said: a partition that was added shows before anything of it has been read. */
  private partitions = 1;
  private oldest: { at: string; atMs: number; receivedAt: number } | undefined;

  /** @param monotonicNow ms; an older heartbeat of a partition than its newest one changes nothing */
  take(partition: number, data: HeartbeatData, monotonicNow: number): void {
    const atMs = parseTime(data.at);
    const known = this.newest.get(partition);
    if (Number.isNaN(atMs) || (known && atMs <= known.atMs)) return;
    this.newest.set(partition, { ...data, atMs, receivedAt: monotonicNow });
    this.partitions = Math.max(this.partitions, data.partitions);
    this.oldest = this.findOldest();
  }

  /**
   * How old the view is, ms: since the heartbeat was written, and no less than since it came in, so that neither a reader
   * that lags nor a clock that is behind can hide it. Infinity while a partition has none.
   */
  ageMs(now: number, monotonicNow: number): number {
    if (!this.oldest) return Infinity;
    return Math.max(0, now - this.oldest.atMs, monotonicNow - this.oldest.receivedAt);
  }

  /** The moment up to which the view is proved, RFC 3339; null while it is proved of none. */
  get asOf(): string | null {
    return this.oldest?.at ?? null;
  }

  /** partition of `workos.events` → the effects of all events before this offset are in the states that were read. */
  applied(): Record<string, string> {
    const [first, ...others] = this.oldest ? [...this.newest.values()].map(({ applied }) => applied) : [];
    const lowest: Record<string, string> = {};
    for (const [partition, offset] of Object.entries(first ?? {})) {
      const said = [offset, ...others.map((applied) => applied[partition] ?? '0')].map(BigInt);
      lowest[partition] = String(said.reduce((a, b) => (a < b ? a : b)));
    }
    return lowest;
  }

  private findOldest(): typeof this.oldest {
    for (let partition = 0; partition < this.partitions; partition++) if (!this.newest.has(partition)) return undefined;
    const beats = [...this.newest.values()];
    const first = beats.reduce((a, b) => (b.atMs < a.atMs ? b : a));
    return { at: first.at, atMs: first.atMs, receivedAt: Math.min(...beats.map(({ receivedAt }) => receivedAt)) };
  }
}
