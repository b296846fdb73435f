import { createServer } from 'node:net';
import { once } from 'node:events';
import { CannotStart } from './terminal.js';

const TRIES = 200;

/** The first free port of 127.0.0.1 from `wanted` on, leaving out those that are taken by ourselves. */
export async function nextFreePort(wanted: number, taken: ReadonlySet<number>): Promise<number> {
  for (let port = wanted; port < wanted + TRIES; port++) {
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new CannotStart(
    `All ports from ${wanted} to ${wanted + TRIES - 1} of 127.0.0.1 are taken: stop what uses them.`,
  );
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
