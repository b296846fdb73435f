import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { ConsumedRecord } from '#kafka/record.js';
import { encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import { Database } from '#platform/database.js';
import { startPostgres } from '#testing/servers.js';
import { GRANTS_SCHEMA } from '../apps/grants/src/grants-schema.js';

export const PROVIDER = 'idp_bench';

const dir = join(import.meta.dirname, '../../.local/bench');

/**
 * Grants' schema in a database of its own, durable, on a Postgres that does nothing else (or on the one of `DATABASE_URL`).
 * @param work `cpu` answers the CPU seconds that this process and Postgres have used; NaN where Postgres is not ours
 */
export async function withGrantsDatabase<T>(work: (database: Database, cpu: () => number) => Promise<T>): Promise<T> {
  const postgres = await startPostgres({ dir, cache: dir, durable: true });
  const name = `bench_${randomBytes(4).toString('hex')}`;
  const server = new pg.Client({ connectionString: postgres.url });
  try {
    await server.connect();
    await server.query(`create database ${name}`);
    const url = Object.assign(new URL(postgres.url), { pathname: `/${name}` });
    const database = new Database({ url: url.href, poolSize: 4, timeoutMs: 3_600_000 }, GRANTS_SCHEMA);
    try {
      await database.start();
      return await work(database, () => cpuSeconds(postgres.local?.pid));
    } finally {
      await database.close();
      await server.query(`drop database ${name} with (force)`);
    }
  } finally {
    await server.end();
    await postgres.stop();
  }
}

/** Of this process and of the children of another one, as Linux counts them (in hundredths). */
function cpuSeconds(parent: number | undefined): number {
  if (parent === undefined || process.platform !== 'linux') return NaN;
  const { user, system } = process.cpuUsage();
  let hundredths = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const [, ppid, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(ppid) === parent) hundredths += Number(rest[9]) + Number(rest[10]); // utime, stime
    } catch {
      // it has ended
    }
  }
  return (user + system) / 1e6 + hundredths / 100;
}

let events = 0;

/** An event of now as it stands in Kafka. */
export function recordOf(type: string, data: object, occurredAt = new Date(), provider = PROVIDER): ConsumedRecord {
  const id = `event_${String(++events).padStart(26, '0')}`;
  const body = Buffer.from(JSON.stringify({ id, event: type, data, created_at: occurredAt.toISOString() }));
  const envelope = readWorkOSEnvelope(body);
  return {
    topic: 'workos.events',
    partition: 0,
    offset: String(events),
    key: Buffer.from(envelope.key),
    value: encodeWorkOSRecord(body, envelope, { id: provider, mode: 'enforced' }, new Date()),
    headers: {},
    timestamp: String(Date.now()),
  };
}

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1_000;
}
