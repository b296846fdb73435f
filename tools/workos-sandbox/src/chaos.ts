import { seededRandom, shuffle } from './random.js';

/** How often: every n-th time, or with a probability (0 to 1). Neither: never. */
export interface Frequency {
  every?: number | undefined;
  probability?: number | undefined;
}

/** What may go wrong on the way of a webhook. The same settings on the same events do the same. */
export interface ChaosSettings {
  seed: number;
  /** Sent twice. */
  duplicate: Frequency;
  /** Never sent; the Events API still has the event. Restricted to `events` where given. */
  drop: Frequency & { events?: string[] | undefined };
  /** Sent later by this many ms, drawn evenly from the range. */
  delay_ms: { min: number; max: number };
  /** Held until `window` are together (or for `hold_ms` at most), then sent in a shuffled order. 0 or 1: not at all. */
  reorder: { window: number; hold_ms: number };
}

export const CALM: ChaosSettings = {
  seed: 1,
  duplicate: {},
  drop: {},
  delay_ms: { min: 0, max: 0 },
  reorder: { window: 0, hold_ms: 1_000 },
};

/** Draws what happens to each delivery, in the order in which they are asked about. */
export class Chaos {
  readonly #random: () => number;
  #duplicateCount = 0;
  #dropCount = 0;

  constructor(readonly settings: ChaosSettings = CALM) {
    this.#random = seededRandom(settings.seed);
  }

  drops(event: string): boolean {
    const { events } = this.settings.drop;
    if (events && !events.includes(event)) return false;
    return this.#hits(this.settings.drop, ++this.#dropCount);
  }

  duplicates(): boolean {
    return this.#hits(this.settings.duplicate, ++this.#duplicateCount);
  }

  delayMs(): number {
    const { min, max } = this.settings.delay_ms;
    return max > min ? min + this.#random() * (max - min) : min;
  }

  shuffled<T>(items: readonly T[]): T[] {
    return shuffle(items, this.#random);
  }

  #hits(frequency: Frequency, count: number): boolean {
    if (frequency.every) return count % frequency.every === 0;
    return frequency.probability ? this.#random() < frequency.probability : false;
  }
}
