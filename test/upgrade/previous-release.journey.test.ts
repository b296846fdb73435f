import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { StackFile } from '#testing/stack-file.js';
import { Client, untilAnswer } from '../journey/client.js';
import { TestStack } from '../journey/stack.js';
import { RELEASED, type Released } from './released.js';
import { type Replica, moreReplicas, SERVICES } from '../outages/replicas.js';

const ROOT = join(import.meta.dirname, '../..');
const { commit, version } = JSON.parse(readFileSync(RELEASED, 'utf8')) as Released;
/** Two minutes, and the history of git: run by `npm run test:upgrade`. The schema is held against the release in every run. */
const asked = process.env['TEST_UPGRADE'] === '1';
const hasHistory = asked && spawnSync('git', ['cat-file', '-e', commit], { cwd: ROOT }).status === 0;
if (asked && !hasHistory)
  console.warn(`skipped: the history has no ${commit} (${version}); fetch it (git fetch --unshallow)`);
const whenPossible = hasHistory ? test : test.skip;

let previous: string;
let running: TestStack;
let stack: StackFile;
let newer: Replica[] = [];

beforeAll(async () => {
  if (!hasHistory) return;
  previous = buildPrevious();
  running = await TestStack.create();
  stack = await running.start({ root: previous });
}, 600_000);

afterAll(async () => {
  if (!hasHistory) return;
  await Promise.all(newer.map((replica) => replica.stop()));
  await running?.stop();
  await running?.remove();
  rmSync(previous, { recursive: true, force: true });
}, 300_000);

/** Its sources with the packages that are installed here; built by its own tools. */
function buildPrevious(): string {
  mkdirSync(join(ROOT, '.local'), { recursive: true });
  const dir = mkdtempSync(join(ROOT, '.local/previous-'));
  const sources = execFileSync('git', ['archive', commit], { cwd: ROOT, maxBuffer: 1024 ** 3 });
  execFileSync('tar', ['-x', '-C', dir], { input: sources });
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  mkdirSync(join(dir, '.local'));
  symlinkSync(join(ROOT, '.local/cache'), join(dir, '.local/cache'));
  execFileSync(process.execPath, [join(dir, 'tools/build.mjs')], { cwd: dir, stdio: 'inherit' });
  return dir;
}

whenPossible(
  'the release before goes on over the new schema, beside the new services, and after they are taken back',
  async () => {
    const old = new Client(stack);
    const offboarded = async (clients: Client[]): Promise<void> => {
      const person = await old.person();
      for (const client of clients) {
        await untilAnswer(
          () => client.verdict(person.token),
          (verdict) => verdict === 'active',
        );
      }
      const { body: grant } = await clients.at(-1)!.makeGrant({ user_id: person.userId });
      await old.workos('DELETE', `/user_management/users/${person.userId}`);
      for (const client of clients) {
        await untilAnswer(
          () => client.verdict(person.token),
          (verdict) => verdict === 'user_deprovisioned',
        );
        await untilAnswer(
          () => client.grantOf(String(grant['id'])),
          ({ status }) => status === 'revoked',
        );
      }
    };
    await offboarded([old]);

    // The migrations of the new release, while the services of the old one run.
    for (const app of ['grants', 'portal', 'signals']) {
      execFileSync(process.execPath, [join(ROOT, `dist/apps/${app}/src/migrate.js`)], {
        env: { PATH: process.env['PATH'], DATABASE_URL: stack.databaseUrl, LOG_LEVEL: 'warn' },
        stdio: 'inherit',
      });
    }
    await offboarded([old]);

    // A rollout: both at once, each with its share of the partitions, and one of them leads.
    newer = await moreReplicas('new', stack, running, ROOT);
    await Promise.all(newer.map((replica) => replica.start()));
    const urls = Object.fromEntries(SERVICES.map((name) => [name, newer.find((one) => one.name === name)!.url]));
    const current = new Client({ ...stack, ...urls });
    for (let times = 0; times < 3; times++) await offboarded([old, current]);

    // And back: whatever the new ones have written, the old ones read.
    await Promise.all(newer.splice(0).map((replica) => replica.stop()));
    await offboarded([old]);
    for (const name of SERVICES) expect(await running.logs(name)).not.toMatch(/"level":"(error|fatal)"/);
  },
  600_000,
);
