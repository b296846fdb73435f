import { execFile } from 'node:child_process';
import { join } from 'node:path';
import pg from 'pg';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { eventually } from '#testing/eventually.js';
import { type Difference } from '../../apps/grants/src/replay/compare.js';
import { replay, type ReplayReport } from '../../apps/grants/src/replay/replay.js';
import { ownTopics } from '../../apps/grants/test/kafka.js';
import { serverUrl } from '../../apps/grants/test/servers.js';
import { all, ownDatabase } from '../../apps/grants/test/support.js';
import { providerOf, publishProvider, publishWebhook, type RunningGrants, startGrants } from './running-grants.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
let client: KafkaClient;
let publisher: BatchPublisher;
let grants: RunningGrants;

beforeAll(async () => {
  own = await ownDatabase(10, { roles: true });
  client = await ownTopics();
  publisher = new BatchPublisher(client);
  const data = providerOf({ url: 'http://127.0.0.1:9', apiKey: 'sk_unused' }, 'idp');
  await publishProvider(publisher, { ...data, api_key: null });
  grants = await startGrants(own.url, client, { DATABASE_EXCESS_RIGHTS: 'refuse' });
  await history();
});
afterAll(async () => {
  await grants?.close();
  await publisher.close();
  await client.close();
  await own.drop();
});

let events = 0;
const say = (event: string, data: object, at = Date.now()): Promise<void> =>
  publishWebhook(
    publisher,
    'idp',
    JSON.stringify({
      id: `event_${String(++events).padStart(5, '0')}`,
      object: 'event',
      event,
      data,
      created_at: new Date(at).toISOString(),
    }),
  );

/** People who come, go and come back, in an order that is not theirs; and what somebody did by hand. */
async function history(): Promise<void> {
  const start = Date.now() - 600_000;
  for (let n = 0; n < 40; n++) {
    const [user, organization] = [`user_${n}`, `org_${n % 5}`];
    const member = (status: string) => ({ id: `om_${n}`, user_id: user, organization_id: organization, status });
    await Promise.all([
      say('organization_membership.updated', member(n % 3 === 0 ? 'inactive' : 'active'), start + n * 1_000 + 500),
      say('user.created', { id: user, email: `${user}@example.test` }, start + n * 1_000),
      say('organization_membership.created', member('active'), start + n * 1_000 + 100),
      say('session.created', { id: `session_${n}`, user_id: user }, start + n * 1_000 + 200),
    ]);
  }
  for (let n = 0; n < 40; n += 4) await say('user.deleted', { id: `user_${n}` }, start + 100_000 + n);
  await eventually(async () => (await grants.call('GET', '/v1/events?limit=500')).body.data.length === events);
  for (const n of [1, 2, 5, 7]) {
    const body = { provider_id: 'idp', user_id: `user_${n}`, resource: 'vault', scopes: ['read'] };
    expect((await grants.call('POST', '/v1/grants', body)).status).toBe(201);
  }
  await say('user.deleted', { id: 'user_1' });
  await grants.call('POST', '/v1/revocations', { provider_id: 'idp', user_id: 'user_2', reason: 'lost a key' });
  await grants.call('POST', '/v1/revocations', { provider_id: 'idp', user_id: 'user_5', reason: 'a mistake' });
  await grants.call('POST', '/v1/reinstatements', { provider_id: 'idp', user_id: 'user_5', reason: 'it was one' });
  await eventually(async () => (await grants.call('GET', '/v1/events?limit=500')).body.data.length === events);
}

const verify = (more: Partial<Parameters<typeof replay>[0]> = {}): Promise<ReplayReport> =>
  replay({
    database: { url: own.url, migrationUrl: own.migrationUrl, poolSize: 4, timeoutMs: 60_000 },
    client,
    source: 'receipts',
    suspensionOf: () => undefined,
    ...more,
  });

/** What nobody may do, and a database can suffer all the same. */
async function damage(statement: string, parameters: unknown[] = []): Promise<void> {
  const superuser = Object.assign(new URL(await serverUrl()), { pathname: new URL(own.url).pathname });
  const connection = new pg.Client({ connectionString: superuser.href });
  await connection.connect();
  try {
    await connection.query('set session_replication_role = replica; set search_path = grants');
    expect((await connection.query(statement, parameters)).rowCount).toBe(1);
  } finally {
    await connection.end();
  }
}
const about = ({ differences }: ReplayReport) => differences.map(({ what, key }: Difference) => [what, key]);

