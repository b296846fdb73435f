import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CannotRun } from '#testing/cannot-run.js';
import { OwnProcess } from '#testing/own-process.js';
import type { Restartable } from './kept-running.js';

export interface ServiceDefinition {
  /** As in `pids` of stack.json. */
  name: string;
  entry: string;
  env: Record<string, string>;
  url: string;
}

/** More than the services allow themselves. */
const STOP_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 180_000;

/** One service as a process of its own, with its output in `<name>.log`. */
export class Service implements Restartable {
  private readonly process: OwnProcess;

  constructor(
    private readonly definition: ServiceDefinition,
    logs: string,
  ) {
    const { name, entry, env } = definition;
    this.process = new OwnProcess(process.execPath, ['--enable-source-maps', entry], join(logs, `${name}.log`), {
      env: { PATH: process.env['PATH'], ...env },
    });
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  get running(): boolean {
    return this.process.running;
  }

  onExit(listener: () => void): void {
    this.process.onExit(listener);
  }

  async start(): Promise<void> {
    this.process.start();
  }

  async stop(): Promise<void> {
    await this.process.stop(STOP_TIMEOUT_MS);
  }

  /** Resolves at the first 200 of `/health/ready`. Throws {@link CannotRun} with what it said last, or what it is missing. */
  async ready(): Promise<void> {
    const { name, url } = this.definition;
    const deadline = performance.now() + READY_TIMEOUT_MS;
    let answered = 'nothing';
    while (this.process.running) {
      const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
      if (answer) answered = await answer.text();
      if (answer?.status === 200) return;
      if (performance.now() > deadline) {
        throw new CannotRun(
          `${name} was not ready within three minutes (${this.process.logFile}); it answered ${answered}`,
        );
      }
      await delay(25);
    }
    const said = await this.process.lastWords();
    throw new CannotRun(`${name} ended at its start. Its last words (${this.process.logFile}):\n${said}`);
  }
}
