import pg from 'pg';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { Database, type DatabaseConfig } from '#platform/database.js';
import { eventually } from '#testing/eventually.js';
import { EventApplier } from '../src/events/event-applier.js';
import { GRANTS_SCHEMA } from '../src/grants-schema.js';
import { GrantsMetrics } from '../src/grants-metrics.js';
import { all, event, newProvider, NO_RULE, ownDatabase, type OwnDatabase, recordOf } from './support.js';

let own: OwnDatabase;
let admin: pg.Client;
beforeAll(async () => {
  own = await ownDatabase(4);
  admin = new pg.Client({ connectionString: own.url });
  await admin.connect();
  await admin.query('set search_path = grants');
});
afterAll(async () => {
  await admin.end();
  await own.drop();
});

const applierOf = (database: Database): EventApplier =>
  new EventApplier(
    database,
    { settle: () => Promise.resolve() },
    NO_RULE.suspensionOf,
    NO_RULE.limits,
    () => undefined,
    { wake: () => undefined },
    new GrantsMetrics(new Registry()),
    pino({ level: 'silent' }),
  );
async function another(more: Partial<DatabaseConfig> = {}): Promise<Database> {
  const database = new Database({ url: own.url, poolSize: 2, timeoutMs: 60_000, ...more }, GRANTS_SCHEMA);
  await database.start();
  return database;
}
const leaving = (providerId: string, people = 5) =>
  Array.from({ length: people }, (_, index) => recordOf(event('user.deleted', index, { id: `user_${index}` }), providerId)); // prettier-ignore
const kept = async (providerId: string): Promise<[number, number]> => {
  const receipts = await all(own.database, 'select 1 from receipts where provider_id = $1', [providerId]);
  const aside = await all(own.database, 'select 1 from set_aside');
  return [receipts.length, aside.length];
};

/** Postgres itself answers with this code when the receipt of one of these events is written. */
async function whileReceiptsFail(code: string, eventIds: readonly string[] | 'all', work: () => Promise<void>) {
  const when = eventIds === 'all' ? '' : `when (new.event_id in (${eventIds.map((id) => `'${id}'`).join()}))`;
  await admin.query(`
    create function receipts_fail() returns trigger language plpgsql as
      $$ begin raise exception 'as if' using errcode = '${code}'; end $$;
    create trigger receipts_fail before insert on receipts for each row ${when} execute function receipts_fail()`);
  try {
    await work();
  } finally {
    await admin.query('drop trigger receipts_fail on receipts; drop function receipts_fail');
  }
}

test.each([
  ...['53000', '53100', '53200', '53300', '53400', '40001', '40P01', '57014', '57P01', '57P02', '57P03', '55P03', '58030', '25006'], // prettier-ignore
  ...['23505', '42P01', 'XX000'],
])('%s in the middle of a batch: nothing of it is kept, nothing is set aside, and it comes again', async (code) => {
  const providerId = newProvider();
  const records = leaving(providerId);
  const applier = applierOf(own.database);
  const last = `${(JSON.parse(String(records.at(-1)!.value)) as { id: string }).id}`;
  await whileReceiptsFail(code, [last], async () => {
    await expect(applier.apply(records)).rejects.toThrow('as if');
    expect(await kept(providerId)).toEqual([0, 0]);
  });
  await applier.apply(records);
  expect(await kept(providerId)).toEqual([5, 0]);
});

test('a backend that is killed in the middle of a batch', async () => {
  const providerId = newProvider();
  const records = leaving(providerId);
  const database = await another();
  await admin.query('begin; lock table scopes in exclusive mode');
  const applying = applierOf(database).apply(records).catch((error: unknown) => error); // prettier-ignore
  const waiting = await eventually(async () => {
    const { rows } = await admin.query<{ pid: number }>(
      `select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    );
    return rows[0]?.pid;
  }, { what: 'it waits' }); // prettier-ignore
  await admin.query('select pg_terminate_backend($1)', [waiting]);
  expect(await applying).toMatchObject({ name: 'DatabaseUnavailable' });
  await admin.query('rollback');
  expect(await kept(providerId)).toEqual([0, 0]);
  await applierOf(database).apply(records);
  expect(await kept(providerId)).toEqual([5, 0]);
  await database.close();
});

test.each([
  ['statement_timeout', { timeoutMs: 300 }, ''],
  ['lock_timeout', {}, '200ms'],
])('a lock that is not to be had within %s', async (_, settings, lockTimeout) => {
  const providerId = newProvider();
  const records = leaving(providerId);
  const name = new URL(own.url).pathname.slice(1);
  if (lockTimeout) await admin.query(`alter database ${name} set lock_timeout = '${lockTimeout}'`);
  const database = await another(settings);
  await admin.query('begin; lock table scopes in exclusive mode');
  await expect(applierOf(database).apply(records)).rejects.toMatchObject({ name: 'DatabaseUnavailable' });
  await admin.query('rollback');
  await admin.query(`alter database ${name} reset lock_timeout`);
  await database.close();
  expect(await kept(providerId)).toEqual([0, 0]);
  await applierOf(own.database).apply(records);
  expect(await kept(providerId)).toEqual([5, 0]);
});

test('too many connections', async () => {
  const limited = await ownDatabase(2, { roles: true });
  const name = new URL(limited.url).pathname.slice(1);
  const database = new Database(
    { url: limited.url, migrationUrl: limited.migrationUrl, poolSize: 2, timeoutMs: 10_000 },
    GRANTS_SCHEMA,
  );
  await database.start();
  await limited.asAdmin(`alter database ${name} connection limit 0`);
  await limited.asAdmin(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}' and usename = 'rescind_grants'`); // prettier-ignore
  const records = leaving(newProvider());
  const applier = applierOf(database);
  // The first may still meet a connection that was ended, the second must ask for a new one.
  for (let times = 0; times < 3; times++) {
    await expect(applier.apply(records)).rejects.toMatchObject({ name: 'DatabaseUnavailable' });
  }
  await limited.asAdmin(`alter database ${name} connection limit -1`);
  await eventually(() => applier.apply(records).then(() => true, () => false), { what: 'they are applied' }); // prettier-ignore
  expect(await database.read((tx) => tx.query('select 1 from set_aside'))).toEqual([]);
  await database.close();
  await limited.drop();
});

test('what Postgres can never store is set aside alone, and the rest of the batch is applied', async () => {
  const providerId = newProvider();
  const records = leaving(providerId);
  const poison = (JSON.parse(String(records[2]!.value)) as { id: string }).id;
  await whileReceiptsFail('22021', [poison], () => applierOf(own.database).apply(records));
  expect(await kept(providerId)).toEqual([4, 1]);
  const [row] = await all<object>(own.database, 'select reason, detail, value from set_aside');
  expect(row).toEqual({ reason: 'event_unstorable', detail: '22021', value: records[2]!.value });
  const position = await all(own.database, 'select next_offset from consumer_positions');
  expect(position).toEqual([{ next_offset: String(BigInt(records.at(-1)!.offset) + 1n) }]);
});
