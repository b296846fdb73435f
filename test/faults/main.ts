import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { argumentsOf } from '#platform/arguments.js';
import { TestStack } from '../journey/stack.js';
import { check, type Journal, longestWaits } from './check.js';
import { Issuer } from './issuer.js';
import { planOf } from './plan.js';
import { Records } from './records.js';
import { DidNotEnd, runSeed } from './run-seed.js';
import { REGRESSIONS } from './seeds.js';

// npm run faults -- --seeds 20 [--start 1] [--brokers 3] [--jobs 2]: random histories while processes are killed and paused;
// see README.md.
const values = argumentsOf(
  {
    seeds: { type: 'string', default: '20' },
    start: { type: 'string', default: '1' },
    brokers: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
  },
  'npm run faults [-- --seeds 20] [--start 1] [--brokers 3] [--jobs 2]: see test/faults/README.md',
);
const brokers = values.brokers === '3' ? 3 : 1;
const start = Number(values.start);
const seeds = [...REGRESSIONS[brokers], ...Array.from({ length: Number(values.seeds) }, (_, index) => start + index)];
const jobs = Math.max(1, Math.min(Number(values.jobs), seeds.length));

/** Beside the sources; the same place for each run, so the newest run of a seed is the one that is kept. */
const KEPT = join(import.meta.dirname, '../../../.local/faults');

/** A stack with the clients that talk to it; plays one seed at a time. */
interface Lane {
  running: TestStack;
  issuer: Issuer;
  records: Records;
}

const waiting = [...seeds];
const failed: number[] = [];
let ok = 0;
let stopped = false;
const startedAt = performance.now();
process.once('SIGINT', () => (stopped = true));
await Promise.all(Array.from({ length: jobs }, playUntilDone));
const minutes = (performance.now() - startedAt) / 60_000;
if (failed.length > 0) console.log(`failed: ${failed.join(', ')}`);
console.log(`${ok} seeds ok, ${failed.length} failed; ${minutes.toFixed(1)} min`);
process.exit(failed.length === 0 && ok === seeds.length ? 0 : 1);

/** Takes one seed after the other. After one that failed it goes on with a new stack: the old one is kept as it was. */
async function playUntilDone(): Promise<void> {
  let lane: Lane | undefined;
  for (let seed = waiting.shift(); seed !== undefined && !stopped; seed = waiting.shift()) {
    lane ??= await open();
    const problems = await play(seed, lane);
    if (problems.length === 0) {
      ok += 1;
      continue;
    }
    failed.push(seed);
    await close(lane);
    await rename(lane.running.dir, join(KEPT, String(seed), 'stack'));
    lane = undefined;
  }
  if (!lane) return;
  await close(lane);
  await lane.running.remove();
}

async function open(): Promise<Lane> {
  const running = await TestStack.create();
  const issuer = new Issuer();
  const [stack] = await Promise.all([running.start({ brokers }), issuer.start()]);
  const records = new Records(stack.kafkaBrokers);
  await records.start();
  return { running, issuer, records };
}

async function close({ running, issuer, records }: Lane): Promise<void> {
  await records.stop();
  issuer.stop();
  await running.stop();
}

/** What was wrong, in a sentence each; it is kept, with all that was seen. */
async function play(seed: number, { running, issuer, records }: Lane): Promise<string[]> {
  const seedStartedAt = performance.now();
  let journal: Partial<Journal>;
  let problems: string[];
  let waits = '';
  try {
    const whole = await runSeed(seed, brokers, running, issuer, records);
    const { webhook, token, grant } = longestWaits(whole);
    waits = `; longest waits: webhook ${webhook.toFixed(0)}, token ${token.toFixed(0)}, grant ${grant.toFixed(0)} ms`;
    journal = whole;
    problems = check(whole);
  } catch (error) {
    journal = error instanceof DidNotEnd ? error.seen : {};
    problems = [`the run did not end: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  }
  const { history, deliveries, faults, brokerFaults } = planOf(seed, brokers);
  const struck = [...faults, ...brokerFaults].map(({ kind, victim }) => `${kind} ${victim}`).join(', ');
  const seconds = ((performance.now() - seedStartedAt) / 1_000).toFixed(1);
  console.log(
    `seed ${seed}: ${problems.length === 0 ? 'ok' : 'FAILED'} in ${seconds} s; ${history.length} events, ${deliveries.length} deliveries; ${struck}${waits}`,
  );
  if (problems.length === 0) return [];
  for (const problem of problems) console.log(`  ${problem}`);
  const folder = join(KEPT, String(seed));
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const text = JSON.stringify(
    { problems, plan: planOf(seed, brokers), journal },
    (_key, value: unknown) => (value instanceof Map ? [...value] : value),
    1,
  );
  await writeFile(join(folder, 'journal.json'), text);
  // As they are at this moment; what comes after is only how the stack was stopped.
  await cp(join(running.dir, 'logs'), join(folder, 'logs'), { recursive: true });
  console.log(
    `  kept in .local/faults/${seed}; again: npm run faults -- --start ${seed} --seeds 1 --brokers ${brokers}`,
  );
  return problems;
}
