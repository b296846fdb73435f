import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { StoredKeySet } from './key-set.js';

const stored = z.object({ url: z.string(), fetchedAt: z.number(), keys: z.array(z.unknown()) });

/** Key sets on disk, one file each. Public keys alone: nothing secret is kept. */
export class KeyStore {
  constructor(private readonly dir: string) {}

  async load(url: string): Promise<StoredKeySet | undefined> {
    try {
      const set = stored.parse(JSON.parse(await readFile(this.fileOf(url), 'utf8')));
      return set.url === url ? set : undefined;
    } catch {
      return undefined; // never kept, or half a file: the source will say
    }
  }

  async store(set: StoredKeySet): Promise<void> {
    await mkdir(this.dir, { recursive: true });
    const half = `${this.fileOf(set.url)}.${randomBytes(4).toString('hex')}`;
    await writeFile(half, JSON.stringify(set));
    await rename(half, this.fileOf(set.url));
  }

  private fileOf(url: string): string {
    return join(this.dir, `${createHash('sha256').update(url).digest('hex').slice(0, 32)}.json`);
  }
}
