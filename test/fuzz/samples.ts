import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Compiled or not: the folder that has the lockfile. */
function rootAbove(dir: string): string {
  return existsSync(join(dir, 'package-lock.json')) ? dir : rootAbove(dirname(dir));
}

/** One event of each type that we know, and some others, as WorkOS writes them. */
export const WORKOS_EVENTS = JSON.parse(
  readFileSync(join(rootAbove(import.meta.dirname), 'libs/contracts/test/workos-events.json'), 'utf8'),
) as object[];
