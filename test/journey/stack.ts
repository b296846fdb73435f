import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { StackFile } from '#testing/stack-file.js';

export interface StartOptions {
  brokers?: 1 | 3;
  /** Settings of the stack and its services beside the ordinary ones. */
  env?: Record<string, string>;
  /** Where its code is, built; default: here. */
  root?: string;
}

async function childrenOf(parent: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-axo', 'pid=,ppid=']);
  const processes = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  return processes.filter(([, ppid]) => ppid === parent).map(([pid]) => pid!);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has ended meanwhile
  }
}

/** Compiled or not: the folder that has the lockfile. */
const ROOT = rootAbove(import.meta.dirname);

function rootAbove(dir: string): string {
  return existsSync(join(dir, 'package-lock.json')) ? dir : rootAbove(dirname(dir));
}

/** A stack of a test's own, as `npm start` brings it up, in a folder of its own. */
export class TestStack {
  private child: ChildProcess | undefined;
  private output = '';

  private constructor(readonly dir: string) {}

  static async create(): Promise<TestStack> {
    const parent = join(ROOT, '.local');
    await mkdir(parent, { recursive: true });
    return new TestStack(await mkdtemp(join(parent, 'journey-')));
  }

  /** Resolves once it is ready. Its ports are below what operating systems give to outgoing connections. */
  async start({ brokers = 1, env: given = {}, root = ROOT }: StartOptions = {}): Promise<StackFile> {
    const { KAFKA_BROKERS: _, DATABASE_URL: __, ...env } = process.env;
    // Others may be started at the same moment; two that look for free ports from one on would find the same ones.
    // Not 10080: fetch and browsers refuse it (WHATWG Fetch, bad ports).
    const firstPort = String(10_100 + 20 * Math.floor(Math.random() * 485));
    this.child = spawn(
      join(ROOT, 'node_modules/.bin/node'),
      ['--enable-source-maps', join(root, 'dist/tools/stack/src/main.js'), '--no-demo', `--brokers=${brokers}`],
      {
        cwd: root,
        env: { ...env, RESCIND_LOCAL_DIR: this.dir, RESCIND_FIRST_PORT: firstPort, LOG_LEVEL: 'info', ...given },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.child.stdout!.on('data', (chunk: Buffer) => (this.output += chunk));
    this.child.stderr!.on('data', (chunk: Buffer) => (this.output += chunk));
    for (;;) {
      const stack = await this.read();
      if (stack) return stack;
      if (this.child.exitCode !== null) throw new Error(`the stack did not start:\n${this.output}`);
      await delay(50);
    }
  }

  async read(): Promise<StackFile | undefined> {
    const text = await readFile(join(this.dir, 'stack.json'), 'utf8').catch(() => '');
    return text === '' ? undefined : (JSON.parse(text) as StackFile);
  }

  /**
   * SIGKILL to one of its processes. Its id, though it may have ended by itself; undefined while there is none.
   * @param killed the one that was killed before: it is left alone, since its id may be another's by now
   */
  async kill(name: string, killed?: number): Promise<number | undefined> {
    const pid = (await this.read())?.pids[name];
    if (pid !== undefined && pid !== killed) signal(pid, 'SIGKILL');
    return pid;
  }

  /** Killed, and again whenever the stack has started it anew; until what it returns is called. */
  keepAway(name: string): () => Promise<void> {
    let over = false;
    const killing = (async () => {
      for (let killed: number | undefined; !over; await delay(20)) killed = (await this.kill(name, killed)) ?? killed;
    })();
    return async () => {
      over = true;
      await killing;
    };
  }

  /** SIGKILL to one of its processes; resolves once another one has taken its place. */
  async killAndAwait(name: string): Promise<void> {
    const before = await this.kill(name);
    for (;;) {
      const now = (await this.read())?.pids[name];
      if (now !== undefined && now !== before) return;
      await delay(20);
    }
  }

  /**
   * SIGSTOP to one of its processes and to all that this one has started, as PostgreSQL does for each connection: connections
   * stay, nothing is answered. Answers with what makes them go on.
   */
  async pause(name: string): Promise<() => void> {
    const pid = (await this.read())?.pids[name];
    if (pid === undefined) return () => undefined; // it is being started again at this moment
    signal(pid, 'SIGSTOP');
    const paused = [pid, ...(await childrenOf(pid))];
    for (const one of paused) signal(one, 'SIGSTOP');
    return () => paused.forEach((one) => signal(one, 'SIGCONT'));
  }

  /** As Ctrl-C does; answers what it said and how it ended. */
  async stop(): Promise<{ code: number | null; output: string }> {
    const child = this.child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGINT');
      await ended;
    }
    return { code: child?.exitCode ?? null, output: this.output };
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }

  logs(service: string): Promise<string> {
    return readFile(join(this.dir, 'logs', `${service}.log`), 'utf8').catch(() => '');
  }
}
