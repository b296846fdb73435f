import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Every file under a folder, packages apart, with its whole path. (`glob` of node:fs came with Node 22.) */
export async function* filesUnder(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile()) yield path;
    else if (entry.isDirectory() && entry.name !== 'node_modules') yield* filesUnder(path);
  }
}
