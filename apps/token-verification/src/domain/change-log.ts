export const REMEMBERED_CHANGES = 65_536;

/**
 * Which scopes have changed, in order: the last {@link REMEMBERED_CHANGES} of them, by number alone, since whoever reads them
 * wants their newest state. So a reader that lags costs no memory, and one that lags too far can tell.
 */
export class ChangeLog {
  private readonly scopes = new Uint32Array(REMEMBERED_CHANGES);
  /** How many changes there have been. */
  private count = 0;
  private readonly listeners = new Set<() => void>();

  /** The number that the next change gets. */
  get end(): number {
    return this.count;
  }

  /** @param scope its number in the view */
  add(scope: number): void {
    this.scopes[this.count % REMEMBERED_CHANGES] = scope;
    this.count += 1;
    for (const listener of this.listeners) listener();
  }

  /** Whether every change from this one on is still remembered. */
  reaches(from: number): boolean {
    return from <= this.count && from >= this.count - REMEMBERED_CHANGES;
  }

  /** The scopes that these changes are about, each once. Only where the log {@link reaches} `from`. */
  between(from: number, until: number): Set<number> {
    const changed = new Set<number>();
    for (let change = from; change < until; change++) changed.add(this.scopes[change % REMEMBERED_CHANGES]!);
    return changed;
  }

  /** Called after each change; must be quick. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}
