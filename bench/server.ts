import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Runs one of the servers of this folder in a process of its own for the time of `work`; it prints its address. */
export async function withServer<T>(
  file: string,
  env: Record<string, string>,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const server = spawn(process.execPath, [join(import.meta.dirname, file)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    for await (const line of createInterface(server.stdout)) {
      if (line.startsWith('http://')) return await work(line);
    }
    throw new Error(`${file} did not start`);
  } finally {
    server.kill();
  }
}
