import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { argumentsOf } from '#platform/arguments.js';
import { FUZZ_TARGETS } from './targets.js';

// npm run fuzz -- --minutes 60 [--seed N] [--target 'token parser'] [--input FILE]: see README.md.
const values = argumentsOf(
  {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    target: { type: 'string' },
    input: { type: 'string' },
  },
  'npm run fuzz [-- --minutes 1] [--seed <n>] [--target <name>] [--input <file>]: see test/fuzz/README.md',
);
const targets = FUZZ_TARGETS.filter(({ name }) => values.target === undefined || name === values.target);
if (targets.length === 0) {
  console.error(`There is no such target. There are: ${FUZZ_TARGETS.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}
if (values.input !== undefined) {
  for (const target of targets) await target.check(readFileSync(values.input));
  console.log('Nothing is broken by this input.');
  process.exit(0);
}

/** A parser that does not come back stops its thread, never this one. */
const HANGS_MS = 20_000;
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const minutes = Number(values.minutes);
console.log(`${targets.length} targets, ${minutes} min, seed ${seed}`);
const worker = new Worker(join(import.meta.dirname, 'worker.js'), {
  workerData: { names: targets.map(({ name }) => name), seed, minutes },
});
let last: Progress = { name: 'the first target', seed };
let watch: NodeJS.Timeout | undefined;
const waitOn = (): void => {
  clearTimeout(watch);
  watch = setTimeout(() => {
    console.error(`FAILED: ${last.name} did not come back within ${HANGS_MS} ms; seed ${last.seed}`);
    process.exit(1);
  }, HANGS_MS);
};
waitOn();
worker.on('message', (message: Message) => {
  waitOn();
  if ('line' in message) console.log(message.line);
  else if ('failed' in message) writeFileSync(keptAt(message.failed), message.input);
  else last = message;
});
worker.on('error', (error) => {
  console.error(`FAILED: ${error.message}`);
  process.exit(1);
});
worker.on('exit', (code) => {
  clearTimeout(watch);
  process.exit(code);
});

function keptAt(name: string): string {
  const folder = join(import.meta.dirname, '../../../.local/fuzz');
  mkdirSync(folder, { recursive: true });
  return join(folder, name.replaceAll(' ', '-'));
}

type Message = Progress | { line: string } | { failed: string; input: Uint8Array };

/** What the thread has begun. */
interface Progress {
  name: string;
  seed: number;
}
