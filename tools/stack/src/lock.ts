import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CannotRun } from '#testing/cannot-run.js';
import { eventually } from '#testing/eventually.js';
import { isRunning, type StartedProcess, startedProcess } from './started-process.js';

/** Who holds the lock, and what it has started, so that the next one can end what a killed one has left. */
interface LockContent extends StartedProcess {
  children: StartedProcess[];
}

/** What a killed stack has started ends by itself; this is how long it may take before it is killed, ms. */
const LEFTOVERS_MS = 5_000;

/**
 * Only one stack in one place. Throws {@link CannotRun} while another one runs. The lock of one that was killed is taken over,
 * once nothing that it has started runs any more.
 */
export async function takeLock(file: string): Promise<Lock> {
  await mkdir(dirname(file), { recursive: true });
  for (;;) {
    const lock = new Lock(file, await startedProcess(process.pid));
    if (await lock.create()) return lock;
    const holder = await readLock(file);
    if (!holder) continue;
    if (await isRunning(holder)) throw isHeld(holder);
    await Promise.all(holder.children.map(endLeftover));
    await removeStale(file, holder);
  }
}

const isHeld = ({ pid }: StartedProcess): CannotRun =>
  new CannotRun(
    `A stack is running here already (process ${pid}): stop it with Ctrl-C in its terminal, or kill ${pid}.`,
  );

export class Lock {
  constructor(
    private readonly file: string,
    private readonly holder: StartedProcess,
  ) {}

  /** False where there is one. Whoever reads it reads all of it. */
  async create(): Promise<boolean> {
    const whole = await this.writeBeside([]);
    try {
      await link(whole, this.file);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    } finally {
      await rm(whole, { force: true });
    }
  }

  async remember(pids: readonly number[]): Promise<void> {
    await rename(await this.writeBeside(await Promise.all(pids.map(startedProcess))), this.file);
  }

  async release(): Promise<void> {
    await rm(this.file, { force: true });
  }

  private async writeBeside(children: StartedProcess[]): Promise<string> {
    const name = beside(this.file);
    await writeFile(name, JSON.stringify({ ...this.holder, children } satisfies LockContent));
    return name;
  }
}

async function readLock(file: string): Promise<LockContent | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as LockContent);
}

/** Somebody else may have done so meanwhile, and taken the lock: then it is put back. */
async function removeStale(file: string, stale: LockContent): Promise<void> {
  const aside = beside(file);
  try {
    await rename(file, aside);
  } catch {
    return; // it is gone
  }
  const taken = await readLock(aside);
  if (taken && (taken.pid !== stale.pid || taken.startedAt !== stale.startedAt)) {
    await link(aside, file).catch(() => undefined);
  }
  await rm(aside, { force: true });
}

async function endLeftover(child: StartedProcess): Promise<void> {
  const isGone = async (): Promise<boolean> => !(await isRunning(child));
  await eventually(isGone, { timeoutMs: LEFTOVERS_MS, everyMs: 50 }).catch(async () => {
    if (child.startedAt === undefined) return; // perhaps somebody else's by now
    process.kill(child.pid, 'SIGKILL');
    await eventually(isGone, { timeoutMs: LEFTOVERS_MS, everyMs: 50 });
  });
}

const beside = (file: string): string => `${file}.${randomBytes(4).toString('hex')}`;
