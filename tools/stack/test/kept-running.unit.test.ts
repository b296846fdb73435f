import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '#testing/eventually.js';
import { KeptRunning, type Restartable } from '../src/kept-running.js';

/** Ends when told, and starts in vain for as many times as told. */
class Thing implements Restartable {
  running = true;
  starts: number[] = [];
  failing = 0;
  private listener: () => void = () => undefined;

  get pid(): number | undefined {
    return this.running ? this.starts.length : undefined;
  }
  onExit(listener: () => void): void {
    this.listener = listener;
  }
  async start(): Promise<void> {
    this.starts.push(performance.now());
    if (this.failing-- > 0) throw new Error('it ended at once');
    this.running = true;
  }
  async stop(): Promise<void> {
    this.end();
  }
  end(): void {
    this.running = false;
    this.listener();
  }
}

function kept(mayRestart = (): boolean => true) {
  const thing = new Thing();
  const said: string[] = [];
  let restarts = 0;
  const keeper = new KeptRunning('grants', thing, {
    changed: () => undefined,
    say: (what) => said.push(what),
    mayRestart,
    restarted: async () => void (restarts += 1),
  });
  return { thing, keeper, said, restarts: () => restarts };
}

test('what ends is started again, and whoever depends on it is told', async () => {
  const { thing, said, restarts } = kept();
  thing.end();

  await eventually(() => restarts() === 1);
  expect(thing.running).toBe(true);
  expect(said).toEqual(['grants has ended; starting it again']);
});

test('the pause grows while it keeps ending', async () => {
  const { thing, said } = kept();
  thing.failing = 3;
  thing.end();

  await eventually(() => thing.running);
  const pauses = thing.starts.slice(1).map((at, index) => at - thing.starts[index]!);
  expect(pauses).toHaveLength(3);
  expect(pauses[1]! / pauses[0]!).toBeGreaterThan(1.5);
  expect(pauses[2]! / pauses[1]!).toBeGreaterThan(1.5);
  expect(said).toContain('grants: it ended at once');
});

test('what is stopped stays so', async () => {
  const { thing, keeper } = kept();
  await keeper.stop();

  await delay(150); // longer than the first pause
  expect(thing.starts).toEqual([]);
});

test('what ended before it might be started again is, once it is looked at', async () => {
  let ready = false;
  const { thing, keeper } = kept(() => ready);
  thing.end();
  ready = true;
  keeper.check();

  await eventually(() => thing.running);
});
