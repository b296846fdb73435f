/** The sandbox's own clock, in ms since the epoch. Moving it moves events, sessions, tokens and signatures alike. */
export class Clock {
  #offsetMs = 0;

  get offsetMs(): number {
    return this.#offsetMs;
  }

  move(offsetMs: number): void {
    this.#offsetMs = offsetMs;
  }

  now(): number {
    return Date.now() + this.#offsetMs;
  }

  /** Now, but never the same millisecond as the last change of the same object: their order can be told from the times. */
  after(previous: string): number {
    return Math.max(this.now(), Date.parse(previous) + 1);
  }
}

/** Times as WorkOS writes them: ISO 8601 with milliseconds, UTC. */
export const isoTime = (ms: number): string => new Date(ms).toISOString();
