import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { StackFile } from '#testing/stack-file.js';

const ROOT = join(import.meta.dirname, '../..');
const read = async (): Promise<StackFile | undefined> =>
  JSON.parse(await readFile(join(ROOT, '.local/stack.json'), 'utf8').catch(() => 'null')) ?? undefined;

/** Uses the stack that is up already, or starts one for the time of `work`. */
export async function withStack<T>(work: (stack: StackFile) => Promise<T>): Promise<T> {
  const running = await read();
  if (running) return work(running);
  const child = spawn(process.execPath, [join(ROOT, 'dist/tools/stack/src/main.js'), '--no-demo'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    for (;;) {
      const stack = await read();
      if (stack) return await work(stack);
      if (child.exitCode !== null) throw new Error('the local stack did not start; npm start says why');
      await delay(100);
    }
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}
