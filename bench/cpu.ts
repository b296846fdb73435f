import { readFileSync } from 'node:fs';

/** CPU seconds that a process and its threads have used, as Linux counts them (in hundredths); NaN elsewhere, and where it has ended. */
export function cpuSecondsOf(pid: number | undefined): number {
  if (pid === undefined || process.platform !== 'linux') return NaN;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [, , ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(rest[9]) + Number(rest[10])) / 100; // utime, stime
  } catch {
    return NaN;
  }
}
