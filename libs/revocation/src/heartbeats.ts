import { parseTime } from '#contracts/moment.js';
import type { HeartbeatData } from '#contracts/revocation.js';

/** Up to when something is proved. */
interface Proof {
  at: string;
  atMs: number;
  /** When it came in here, by the monotonic clock, ms. */
  receivedAt: number;
}

type Heartbeat = Proof & HeartbeatData;

/**
 * The proof that the view is fresh, as of a heartbeat's moment, in two parts:
 *
 * - **the states are read**: what is revoked may stand in any partition of their topic, so they are as old as the oldest of the
 *   partitions' newest heartbeats, and as long as one has none nothing is proved;
 * - **the events are read**: all that `workos.events` held at that moment was read here, or is among those states.
 */
export class Heartbeats {
  private readonly newest = new Map<number, Heartbeat>();
  /** As many as any heartbeat has ever said: a partition that was added shows before anything of it has been read. */
  private partitions = 1;
  /** partition of `workos.events` → everything before it was read here. */
  private readonly read = new Map<string, bigint>();
  /** The newest of any partition. */
  private latest: Heartbeat | undefined;
  /** Up to the ends of this one the events are to be read next; until then no later one counts. */
  private goal: Heartbeat | undefined;
  private states: Proof | undefined;
  private events: Proof | undefined;
  private proved: Proof | undefined;

  /** @param monotonicNow ms; an older heartbeat of a partition than its newest one changes nothing */
  take(partition: number, data: HeartbeatData, monotonicNow: number): void {
    const atMs = parseTime(data.at);
    const known = this.newest.get(partition);
    if (Number.isNaN(atMs) || (known && atMs <= known.atMs)) return;
    const heartbeat = { ...data, atMs, receivedAt: monotonicNow };
    this.newest.set(partition, heartbeat);
    this.partitions = Math.max(this.partitions, data.partitions);
    if (this.latest === undefined || atMs > this.latest.atMs) {
      if (this.latest) this.forgetLonger(this.latest.ends, heartbeat.ends);
      this.latest = heartbeat;
    }
    this.states = this.oldest();
    this.proveEvents();
  }

  /** Everything before `offset` was read of this partition of `workos.events`. */
  eventsRead(partition: number, offset: bigint): void {
    this.read.set(String(partition), offset);
    if (this.goal) this.proveEvents();
  }

  /**
   * How old the view is, ms: since the heartbeat was written, and no less than since it came in, so that neither a reader
   * that lags nor a clock that is behind can hide it. Infinity while nothing is proved.
   */
  ageMs(now: number, monotonicNow: number): number {
    if (!this.proved) return Infinity;
    return Math.max(0, now - this.proved.atMs, monotonicNow - this.proved.receivedAt);
  }

  /** The moment up to which the view is proved, RFC 3339; null while it is proved of none. */
  get asOf(): string | null {
    return this.proved?.at ?? null;
  }

  /** partition of `workos.events` → the effects of all events before this offset are in the states that were read. */
  applied(): Record<string, string> {
    const [first, ...others] = this.states ? [...this.newest.values()].map(({ applied }) => applied) : [];
    const lowest: Record<string, string> = {};
    for (const [partition, offset] of Object.entries(first ?? {})) {
      const said = [offset, ...others.map((applied) => applied[partition] ?? '0')].map(BigInt);
      lowest[partition] = String(said.reduce((a, b) => (a < b ? a : b)));
    }
    return lowest;
  }

  /**
   * A partition of `workos.events` that ends before it once did was made anew. What was read of the old one says nothing about
   * the new one, and the old end will not be reached.
   */
  private forgetLonger(before: Record<string, string>, now: Record<string, string>): void {
    for (const [partition, end] of Object.entries(now)) {
      if (BigInt(end) >= BigInt(before[partition] ?? 0)) continue;
      this.goal = undefined;
      if ((this.read.get(partition) ?? 0n) > BigInt(end)) this.read.delete(partition);
    }
  }

  private proveEvents(): void {
    this.goal ??= this.latest;
    while (this.goal && this.isReached(this.goal)) {
      this.events = this.goal;
      this.goal = this.goal === this.latest ? undefined : this.latest;
    }
    this.proved = this.states && this.events && olderOf(this.states, this.events);
  }

  private isReached({ ends }: Heartbeat): boolean {
    const missing = Object.entries(ends).filter(([partition, end]) => (this.read.get(partition) ?? 0n) < BigInt(end));
    if (missing.length === 0) return true;
    const applied = this.applied();
    return missing.every(([partition, end]) => BigInt(applied[partition] ?? 0) >= BigInt(end));
  }

  private oldest(): Proof | undefined {
    for (let partition = 0; partition < this.partitions; partition++) if (!this.newest.has(partition)) return undefined;
    return [...this.newest.values()].map((beat): Proof => beat).reduce(olderOf);
  }
}

const olderOf = (a: Proof, b: Proof): Proof => ({
  ...(b.atMs < a.atMs ? { at: b.at, atMs: b.atMs } : { at: a.at, atMs: a.atMs }),
  receivedAt: Math.min(a.receivedAt, b.receivedAt),
});
