import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import type { ConsumedRecord } from '#kafka/record.js';
import type { Database } from '#platform/database.js';
import { rowsOf } from '#platform/sql.js';
import { providerRecord } from '#testing/provider-record.js';
import { WorkOSApi } from '#workos/api-client.js';
import { applyBatch } from '../apps/grants/src/events/apply-batch.js';
import { Reconciler } from '../apps/grants/src/reconciliation/reconciler.js';
import { insertRun, readRun } from '../apps/grants/src/reconciliation/reconciliation.sql.js';
import { PROVIDER, seconds, withGrantsDatabase } from './grants-database.js';
import type { Row } from './row.js';
import { workosLists } from './workos-lists.js';

const USERS = Number(process.env['BENCH_USERS'] ?? 100_000);
/** What grants allows itself by default. */
const REQUESTS_PER_SECOND = 25;
/** About as far as WorkOS is away. */
const LATENCY_MS = 100;
const BATCH = 1_000;
const OPTIONS = { suspensionOf: () => undefined, limits: { inline: 5_000 } };

/**
 * The first import of a tenant: users and memberships listed by a WorkOS that answers after 100 ms, until all of them are applied
 * in Postgres. Kafka is left out: what is published is applied in order, in batches as grants applies them. Floor: as many
 * requests at the rate that we allow ourselves.
 */
export async function importTenant(): Promise<Row[]> {
  return withGrantsDatabase(async (database) => {
    const workos = await workosLists(USERS, LATENCY_MS);
    try {
      const took = await seconds(() => imported(database, workos.url));
      const floor = workos.asked() / REQUESTS_PER_SECOND;
      return [
        {
          name: `first import of ${USERS.toLocaleString('en-US')} users and memberships, ${workos.asked()} requests`,
          value: took,
          unit: 's',
          floor,
          ratio: took / floor,
          target: '',
          met: undefined,
        },
      ];
    } finally {
      workos.close();
    }
  });
}

async function imported(database: Database, url: string): Promise<void> {
  const provider = providerRecord(PROVIDER, { api_key: 'sealed' });
  const published: ConsumedRecord[] = [];
  let offset = 0;
  const reconciler = new Reconciler({
    database,
    providers: { all: () => [provider], get: () => provider },
    publisher: {
      publish: async (topic, { key, value }) => {
        const place = { topic, partition: 0, offset: String(offset++) };
        published.push({ ...place, key: key === null ? null : Buffer.from(key), value, headers: {}, timestamp: '0' });
      },
    },
    apiOf: () => new WorkOSApi({ apiKey: 'sk_bench', baseUrl: url }),
    settings: { requestsPerSecond: REQUESTS_PER_SECOND, everyMs: 0, repairs: false },
    logger: pino({ level: 'silent' }),
  });
  const id = 'reconciliation_bench';
  await database.transaction((tx) =>
    insertRun(tx, { id, providerId: PROVIDER, dryRun: false, maxClosings: 10, requestedBy: 'bench' }),
  );
  const end = new AbortController();
  const leading = reconciler.lead(end.signal);
  try {
    for (let running = true; running || published.length > 0;) {
      const batch = published.splice(0, BATCH);
      if (batch.length > 0) await database.transaction((tx) => applyBatch(tx, batch, OPTIONS));
      else await delay(20);
      const run = await database.read((tx) => readRun(tx, id));
      running = run?.status === 'running';
      if (!running && run?.status !== 'done') throw new Error(`the import ended with ${run?.status}: ${run?.problem}`);
    }
  } finally {
    end.abort();
    await leading;
  }
  const [counted] = await database.read((tx) =>
    rowsOf<{ users: string; members: string }>(
      tx,
      `select (select count(*) from users where email is not null) as users,
         (select count(*) from memberships where status = 'active') as members`,
    ),
  );
  if (Number(counted!.users) !== USERS || Number(counted!.members) !== USERS) throw new Error('not all were imported');
}
