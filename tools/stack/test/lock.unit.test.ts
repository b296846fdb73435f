import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeLock } from '../src/lock.js';
import { isRunning, startedProcess } from '../src/started-process.js';

let dir: string;
let file: string;
let other: ChildProcess;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rescind-lock-'));
  file = join(dir, 'stack.lock');
  other = spawn('sleep', ['60']);
  await once(other, 'spawn');
});
afterEach(async () => {
  other.kill('SIGKILL');
  await rm(dir, { recursive: true });
});

const heldBy = (holder: object, children: object[] = []) => writeFile(file, JSON.stringify({ ...holder, children }));

async function endOther(): Promise<void> {
  const ended = once(other, 'exit');
  other.kill('SIGKILL');
  await ended;
}

test('while its holder runs nobody else gets it, and the sentence names the holder', async () => {
  await heldBy(await startedProcess(other.pid!));

  await expect(takeLock(file)).rejects.toThrow(`A stack is running here already (process ${other.pid})`);
});

test('released, it is there for the next', async () => {
  const lock = await takeLock(file);
  await expect(takeLock(file)).rejects.toThrow(/running here already/);
  await lock.release();

  await takeLock(file);
});

test('of many who find a stale one, exactly one gets it', async () => {
  const holder = await startedProcess(other.pid!);
  await endOther();
  await heldBy(holder);

  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(file)));

  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await readdir(dir)).toEqual(['stack.lock']);
});

test('a holder whose process id belongs to somebody else by now is none', async () => {
  await heldBy({ pid: other.pid, startedAt: 'another boot/1' });

  await takeLock(file);
});

test('what a killed stack has left running is ended before its lock is taken over', async () => {
  const child = await startedProcess(other.pid!);
  await heldBy({ pid: other.pid, startedAt: 'another boot/1' }, [child]);

  await takeLock(file);
  expect(await isRunning(child)).toBe(false);
}, 120_000);

test('a process that only has the id of a former child is left alone', async () => {
  await heldBy({ pid: other.pid, startedAt: 'another boot/1' }, [{ pid: other.pid, startedAt: 'another boot/2' }]);

  await takeLock(file);
  expect(await isRunning({ pid: other.pid! })).toBe(true);
});

test('it says what was started', async () => {
  const lock = await takeLock(file);
  await lock.remember([other.pid!]);

  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
    ...(await startedProcess(process.pid)),
    children: [await startedProcess(other.pid!)],
  });
});
