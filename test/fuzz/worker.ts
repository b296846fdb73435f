import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { fuzz, FuzzFailure } from '#testing/fuzz.js';
import { FUZZ_TARGETS } from './targets.js';

/** Each target in turn, for as long as this, so that what grows over the whole run shows. */
const TURN_MS = 3_000;
/** Above what the first rounds have left on the heap. */
const MAX_GROWTH_BYTES = 32 * 1_048_576;
const WARM_UP_ROUNDS = 3;
const REPORT_MS = 60_000;

const { names, seed, minutes } = workerData as { names: string[]; seed: number; minutes: number };
const targets = FUZZ_TARGETS.filter(({ name }) => names.includes(name));
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const heapAfterGc = (): number => {
  collectGarbage();
  return process.memoryUsage().heapUsed;
};
const say = (line: string): void => parentPort!.postMessage({ line });

const totals = new Map(targets.map(({ name }) => [name, { inputs: 0, slowestMs: 0 }]));
const endsAt = performance.now() + minutes * 60_000;
let reportAt = performance.now() + REPORT_MS;
let firstHeap: number | undefined;
let lastHeap = 0;
let turns = 0;
for (let round = 1; performance.now() < endsAt; round++) {
  for (const target of targets) {
    const left = endsAt - performance.now();
    if (left <= 0) break;
    const turn = { seed: (seed + turns++) % 2 ** 31, ms: Math.min(TURN_MS, left) };
    parentPort!.postMessage({ name: target.name, seed: turn.seed });
    const { inputs, slowestMs } = await fuzz(target, turn).catch((error: unknown) => {
      if (error instanceof FuzzFailure) parentPort!.postMessage({ failed: target.name, input: error.input });
      throw error;
    });
    const total = totals.get(target.name)!;
    total.inputs += inputs;
    total.slowestMs = Math.max(total.slowestMs, slowestMs);
  }
  lastHeap = heapAfterGc();
  if (round === WARM_UP_ROUNDS) firstHeap = lastHeap;
  if (firstHeap !== undefined && lastHeap > firstHeap + MAX_GROWTH_BYTES) {
    throw new Error(
      `grows: ${mebibytes(firstHeap)} MiB after ${WARM_UP_ROUNDS} rounds, now ${mebibytes(lastHeap)} MiB`,
    );
  }
  if (performance.now() < reportAt) continue;
  reportAt += REPORT_MS;
  const inputs = [...totals.values()].reduce((sum, total) => sum + total.inputs, 0);
  say(`round ${round}: ${inputs} inputs, heap ${mebibytes(lastHeap)} MiB`);
}

for (const [name, { inputs, slowestMs }] of totals) {
  say(`${name.padEnd(36)} ${String(inputs).padStart(11)} inputs, slowest ${slowestMs.toFixed(1)} ms of CPU`);
}
const all = [...totals.values()].reduce((sum, total) => sum + total.inputs, 0);
say(
  `Nothing found: ${all} inputs; heap ${mebibytes(firstHeap ?? lastHeap)} MiB at first, ${mebibytes(lastHeap)} MiB at the end.`,
);

function mebibytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(1);
}
