import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below what operating systems give to outgoing connections: a client that knocks at the port of a server that is away could
 * otherwise be given that very port, connect to itself, and keep the server from coming back.
 */
const FIRST = 20_000;
const LAST = 32_000;

/** Whether nobody listens on this port of 127.0.0.1. */
export async function isFree(port: number): Promise<boolean> {
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

/** A port of 127.0.0.1 that is free now: the one that is preferred, or any. */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred;
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await isFree(port)) return port;
  }
}
