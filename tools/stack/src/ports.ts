import { CannotRun } from '#testing/cannot-run.js';
import { isFree } from '#testing/free-port.js';

const TRIES = 200;

/** The first free port of 127.0.0.1 from `wanted` on, but none of `taken`. Throws {@link CannotRun}. */
export async function nextFreePort(wanted: number, taken: ReadonlySet<number>): Promise<number> {
  for (let port = wanted; port < wanted + TRIES; port++) {
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new CannotRun(
    `All ports from ${wanted} to ${wanted + TRIES - 1} of 127.0.0.1 are taken: end some of the programs that use them.`,
  );
}

/** For each name the port that is wanted, or the next free one that nobody else wants. */
export async function choosePorts<Name extends string>(wanted: Record<Name, number>): Promise<Record<Name, number>> {
  const chosen = { ...wanted };
  for (const name of Object.keys(wanted) as Name[]) {
    const others = new Set<number>();
    for (const other of Object.keys(wanted) as Name[]) {
      if (other !== name) others.add(wanted[other]).add(chosen[other]);
    }
    chosen[name] = await nextFreePort(wanted[name], others);
  }
  return chosen;
}
