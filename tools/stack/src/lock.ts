import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CannotRun } from '#testing/cannot-run.js';
import { eventually } from '#testing/eventually.js';
import { isRunning, type StartedProcess, startedProcess } from './started-process.js';

/** Who holds the lock, and what it has started, so that the next one can end what a killed one has left. */
interface LockContent extends StartedProcess {
  children: StartedProcess[];
}

/** What a killed stack has started ends by itself; this is how long it may take before it is killed, ms. */
const LEFTOVERS_MS = 5_000;
/** A turn takes a moment; one that is older was left behind. */
const TURN_MS = 10_000;

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
    if (await lock.takeOver(holder)) return lock;
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

  /**
   * In the place of one that was killed; false where somebody else was faster. One at a time looks whether the lock is still
   * the stale one and puts its own there, in one step, so that the lock is never missing in between.
   */
  async takeOver(stale: StartedProcess): Promise<boolean> {
    const turn = `${this.file}.turn`;
    try {
      await (await open(turn, 'wx')).close();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await giveUpOn(turn);
      return false;
    }
    try {
      const now = await readLock(this.file);
      if (now?.pid !== stale.pid || now.startedAt !== stale.startedAt) return false;
      await rename(await this.writeBeside([]), this.file);
      return true;
    } finally {
      await rm(turn, { force: true });
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

/** Waits a moment for whoever has the turn; one who was killed in the middle of it has it no longer. */
async function giveUpOn(turn: string): Promise<void> {
  await delay(10);
  const taken = await stat(turn).catch(() => undefined);
  if (taken && Date.now() - taken.mtimeMs > TURN_MS) await rm(turn, { force: true });
}

async function readLock(file: string): Promise<LockContent | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as LockContent);
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
