import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const FOLDER = join(import.meta.dirname, '../../bench');

/** A package that we only compare with. They are installed into `bench/node_modules` when first asked for. */
export async function peer<Exports = Record<string, never>>(name: string): Promise<Exports> {
  if (!existsSync(join(FOLDER, 'node_modules'))) {
    execFileSync('npm', ['ci', '--silent'], { cwd: FOLDER, stdio: 'inherit' });
  }
  const path = createRequire(join(FOLDER, 'package.json')).resolve(name);
  return (await import(pathToFileURL(path).href)) as Exports;
}
