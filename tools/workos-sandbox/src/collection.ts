export interface PageQuery {
  limit: number;
  order: 'asc' | 'desc';
  after?: string | undefined;
  before?: string | undefined;
}

export interface Page<T> {
  data: T[];
  before: string | null;
  after: string | null;
}

/** Objects by id, in order of creation: their ids sort that way. */
export class Collection<T extends { id: string }> {
  readonly #items = new Map<string, T>();
  #order: string[] = [];

  get size(): number {
    return this.#items.size;
  }

  get(id: string): T | undefined {
    return this.#items.get(id);
  }

  add(item: T): void {
    this.#items.set(item.id, item);
    this.#order.push(item.id);
  }

  delete(id: string): void {
    this.#items.delete(id);
    if (this.#order.length > 1_000 && this.#order.length > 2 * this.#items.size) this.#order = [...this.#items.keys()];
  }

  values(): IterableIterator<T> {
    return this.#items.values();
  }

  /** One page of `ids` (all where none are given; in order of creation) whose objects `keep` accepts. */
  page(query: PageQuery, keep: (item: T) => boolean = () => true, ids: readonly string[] = this.#order): Page<T> {
    const backwards = query.before !== undefined && query.after === undefined;
    const cursor = query.after ?? query.before;
    const step = (query.order === 'asc') === !backwards ? 1 : -1;
    let at = step === 1 ? 0 : ids.length - 1;
    if (cursor !== undefined) at = step === 1 ? firstFrom(ids, cursor, true) : firstFrom(ids, cursor, false) - 1;

    const found: T[] = [];
    for (; at >= 0 && at < ids.length && found.length <= query.limit; at += step) {
      const item = this.#items.get(ids[at]!);
      if (item && keep(item)) found.push(item);
    }
    const more = found.length > query.limit;
    const data = found.slice(0, query.limit);
    if (backwards) data.reverse();
    const first = data.at(0)?.id ?? null;
    const last = data.at(-1)?.id ?? null;
    return backwards
      ? { data, before: more ? first : null, after: last }
      : { data, before: query.after === undefined ? null : first, after: more ? last : null };
  }
}

/** Index of the first id after `cursor` (`past`), or of the first that is not before it. */
function firstFrom(ids: readonly string[], cursor: string, past: boolean): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const id = ids[middle]!;
    if (id < cursor || (past && id === cursor)) low = middle + 1;
    else high = middle;
  }
  return low;
}
