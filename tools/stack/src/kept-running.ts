import { setTimeout as delay } from 'node:timers/promises';

/** A process, or several that are one thing. */
export interface Restartable {
  readonly pid: number | undefined;
  readonly running: boolean;
  start(): Promise<void>;
  stop(): Promise<void>;
  onExit(listener: () => void): void;
}

export interface Watcher {
  /** Its process is another one now, or none. */
  changed(): void;
  /** For people: what happened. */
  say(what: string): void;
  /** Whether one that has ended is to be started again already. */
  mayRestart(): boolean;
  /** It was started again. */
  restarted?(): Promise<void>;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** One that ran for so long is started again without a long pause. */
const STEADY_MS = 10_000;

/** Starts something again whenever it ends, after a pause that grows while it keeps ending, as Kubernetes would. */
export class KeptRunning {
  private stopping = false;
  private restarting = false;
  private failures = 0;
  private startedAt = performance.now();

  constructor(
    readonly name: string,
    private readonly what: Restartable,
    private readonly watcher: Watcher,
  ) {
    what.onExit(() => void this.ended());
  }

  get pid(): number | undefined {
    return this.what.pid;
  }

  /** Starts it again where it ended while it might not be. */
  check(): void {
    if (!this.what.running) void this.ended();
  }

  /** In good order, and for good. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.what.stop();
  }

  private async ended(): Promise<void> {
    if (this.stopping) return;
    this.watcher.changed();
    if (this.restarting || !this.watcher.mayRestart()) return;
    this.restarting = true;
    while (!this.what.running) {
      await delay(this.nextPause());
      if (this.stopping) return;
      this.watcher.say(`${this.name} has ended; starting it again`);
      await this.startAgain();
    }
    this.restarting = false;
  }

  private async startAgain(): Promise<void> {
    this.startedAt = performance.now();
    try {
      const started = this.what.start();
      this.watcher.changed();
      await started;
      this.watcher.changed();
      await this.watcher.restarted?.();
    } catch (error) {
      if (!this.stopping) this.watcher.say(`${this.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private nextPause(): number {
    if (performance.now() - this.startedAt > STEADY_MS) this.failures = 0;
    this.failures += 1;
    return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.failures - 1));
  }
}
