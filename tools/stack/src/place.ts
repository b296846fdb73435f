import { mkdir, rm, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CannotRun } from '#testing/cannot-run.js';

const NEEDED_MB = 500;

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

/** Empty logs and no stack.json of an earlier stack. Throws {@link CannotRun} where there is too little room. */
export async function prepare({ dir, logs, stackFile }: Place, freeMb = freeMegabytes): Promise<void> {
  await rm(stackFile, { force: true });
  await rm(logs, { recursive: true, force: true });
  await mkdir(logs, { recursive: true });
  const free = await freeMb(dir);
  if (free >= NEEDED_MB) return;
  throw new CannotRun(
    `The disk is nearly full: ${free} MB are free below ${dir}, and Kafka and Postgres need about ${NEEDED_MB} MB. Free some, and try again.`,
  );
}

async function freeMegabytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return Math.floor((bavail * bsize) / 1024 / 1024);
}
