import { mkdir, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CannotStart } from './terminal.js';

const NEEDED_BYTES = 500 * 1024 * 1024;

/** Where everything of one stack is kept. `RESCIND_LOCAL_DIR` names another place, so that two can run side by side. */
export interface Place {
  root: string;
  dir: string;
  data: string;
  cache: string;
  logs: string;
  stackFile: string;
  lockFile: string;
  settingsFile: string;
}

export function placeOfStack(root = resolve(import.meta.dirname, '../../../..')): Place {
  const dir = resolve(root, process.env['RESCIND_LOCAL_DIR'] ?? '.local');
  return {
    root,
    dir,
    data: join(dir, 'data'),
    cache: join(root, '.local', 'cache'),
    logs: join(dir, 'logs'),
    stackFile: join(dir, 'stack.json'),
    lockFile: join(dir, 'stack.lock'),
    settingsFile: join(dir, 'settings.json'),
  };
}

/** Throws {@link CannotStart} where there is too little room for Kafka and Postgres. */
export async function prepare(place: Place): Promise<void> {
  await mkdir(place.logs, { recursive: true });
  const { bavail, bsize } = await statfs(place.dir);
  const free = bavail * bsize;
  if (free >= NEEDED_BYTES) return;
  throw new CannotStart(
    `The disk is nearly full: ${Math.floor(free / 1024 / 1024)} MB are free below ${place.dir}, and about 500 MB are needed.`,
  );
}
