import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CannotStart } from './terminal.js';

export interface ServiceDefinition {
  /** As in `pids` of stack.json. */
  name: string;
  entry: string;
  env: Record<string, string>;
  url: string;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** One service as a process of its own, started again when it ends, as Kubernetes would. */
export class Supervised {
  private child: ChildProcess | undefined;
  private stopping = false;
  private failures = 0;
  private wasReady = false;

  constructor(
    readonly definition: ServiceDefinition,
    private readonly logs: string,
    private readonly onChange: () => void,
  ) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get logFile(): string {
    return join(this.logs, `${this.definition.name}.log`);
  }

  start(): void {
    const log = openSync(this.logFile, 'a');
    const preload = join(import.meta.dirname, 'end-with-parent.js');
    const startedAt = Date.now();
    this.child = spawn(process.execPath, ['--enable-source-maps', '--import', preload, this.definition.entry], {
      env: { PATH: process.env['PATH'], ...this.definition.env },
      stdio: ['ignore', log, log, 'ipc'],
      detached: true, // Ctrl-C reaches the stack alone, which stops its services in their order
    });
    closeSync(log);
    this.child.once('exit', () => void this.ended(startedAt));
    this.onChange();
  }

  /** Resolves at the first 200 of `/health/ready`; throws {@link CannotStart} with the last words of one that ended. */
  async ready(): Promise<void> {
    for (;;) {
      if (this.failures > 0 && !this.wasReady) throw new CannotStart(await this.lastWords());
      const answer = await fetch(`${this.definition.url}/health/ready`).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.status === 200) break;
      await delay(25);
    }
    this.wasReady = true;
  }

  async stop(timeoutMs: number): Promise<void> {
    this.stopping = true;
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    child.kill('SIGCONT');
    const late = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    await ended;
    clearTimeout(late);
  }

  private async ended(startedAt: number): Promise<void> {
    if (this.stopping) return;
    this.failures = Date.now() - startedAt > 10_000 ? 1 : this.failures + 1;
    this.onChange();
    if (!this.wasReady) return;
    await delay(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.failures - 1)));
    if (!this.stopping) this.start();
  }

  private async lastWords(): Promise<string> {
    const lines = (await readFile(this.logFile, 'utf8').catch(() => '')).trim().split('\n').slice(-5);
    return `${this.definition.name} ended at its start. Its last words (${this.logFile}):\n${lines.join('\n')}`;
  }
}
