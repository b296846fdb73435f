import { leafHash, nodeHash, rootOf, splitOf } from '#proof/merkle.js';
import { Problem } from '#platform/problem.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

/** Children of a tile: 2^8, so a proof over a thousand million rows reads four of them. */
export const TILE = 256;

/** Adds the roots of full tiles that are missing, `limit` of them; answers how many. Two who do so write the same. */
export async function growAuditTree(tx: Tx, limit: number): Promise<number> {
  const [head] = await rowsOf<{ size: string }>(tx, 'select coalesce(max(seq), 0) as size from audit_chain');
  let grown = 0;
  for (let level = 1, below = Number(head!.size); below >= TILE; level++) {
    const [row] = await rowsOf<{ next: string }>(
      tx,
      'select coalesce(max(place) + 1, 0) as next from audit_tiles where level = $1',
      [level],
    );
    const first = Number(row!.next);
    const last = Math.min(Math.floor(below / TILE), first + limit - grown);
    const tiles: { place: number; hash: Buffer }[] = [];
    for (let place = first; place < last; place++) {
      tiles.push({ place, hash: rootOf(await readEntries(tx, level, place)) });
    }
    await tx.query(
      `insert into audit_tiles (level, place, hash) select $1::int, * from unnest($2::bigint[], $3::bytea[])
       on conflict do nothing`,
      [
        level,
        ...columns(
          tiles,
          ({ place }) => place,
          ({ hash }) => hash,
        ),
      ],
    );
    grown += tiles.length;
    below = last;
  }
  return grown;
}

/** What a tile is made of, as far as it is there: rows of the chain, or tiles of the level below. */
async function readEntries(tx: Tx, level: number, place: number): Promise<Buffer[]> {
  const first = place * TILE;
  const rows =
    level === 1
      ? await rowsOf<{ at: string; hash: Buffer }>(
          tx,
          'select seq - 1 as at, hash from audit_chain where seq > $1 and seq <= $2 order by seq',
          [first, first + TILE],
        )
      : await rowsOf<{ at: string; hash: Buffer }>(
          tx,
          'select place as at, hash from audit_tiles where level = $1 and place >= $2 and place < $3 order by place',
          [level - 1, first, first + TILE],
        );
  const gap = rows.findIndex(({ at }, index) => Number(at) !== first + index);
  if (gap >= 0) throw damaged(`the chain of the audit lacks ${first + gap + 1}`);
  return rows.map(({ hash }) => (level === 1 ? leafHash(hash) : hash));
}

export const damaged = (what: string): Problem =>
  new Problem(409, 'audit_damaged', `Nothing can be proved: ${what}. See npm run audit:verify.`);

/** The tree over the first `size` rows of the chain (RFC 9162, section 2.1), of one moment: use it within one transaction. */
export class AuditTree {
  private readonly tiles = new Map<string, Promise<Buffer[]>>();
  private readonly hashes = new Map<string, Buffer>();

  constructor(
    private readonly tx: Tx,
    readonly size: number,
  ) {}

  root(): Promise<Buffer> {
    return this.hashOf(0, this.size);
  }

  /** The hashes beside the way of a leaf to the root, from the leaf up (RFC 9162, section 2.1.3.1). */
  async path(index: number): Promise<Buffer[]> {
    const path: Buffer[] = [];
    let [from, to] = [0, this.size];
    while (to - from > 1) {
      const middle = from + splitOf(to - from);
      const isLeft = index < middle;
      path.unshift(await (isLeft ? this.hashOf(middle, to) : this.hashOf(from, middle)));
      [from, to] = isLeft ? [from, middle] : [middle, to];
    }
    return path;
  }

  private async hashOf(from: number, to: number): Promise<Buffer> {
    const key = `${from}-${to}`;
    let hash = this.hashes.get(key);
    if (hash === undefined) {
      hash = (await this.stored(from, to - from)) ?? (await this.divided(from, to));
      this.hashes.set(key, hash);
    }
    return hash;
  }

  private async divided(from: number, to: number): Promise<Buffer> {
    const middle = from + splitOf(to - from);
    return nodeHash(await this.hashOf(from, middle), await this.hashOf(middle, to));
  }

  /** Undefined: this is no leaf and no full tile. */
  private async stored(from: number, length: number): Promise<Buffer | undefined> {
    let level = 1;
    for (let covers = 1; covers < length; covers *= TILE) level += 1;
    const covers = TILE ** (level - 1);
    if (covers !== length || from % covers !== 0) return undefined;
    const at = from / covers;
    const entries = await this.entries(level, Math.floor(at / TILE));
    const entry = entries[at % TILE];
    if (entry !== undefined) return entry;
    if (level === 1) throw damaged(`the chain of the audit lacks ${at + 1}`);
    throw new Problem(503, 'audit_tree_growing', 'The tree over the audit is still being made; try again.', {
      headers: { 'retry-after': '2' },
    });
  }

  private entries(level: number, place: number): Promise<Buffer[]> {
    const key = `${level}/${place}`;
    let entries = this.tiles.get(key);
    if (entries === undefined) this.tiles.set(key, (entries = readEntries(this.tx, level, place)));
    return entries;
  }
}