test.each(['receipts', 'kafka'] as const)('from the %s comes the same state, to the byte', async (source) => {
  const report = await verify({ source });
  expect(report.differences).toEqual([]);
  expect(report.records).toBeGreaterThanOrEqual(events);
  expect(report.grants).toBe(4);
  expect(report.scopes).toBeGreaterThan(10);
  expect(await all(own.database, `select 1 from pg_namespace where nspname like 'grants_replay%'`)).toEqual([]);
});

/** The command, in a process of its own, with the roles of deploy/postgres/roles.sql and no other. */
const command = (env: Record<string, string>) =>
  new Promise<{ code: unknown; said: string }>((resolve) => {
    const settings = {
      DATABASE_URL: own.url,
      KAFKA_BROKERS: client.config.brokers.join(),
      KAFKA_TOPIC_PREFIX: client.config.topicPrefix,
    };
    const file = join(import.meta.dirname, '../../dist/apps/grants/src/replay/main.js');
    execFile(process.execPath, [file, '--verify'], { env: { ...settings, ...env } }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, said: out + err }),
    );
  });

test('npm run replay -- --verify, where grants may not make a schema and nobody may rewrite the audit', async () => {
  const { code, said } = await command({ MIGRATION_DATABASE_URL: own.migrationUrl! });
  expect(said).toMatch('The live state is what the events say.');
  expect(code).toBe(0);
  const alone = await command({});
  expect(alone.said).toMatch('set MIGRATION_DATABASE_URL, to the role that migrates');
  expect(alone.code).toBe(1);
  // The other way round: by whoever migrates, alone.
  expect((await command({ DATABASE_URL: own.migrationUrl! })).code).toBe(0);
  expect(await all(own.database, `select 1 from pg_namespace where nspname like 'grants_replay%'`)).toEqual([]);
});

test('each damaged row is found, and what is lacking is put back', async () => {
  await damage(`update scopes set closed_at = '-infinity', reason = null, source_event_id = null, occurred_at = null
    where scope_key = 'idp/user:user_4'`);
  await damage(`delete from scope_closings where scope_key = 'idp/user:user_8'`);
  await damage(`update grants set revoked_at = null, reason = null, source_event_id = null, revoked_scope = null, actor = null
    where user_id = 'user_1'`);
  const report = await verify();
  const [{ id: grantId }] = (await all<{ id: string }>(
    own.database,
    `select id from grants where user_id = 'user_1'`,
  )) as [{ id: string }];
  expect(about(report)).toEqual([
    ['scope', 'idp/user:user_4'],
    ['closing', expect.stringMatching(/^idp\/user:user_8 Infinity /)],
    ['mark', grantId],
  ]);
  const [scope] = report.differences;
  expect(scope!.live).toBeNull(); // a row that says nothing is as good as none
  expect(JSON.parse(scope!.replayed!)).toMatchObject({ closed_at: 'Infinity', reason: 'user_deprovisioned' });

  await verify({ repair: true });
  await eventually(async () => (await verify()).differences.length === 0);
  expect((await grants.call('GET', `/v1/grants/${grantId}`)).body.status).toBe('revoked');
});

test('what stands on the topic and should not, or does not and should', async () => {
  const key = 'idp/user:user_12';
  await publisher.publish(TOPICS.revocationState, { key, value: null });
  const opened = JSON.stringify({
    specversion: '1.0',
    id: 'state_forged',
    source: '/grants',
    type: 'io.rescind.revocation-state.v1',
    datacontenttype: 'application/json',
    data: {
      scope: 'idp/user:user_16',
      provider_id: 'idp',
      user_id: 'user_16',
      closed_at: null,
      opened_at: null,
      tokens_before: null,
      reason: null,
      source_event_id: null,
      occurred_at: null,
    },
  });
  await publisher.publish(TOPICS.revocationState, { key: 'idp/user:user_16', value: Buffer.from(opened) });
  const report = await verify();
  expect(about(report).sort()).toEqual([
    ['topic', key],
    ['topic', 'idp/user:user_16'],
  ]);
  await verify({ repair: true });
  await eventually(async () => (await verify()).differences.length === 0);
});

test('events that come while it compares are no differences', async () => {
  let more = true;
  const going = (async () => {
    for (let n = 0; more; n++) await say('user.deleted', { id: `user_passing_${n}` });
  })();
  try {
    for (let round = 0; round < 3; round++) expect((await verify()).differences).toEqual([]);
  } finally {
    more = false;
    await going;
  }
});
