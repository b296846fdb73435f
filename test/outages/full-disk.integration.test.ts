import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { eventually } from '#testing/eventually.js';
import { LocalPostgres } from '#testing/local-postgres.js';
import { ownTopics } from '../../apps/grants/test/kafka.js';
import { type Body, providerOf, publishProvider, publishWebhook, type RunningGrants, startGrants } from '../completeness/running-grants.js'; // prettier-ignore
import { OwnDisk } from './own-disk.js';

// Postgres on a disk of its own that is really full: the kernel says so (ENOSPC), and Postgres does what it does then.

const dir = mkdtempSync(join(tmpdir(), 'rescind-disk-'));
chmodSync(dir, 0o755); // PostgreSQL does not run as root, and must reach it
const data = join(dir, 'data');
const mounted = OwnDisk.mount(data, 160);
const disk = typeof mounted === 'string' ? undefined : mounted;
const onOwnDisk = disk ? test : test.skip;
if (!disk) console.warn(`skipped: a disk of its own needs root and the right to mount: ${String(mounted)}`);

let postgres: LocalPostgres | undefined;
let client: KafkaClient;
let publisher: BatchPublisher;
let grants: RunningGrants | undefined;

beforeAll(async () => {
  if (!disk) return;
  postgres = await LocalPostgres.create({ dir: data });
  await appendFile(join(data, 'postgresql.conf'), '\nmin_wal_size = 32MB\nmax_wal_size = 48MB\n');
  await postgres.start();
  client = await ownTopics();
  publisher = new BatchPublisher(client);
  const provider = providerOf({ url: 'http://127.0.0.1:9', apiKey: 'sk_unused' }, 'idp');
  await publishProvider(publisher, { ...provider, api_key: null });
  grants = await startGrants(postgres.url(), client, { DATABASE_TIMEOUT_MS: '5000' });
}, 300_000);
afterAll(async () => {
  disk?.free();
  await grants?.close();
  await publisher?.close();
  await client?.close();
  await postgres?.stop();
  disk?.unmount();
  rmSync(dir, { recursive: true, force: true });
}, 120_000);

/** Each is a user who is deleted, with enough in it that there is no room for many. */
async function peopleLeave(from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    const data = { id: `user_${n}`, metadata: { note: Array.from({ length: 50 }, () => Math.random()).join() } };
    const event = {
      id: `event_${n}`,
      object: 'event',
      event: 'user.deleted',
      data,
      created_at: new Date().toISOString(),
    };
    await publishWebhook(publisher, 'idp', JSON.stringify(event));
  }
}
const ready = async (): Promise<{ status: number; body: Body }> => {
  const answer = await fetch(`${grants!.url}/health/ready`);
  return { status: answer.status, body: await answer.json() };
};
const get = async (path: string): Promise<Body> => {
  const { status, body } = await grants!.call('GET', path);
  if (status !== 200) throw new Error(`${path}: ${status}`);
  return body;
};
/** Whether everybody up to here has left, nobody was set aside, and everybody else is still in. */
async function everybodyHasLeft(to: number): Promise<void> {
  await eventually(async () => (await get('/v1/events?limit=500')).data.length === to, {
    everyMs: 200,
    what: `${to} events`,
  });
  for (const n of [0, to - 1]) {
    const question = { provider_id: 'idp', user_id: `user_${n}`, resource: 'vault', scopes: ['read'] };
    expect((await grants!.call('POST', '/v1/grants', question)).status).toBe(409);
  }
  expect((await get('/v1/set-aside')).data).toEqual([]);
  await eventually(async () => (await ready()).status === 200);
  expect((await ready()).body.events).toBeUndefined();
}

onOwnDisk(
  'the disk of Postgres is full: batches come again, reads go on, and it recovers by itself',
  async () => {
    await peopleLeave(0, 3);
    await everybodyHasLeft(3);
    disk!.fill();
    await peopleLeave(3, 303);
    await eventually(async () => (await ready()).body.events !== undefined, { what: 'it says that events wait' });
    expect((await get('/v1/events?limit=500')).data.length).toBeLessThan(303);
    // There may be room in the pages that there are, and then a grant is made; without, it is not for the caller to mend.
    const question = {
      provider_id: 'idp',
      user_id: 'user_stays',
      resource: `vault:${'x'.repeat(200)}`,
      scopes: ['read'],
    };
    const another = async (): Promise<boolean> => (await grants!.call('POST', '/v1/grants', question)).status === 503;
    await eventually(another, { what: 'the API says that it cannot write now' });
    expect((await get('/v1/set-aside')).data).toEqual([]);
    disk!.free();
    await everybodyHasLeft(303);
  },
  240_000,
);

onOwnDisk(
  'no room for its log either: Postgres goes down, grants says so, and goes on once it is back',
  async () => {
    const down = async (): Promise<boolean> => {
      disk!.fill();
      const writer = new pg.Client({ connectionString: postgres!.url(), connectionTimeoutMillis: 1_000 });
      writer.on('error', () => undefined);
      try {
        await writer.connect();
        for (;;) await writer.query(`select pg_logical_emit_message(false, 'full', repeat('x', 1000000))`);
      } catch {
        return (await ready()).status === 503;
      } finally {
        await writer.end().catch(() => undefined);
      }
    };
    await eventually(down, { what: 'grants says that its database is away' });
    expect((await fetch(`${grants!.url}/health/live`)).status).toBe(200);
    await peopleLeave(303, 323);
    disk!.free();
    await postgres!.start(); // as whatever keeps Postgres running does
    await everybodyHasLeft(323);
  },
  240_000,
);
