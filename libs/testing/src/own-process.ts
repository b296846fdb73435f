import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { eventually } from './eventually.js';

export interface OwnProcessOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
  /** What ends it in good order; default SIGTERM. */
  stopSignal?: NodeJS.Signals;
}

/** How long one whose starter has died may take to end in good order, in tenths of a second. */
const ORPHAN_TENTHS = 80;

/**
 * Waits for the end of the process that started it, however that ended (its input is then at its end), and ends the process
 * that it guards: by its signal, and by SIGKILL what has not ended by then.
 */
const GUARD = `
read -r _
kill -s "$2" "$1"; kill -s CONT "$1"
n=0; while kill -0 "$1" && [ $n -lt ${ORPHAN_TENTHS} ]; do sleep 0.1; n=$((n+1)); done
kill -s KILL "$1"`;

/**
 * A process that we started, with its output in a file. It does not outlive us, not even where we are killed; Ctrl-C does not
 * reach it, so that whoever started it stops it in the right order.
 */
export class OwnProcess {
  private child: ChildProcess | undefined;
  private readonly listeners: (() => void)[] = [];

  constructor(
    private readonly command: string,
    private readonly args: readonly string[],
    readonly logFile: string,
    private readonly options: OwnProcessOptions = {},
  ) {}

  get pid(): number | undefined {
    return this.running ? this.child?.pid : undefined;
  }

  get running(): boolean {
    return this.child?.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Called whenever it ends, whoever ended it. */
  onExit(listener: () => void): void {
    this.listeners.push(listener);
  }

  start(): void {
    if (this.running) return;
    mkdirSync(dirname(this.logFile), { recursive: true });
    const log = openSync(this.logFile, 'a');
    const { stopSignal = 'SIGTERM', ...options } = this.options;
    const child = spawn(this.command, this.args, { ...options, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.child = child;
    const guard = child.pid === undefined ? undefined : guardOf(child.pid, stopSignal);
    child.once('error', () => undefined); // it never ran: `running` says so
    child.once('exit', () => {
      guard?.kill('SIGKILL');
      for (const listener of this.listeners) listener();
    });
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.child!.kill(signal);
  }

  /** SIGSTOP, until it is felt: on a busy machine some of its threads go on for a while, and answer. */
  async pause(): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    this.signal('SIGSTOP');
    await eventually(() => !this.running || hasStopped(pid));
  }

  /** Its own signal to end, and SIGKILL where it has not ended by then. Answers whether it ended in good order. */
  async stop(timeoutMs = 10_000): Promise<boolean> {
    const child = this.child;
    if (!child || !this.running) return false;
    const ended = once(child, 'exit');
    child.kill(this.options.stopSignal ?? 'SIGTERM');
    child.kill('SIGCONT'); // a paused process would not hear it
    const late = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    await ended;
    clearTimeout(late);
    return child.signalCode !== 'SIGKILL';
  }

  /** SIGKILL. Resolves once it is gone. */
  async kill(): Promise<void> {
    const child = this.child;
    if (!child || !this.running) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** The end of its output. */
  async lastWords(lines = 5): Promise<string> {
    const text = await readFile(this.logFile, 'utf8').catch(() => '');
    return text.trim().split('\n').slice(-lines).join('\n');
  }
}

function guardOf(pid: number, signal: NodeJS.Signals): ChildProcess {
  const args = ['-c', GUARD, 'guard', String(pid), signal.slice('SIG'.length)];
  const guard = spawn('sh', args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  guard.once('error', () => undefined); // no such shell: then it may outlive us
  guard.unref();
  (guard.stdin as unknown as { unref?(): void } | null)?.unref?.();
  return guard;
}

/** All threads of it; where there is no /proc nobody can tell. */
async function hasStopped(pid: number): Promise<boolean> {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
  const states = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/stat`, 'latin1')));
  // The state comes after the name, which stands in brackets and may hold any.
  return states.every((stat) => stat.slice(stat.lastIndexOf(')')).startsWith(') T'));
}
