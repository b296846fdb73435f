import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** `.local/stack.json`, as far as benches use it. */
export interface Stack {
  portal: string;
  webhookIngress: string;
  grants: string;
  tokenVerification: string;
  sandbox: string;
  kafkaBrokers: string;
  databaseUrl: string;
  adminApiKey: string;
  introspection: { clientId: string; clientSecret: string };
  provider: { id: string; issuer: string; jwksUri: string; clientId: string; audience: string; apiKey: string };
  webhook: { url: string; secret: string };
  pids: Record<string, number>;
}

const ROOT = join(import.meta.dirname, '../..');
const read = async (): Promise<Stack | undefined> =>
  JSON.parse(await readFile(join(ROOT, '.local/stack.json'), 'utf8').catch(() => 'null')) ?? undefined;

/** Uses the stack that is up already, or starts one for the time of `work`. */
export async function withStack<T>(work: (stack: Stack) => Promise<T>): Promise<T> {
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
