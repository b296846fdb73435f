import { readFile } from 'node:fs/promises';

/** One process for ever, where the system tells when it was started: a bare id is given to somebody else one day. */
export interface StartedProcess {
  pid: number;
  startedAt?: string;
}

export async function startedProcess(pid: number): Promise<StartedProcess> {
  const seen = await lookUp(pid);
  return seen?.startedAt === undefined ? { pid } : { pid, startedAt: seen.startedAt };
}

/** Whether it still runs; one that has ended and was not yet reaped does not. */
export async function isRunning({ pid, startedAt }: StartedProcess): Promise<boolean> {
  if (!answersSignals(pid)) return false;
  const seen = await lookUp(pid);
  if (seen === undefined) return answersSignals(pid);
  return seen.state !== 'Z' && (startedAt === undefined || startedAt === seen.startedAt);
}

/** Linux alone: the state of a process, and the boot and the tick of its start. */
async function lookUp(pid: number): Promise<{ state: string; startedAt: string } | undefined> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // After the name in brackets, which may itself hold brackets and blanks: state, …, start (field 22 of proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, tick] = [fields[0], fields[19]];
  return state && tick ? { state, startedAt: `${boot.trim()}/${tick}` } : undefined;
}

function answersSignals(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
