import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { eventually } from '#testing/eventually.js';
import { freePort } from '#testing/free-port.js';
import type { StackFile } from '#testing/stack-file.js';
import { diagnose } from '../../tools/cli/src/diagnose.js';
import { examine } from '../../tools/cli/src/doctor.js';
import { Client } from '../journey/client.js';
import { TestStack } from '../journey/stack.js';
import { moreReplicas, type Replica, type ServiceName } from '../outages/replicas.js';

/**
 * Pages of docs/runbooks/alerts.md that take minutes, with the trouble made for real: a service that is not there, as a real
 * Prometheus sees it, marks that do not come to an end, and clocks. `TEST_RUNBOOKS=1 npm test -- test/operations/runbooks`, with the
 * packages prometheus and faketime of Debian; no part of CI.
 */
const asked = process.env['TEST_RUNBOOKS'] === '1';
const FAKETIME = ['x86_64', 'aarch64']
  .map((one) => `/usr/lib/${one}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find(existsSync);
const hasPrometheus = spawnSync('prometheus', ['--version']).error === undefined;
const withPrometheus = asked && hasPrometheus ? test : test.skip;
const withFaketime = asked && FAKETIME !== undefined ? test : test.skip;
if (asked && !hasPrometheus) console.warn('skipped: prometheus is not here');
if (asked && !FAKETIME) console.warn('skipped: libfaketime is not here');

const ROOT = join(import.meta.dirname, '../..');
const SERVICES = ['portal', 'webhookIngress', 'grants', 'tokenVerification', 'signals'] as const;

let running: TestStack;
let stack: StackFile;
let client: Client;
let dir: string;
let prometheus: ChildProcess | undefined;
let prometheusUrl = '';
const replicas: Replica[] = [];

beforeAll(async () => {
  if (!asked) return;
  dir = await mkdtemp(join(tmpdir(), 'rescind-runbooks-'));
  running = await TestStack.create();
  stack = await running.start({ env: { MARK_INLINE: '5', MARK_CHUNK: '5', DATABASE_TIMEOUT_MS: '3000' } });
  client = new Client(stack);
  if (hasPrometheus) await startPrometheus();
}, 300_000);

afterAll(async () => {
  if (!asked) return;
  prometheus?.kill('SIGKILL');
  await Promise.all(replicas.map((replica) => replica.stop()));
  await running.stop();
  await running.remove();
  await rm(dir, { recursive: true, force: true });
}, 300_000);

/** A real one, with the rules of the chart; a minute of theirs is a second here, so that nobody has to wait. */
async function startPrometheus(): Promise<void> {
  const rules = await readFile(join(ROOT, 'deploy/helm/rescind/rules/alerts.yaml'), 'utf8');
  await writeFile(join(dir, 'rules.yml'), rules.replace(/(for: |\[)(\d+)m\b/g, '$1$2s'));
  const jobs = SERVICES.map((name) => ({
    job_name: name,
    static_configs: [{ targets: [new URL(stack[name]).host], labels: { pod: `${name}-0` } }],
  }));
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yml'],
    scrape_configs: jobs,
  };
  await writeFile(join(dir, 'prometheus.yml'), JSON.stringify(config));
  const address = `127.0.0.1:${await freePort()}`;
  prometheusUrl = `http://${address}`;
  prometheus = spawn(
    'prometheus',
    ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=${address}`],
    { cwd: dir, stdio: 'ignore' },
  );
  await untilAlert('RescindServiceDown', false);
}

const query = async (expression: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> => {
  const answer = await fetch(`${prometheusUrl}/api/v1/query?${new URLSearchParams({ query: expression })}`);
  return ((await answer.json()) as { data: { result: { metric: Record<string, string>; value: [number, string] }[] } })
    .data.result;
};
const firing = async (): Promise<string[]> =>
  (await query('ALERTS{alertstate="firing"}')).map(({ metric }) => metric['alertname']!);
/** All services are scraped, and the alert fires, or does not. */
const untilAlert = (name: string, fires: boolean) =>
  eventually(
    async () =>
      (await query('up')).length === SERVICES.length &&
      (fires || (await query('up == 1')).length === SERVICES.length) &&
      (await firing()).includes(name) === fires,
    { timeoutMs: 180_000, everyMs: 200, what: `${name} ${fires ? 'fires' : 'is quiet'}` },
  );

withPrometheus(
  'a service is not there: the alert names the page, `up` tells a service that is down from one that nobody scrapes',
  async () => {
    const goOn = await running.pause('tokenVerification');
    try {
      await untilAlert('RescindServiceDown', true);
      const [down, ...others] = await query('up == 0');
      expect({ down: down?.metric['job'], others }).toEqual({ down: 'tokenVerification', others: [] });
    } finally {
      goOn();
    }
    await untilAlert('RescindServiceDown', false);
  },
  600_000,
);

withPrometheus(
  'marks do not come to an end: access is refused all the same, the log says what Postgres answers, and they end when it is mended',
  async () => {
    const person = await client.person();
    await eventually(async () => (await client.verdict(person.token)) === 'active');
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, n) => client.makeGrant({ user_id: person.userId }, `vault:${n}`)),
    );
    const ids = made.map(({ body }) => String(body['id']));
    const database = new pg.Client({ connectionString: stack.databaseUrl });
    await database.connect();
    try {
      await database.query('begin');
      await database.query('select 1 from grants.grants where user_id = $1 for update', [person.userId]);
      await client.workos('DELETE', `/user_management/users/${person.userId}`);
      await eventually(async () => (await client.verdict(person.token)) === 'user_deprovisioned');
      await eventually(async () => !(await client.allowed(person.userId, undefined, 'vault:1')));
      await untilAlert('RescindMarkingStuck', true);
      expect((await query('sum(increase(rescind_grants_marked_total[15s]))')).map(({ value }) => value[1])).toEqual([
        '0',
      ]);
      expect(await running.logs('grants')).toMatch(/timeout/);
    } finally {
      await database.query('rollback');
      await database.end();
    }
    await untilAlert('RescindMarkingStuck', false);
    await eventually(async () =>
      (await Promise.all(ids.map((id) => client.grantOf(id)))).every(({ status }) => status === 'revoked'),
    );
  },
  600_000,
);

/** One more replica of a service, on a machine whose clock is wrong. */
async function withClock(name: ServiceName, offset: string): Promise<Replica> {
  const env = {
    LD_PRELOAD: FAKETIME!,
    FAKETIME: offset,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  };
  const all = await moreReplicas(`clock${offset}`, stack, running, ROOT, env);
  const replica = all.find((one) => one.name === name)!;
  replicas.push(replica);
  return replica;
}
const readinessOf = async (url: string) => {
  const answer = await fetch(`${url}/health/ready`);
  return { ...((await answer.json()) as { missing?: Record<string, string> }), status: answer.status };
};
const clockFindings = async (service: 'token-verification' | 'webhook-ingress' | 'grants', url: string) =>
  diagnose(await examine({ urls: { [service]: url }, apiKey: stack.adminApiKey }))
    .filter(({ says }) => /clock/.test(says))
    .map(({ about, says }) => `${about}: ${says}`);

withFaketime(
  'clocks: a verifier that is ahead lets nobody in, and doctor says whose clock it is',
  async () => {
    const ahead = await withClock('tokenVerification', '+20s');
    void ahead.start().catch(() => undefined);
    await eventually(async () => Object.keys((await readinessOf(ahead.url)).missing ?? {}).join() === 'view', {
      timeoutMs: 180_000,
    });
    expect(await clockFindings('token-verification', ahead.url)).toEqual([
      expect.stringMatching(/^token-verification: Its clock is (19|20|21) s ahead/),
    ]);
    expect(await clockFindings('token-verification', stack.tokenVerification)).toEqual([]);
  },
  300_000,
);

withFaketime(
  'clocks: a verifier that is behind notices all the same that the relay says nothing any more',
  async () => {
    // An hour, so that by the wall clock alone it would not notice while this test waits.
    const behind = await withClock('tokenVerification', '-1h');
    await behind.start();
    const goOn = await running.pause('grants');
    try {
      await eventually(async () => (await readinessOf(behind.url)).missing?.['view'] !== undefined, {
        timeoutMs: 180_000,
      });
    } finally {
      goOn();
    }
    await eventually(async () => (await readinessOf(behind.url)).status === 200, { timeoutMs: 180_000 });
  },
  300_000,
);

withFaketime(
  'clocks: a webhook-ingress that is wrong by minutes refuses deliveries as stale, and WorkOS sends them again',
  async () => {
    const ahead = await withClock('webhookIngress', '+10m');
    await ahead.start();
    const { pathname } = new URL(stack.webhook.url);
    const event = { id: 'event_clock', event: 'user.created', data: { id: 'user_clock' } };
    const answer = await client.deliver(event, { url: ahead.url + pathname, secret: stack.webhook.secret });
    expect(answer).toBe(401);
    expect(await clockFindings('webhook-ingress', ahead.url)).toEqual([expect.stringMatching(/ s ahead/)]);
  },
  300_000,
);
