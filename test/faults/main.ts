import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TestStack } from '../journey/stack.js';
import { check, longestWaits } from './check.js';
import { Issuer } from './issuer.js';
import { planOf } from './plan.js';
import { Records } from './records.js';
import { runSeed } from './run-seed.js';
import { REGRESSIONS } from './seeds.js';

// npm run faults -- --seeds 20 [--start 1] [--brokers 3]: random histories while processes are killed and paused; see README.md.
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    start: { type: 'string' },
    brokers: { type: 'string', default: '1' },
  },
});
const brokers = values.brokers === '3' ? 3 : 1;
const start = Number(values.start ?? Date.now() % 1_000_000);
const seeds = [...REGRESSIONS[brokers], ...Array.from({ length: Number(values.seeds) }, (_, index) => start + index)];

const running = await TestStack.create();
const issuer = new Issuer();
let failed = 0;
let stopped = false;
process.once('SIGINT', () => (stopped = true));
try {
  const [stack] = await Promise.all([running.start({ brokers }), issuer.start()]);
  const records = new Records(stack.kafkaBrokers);
  await records.start();
  for (const seed of seeds) {
    if (stopped) break;
    const startedAt = performance.now();
    let waited = '';
    const problems = await runSeed(seed, brokers, running, issuer, records).then(
      async (journal) => {
        const { webhook, token, grant } = longestWaits(journal);
        waited = `; longest waits: webhook ${webhook.toFixed(0)}, token ${token.toFixed(0)}, grant ${grant.toFixed(0)} ms`;
        const found = check(journal);
        if (found.length > 0) await keep(seed, { found, journal });
        return found;
      },
      (error: unknown) => [
        `the run did not end: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      ],
    );
    const { history, deliveries, faults, brokerFaults } = planOf(seed, brokers);
    const what = [...faults, ...brokerFaults].map(({ kind, victim }) => `${kind} ${victim}`).join(', ');
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    console.log(
      `seed ${seed}: ${problems.length === 0 ? 'ok' : 'FAILED'} in ${seconds} s; ${history.length} events, ${deliveries.length} deliveries; ${what}${waited}`,
    );
    for (const problem of problems) console.log(`  ${problem}`);
    if (problems.length > 0) failed += 1;
  }
  await records.stop();
} finally {
  issuer.stop();
  await running.stop();
  if (failed === 0) await running.remove();
}
console.log(`${seeds.length - failed} seeds ok, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

/** The plan comes again from the seed; what the clients saw is kept beside it. */
async function keep(seed: number, content: object): Promise<void> {
  const folder = join(import.meta.dirname, '../../../.local/faults');
  await mkdir(folder, { recursive: true });
  const text = JSON.stringify(content, (_key, value: unknown) => (value instanceof Map ? [...value] : value), 1);
  await writeFile(join(folder, `${seed}.json`), text);
}
