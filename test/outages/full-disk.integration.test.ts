import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
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

// Postgres on a disk of its own that is really full: the kernel says so (ENOSPC), and Postgres does what it does then.

const MEGABYTES = 160;
const dir = mkdtempSync(join(tmpdir(), 'rescind-disk-'));
chmodSync(dir, 0o755); // PostgreSQL does not run as root, and must reach it
const disk = join(dir, 'data');
const whyNot = mount();
const onOwnDisk = whyNot === undefined ? test : test.skip;
if (whyNot !== undefined) console.warn(`skipped: a disk of its own needs root and the right to mount: ${whyNot}`);

/** Answers why it cannot be done here. */
function mount(): string | undefined {
  try {
    execFileSync('mkdir', [disk]);
    const options = `size=${MEGABYTES}m,mode=0700`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'rescind-full-disk', disk], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return String((error as { stderr?: Buffer }).stderr ?? error).trim();
  }
}

let postgres: LocalPostgres | undefined;
let client: KafkaClient;
let publisher: BatchPublisher;
let grants: RunningGrants | undefined;

beforeAll(async () => {
  if (whyNot !== undefined) return;
  postgres = await LocalPostgres.create({ dir: disk });
  await appendFile(join(disk, 'postgresql.conf'), '\nmin_wal_size = 32MB\nmax_wal_size = 48MB\n');
  await postgres.start();
  client = await ownTopics();
  publisher = new BatchPublisher(client);
  const data = providerOf({ url: 'http://127.0.0.1:9', apiKey: 'sk_unused' }, 'idp');
  await publishProvider(publisher, { ...data, api_key: null });
  grants = await startGrants(postgres.url(), client, { DATABASE_TIMEOUT_MS: '5000' });
}, 300_000);
afterAll(async () => {
  free();
  await grants?.close();
  await publisher?.close();
  await client?.close();
  await postgres?.stop();
  if (whyNot === undefined) execFileSync('umount', ['-l', disk]);
  rmSync(dir, { recursive: true, force: true });
}, 120_000);

const ballast = join(disk, 'ballast');
/** To the last byte. */
function fill(): void {
  const file = openSync(ballast, 'a');
  for (let size = 1 << 20; size > 0;) {
    try {
      writeSync(file, Buffer.alloc(size));
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOSPC') throw error;
      size >>= 1;
    }
  }
  closeSync(file);
}
const free = (): void => rmSync(ballast, { force: true });

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
    fill();
    await peopleLeave(3, 303);
    await eventually(async () => (await ready()).body.events !== undefined, { what: 'it says that events wait' });
    expect((await get('/v1/events?limit=500')).data.length).toBeLessThan(303);
    expect((await get('/v1/grants?limit=1')).data).toEqual([]);
    free();
    await everybodyHasLeft(303);
  },
  240_000,
);

onOwnDisk(
  'no room for its log either: Postgres goes down, grants says so, and goes on once it is back',
  async () => {
    const down = async (): Promise<boolean> => {
      fill();
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
    free();
    await postgres!.start(); // as whatever keeps Postgres running does
    await everybodyHasLeft(323);
  },
  240_000,
);
