import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CannotStart } from './terminal.js';

/** Of the processes that a stack has started, so that the next one can end what a killed one has left. */
export interface LockContent {
  pid: number;
  children: number[];
}

/**
 * Only one stack in one place. Throws {@link CannotStart} while another one runs; the lock of one that was killed is taken
 * over, and what it has left running is ended.
 */
export async function takeLock(file: string): Promise<Lock> {
  await mkdir(dirname(file), { recursive: true });
  for (;;) {
    try {
      const handle = await open(file, 'wx');
      const lock = new Lock(file);
      await handle.writeFile(JSON.stringify({ pid: process.pid, children: [] } satisfies LockContent));
      await handle.close();
      return lock;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await readLock(file);
    if (holder && isAlive(holder.pid) && holder.pid !== process.pid) {
      throw new CannotStart(`Another stack is running here (process ${holder.pid}): stop it with Ctrl-C first.`);
    }
    for (const pid of holder?.children ?? []) await endLeftover(pid, dirname(file));
    await rm(file, { force: true });
  }
}

export class Lock {
  constructor(private readonly file: string) {}

  async remember(children: readonly number[]): Promise<void> {
    const { writeFile, rename } = await import('node:fs/promises');
    await writeFile(
      `${this.file}.new`,
      JSON.stringify({ pid: process.pid, children: [...children] } satisfies LockContent),
    );
    await rename(`${this.file}.new`, this.file);
  }

  async release(): Promise<void> {
    await rm(this.file, { force: true });
  }
}

export async function readLock(file: string): Promise<LockContent | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  try {
    return JSON.parse(text) as LockContent;
  } catch {
    return undefined; // half-written by one that was killed
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Kills a process only if it is ours: its command line names this place or this project. */
async function endLeftover(pid: number, dir: string): Promise<void> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (!command.includes(dir) && !command.includes(import.meta.dirname.split('/dist/')[0]!)) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended meanwhile
  }
}
