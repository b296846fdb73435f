import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from '../libs/platform/src/database.js';
import { rowsOf, type Tx } from '../libs/platform/src/sql.js';
import { clearPostgres, LocalPostgres } from '../libs/testing/src/local-postgres.js';
import { AuditController } from '../apps/grants/src/audit/audit.controller.js';
import { EventsController } from '../apps/grants/src/events/events.controller.js';
import { GRANTS_SCHEMA } from '../apps/grants/src/grants-schema.js';
import { listGrants } from '../apps/grants/src/grants/list-grants.js';
import { readRevocations } from '../apps/grants/src/scopes/revocations.sql.js';
import { UsersController } from '../apps/grants/src/directory/users.controller.js';
import { quantile, type Row } from './row.js';

/**
 * Every list page against a PostgreSQL of its own that holds as much as is promised for: `LISTS_USERS=1000000 npm run bench -- lists`
 * fills some 9 GB first. Ten grants a person. Without it a fiftieth of that, which shows a scan as well.
 */
const USERS = Number(process.env['LISTS_USERS'] ?? 20_000);
const GRANTS = USERS * 10;
const ORGANIZATIONS = Math.max(10, USERS / 500);
const TARGET_MS = 50;
const TURNS = 25;
const PROVIDER = 'idp_big';
/** A provider that has next to nothing: its pages must not cost a walk through the other one's rows. */
const SMALL = 'idp_small';
const LIMIT = 51;

export async function lists(): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), 'rescind-lists-'));
  const postgres = await LocalPostgres.create({ dir: join(dir, 'pg'), fsync: false });
  await postgres.start();
  const url = postgres.url();
  const database = new Database({ url, poolSize: 4, timeoutMs: 3_600_000 }, GRANTS_SCHEMA);
  try {
    await database.start();
    await fill(database);
    return await measure(database);
  } finally {
    await database.close();
    await postgres.stop();
    await clearPostgres(join(dir, 'pg'));
    await rm(dir, { recursive: true, force: true });
  }
}

const hash = (what: string): string => `substr(md5(${what}), 1, 26)`;
const user = (n: string): string => `'user_' || ${hash(n)}`;
/** Half of all people are in the ten largest organizations: their pages are the hard ones. */
const organization = (n: string): string =>
  `'org_' || case when ${n} % 2 = 0 then ${n} % 10 else ${n} % ${ORGANIZATIONS} end`;
/** Id as grants are called: sorted by the time of granting. */
const grant = (n: string): string => `'grant_' || lpad(${n}::text, 12, '0')`;
const AT = Date.parse('2026-01-01T00:00:00Z');

/** What would come by events in weeks, written as it would stand there. Indexes are made at the end, as one does with so much. */
async function fill(database: Database): Promise<void> {
  const started = Date.now();
  const n = 'n::int';
  const statements: [what: string, table: string, sql: string][] = [
    [
      'users',
      'users',
      `insert into users (provider_id, id, email, first_name, last_name, profile_at, last_seen_at)
       select '${PROVIDER}', ${user('n::text')}, ${hash(`'mail' || n`)} || n || '@example.com',
         initcap(substr(md5('f' || n % 2000), 1, 7)), initcap(substr(md5('l' || n % 50000), 1, 9)), ${AT} + n, ${AT} + n
       from generate_series(1, ${USERS}) n`,
    ],
    [
      'organizations',
      'organizations',
      `insert into organizations (provider_id, id, name) select '${PROVIDER}', 'org_' || n, 'Organization ' || n
       from generate_series(0, ${ORGANIZATIONS}) n`,
    ],
    [
      'memberships',
      'memberships',
      `insert into memberships (provider_id, user_id, organization_id, membership_id, status, changed_at, changed_event)
       select '${PROVIDER}', ${user('n::text')}, ${organization(n)}, 'om_' || n, 'active', ${AT} + n, 'event_' || n
       from generate_series(1, ${USERS}) n`,
    ],
    [
      'sessions',
      'sessions',
      `insert into sessions (provider_id, id, user_id, organization_id, created_at, last_seen_at)
       select '${PROVIDER}', 'session_' || n, ${user('n::text')}, ${organization(n)}, ${AT} + n, ${AT} + n
       from generate_series(1, ${USERS}) n`,
    ],
    [
      // One in twenty people is gone.
      'scopes',
      'scopes',
      `insert into scopes (scope_key, provider_id, kind, user_id, closed_at, reason, source_event_id, occurred_at)
       select '${PROVIDER}/user:' || ${user('n::text')}, '${PROVIDER}', 'user', ${user('n::text')}, 'infinity',
         'user_deprovisioned', 'event_' || n, ${AT} + n
       from generate_series(20, ${USERS}, 20) n`,
    ],
    [
      'closings',
      'scope_closings',
      `insert into scope_closings (scope_key, closed_at, reason, source_event_id, occurred_at)
       select scope_key, closed_at, reason, source_event_id, occurred_at from scopes where reason is not null`,
    ],
    [
      // The tenth part of all expires, of it the tenth part has.
      'grants',
      'grants',
      `insert into grants (id, provider_id, user_id, organization_id, resource, scopes, granted_at, expires_at, granted_by,
         revoked_at, reason, source_event_id, revoked_scope)
       select ${grant('n')}, '${PROVIDER}', ${user('u::text')}, case when n % 3 > 0 then ${organization('u')} end,
         'resource-' || n % 200, array['read'], ${AT} + n,
         case when n % 100 = 7 then ${AT} + n when n % 10 = 7 then 4102444800000 end, 'app',
         case when u % 20 = 0 then ${AT} + u end, case when u % 20 = 0 then 'user_deprovisioned' end,
         case when u % 20 = 0 then 'event_' || u end, case when u % 20 = 0 then '${PROVIDER}/user:' || ${user('u::text')} end
       from (select n, (n % ${USERS})::int + 1 as u from generate_series(1, ${GRANTS}) n) g`,
    ],
    [
      'events',
      'receipts',
      `insert into receipts (provider_id, event_id, type, outcome, user_id, organization_id, occurred_at, received_at, topic,
         partition, kafka_offset, value)
       select '${PROVIDER}', 'event_' || n,
         (array['user.created', 'organization_membership.created', 'session.created'])[1 + n % 3], 'no_effect',
         ${user(`(n % ${USERS} + 1)::text`)}, case when n % 3 = 1 then ${organization(n)} end, ${AT} + n, now(),
         'workos.events', n % 12, n, convert_to(repeat('x', 300), 'utf8')
       from generate_series(1, ${USERS}) n`,
    ],
    [
      'revocations',
      'revocations',
      `insert into revocations (provider_id, scope_key, user_id, organization_id, data)
       select '${PROVIDER}', '${PROVIDER}/user:' || ${user('n::text')}, ${user('n::text')}, null,
         json_build_object('scope', '${PROVIDER}/user:' || ${user('n::text')}, 'reason', 'user_deprovisioned')
       from generate_series(1, ${USERS}) n`,
    ],
    [
      'audit',
      'audit',
      `insert into audit (actor, action, provider_id, subject, reason, source_event_id)
       select 'workos', 'grant.created', '${PROVIDER}', ${grant('n')}, null, null
       from generate_series(1, ${USERS * 2}) n`,
    ],
    [
      'the chain of the audit',
      'audit_chain',
      `insert into audit_chain (seq, audit_id, hash) select row_number() over (order by id), id, sha256(id::text::bytea)
       from audit`,
    ],
  ];
  for (const [what, table, sql] of statements) {
    const at = Date.now();
    await database.transaction(async (tx) => {
      // Triggers would put two million rows of the audit in line to be sealed.
      await tx.query('set local session_replication_role = replica');
      await tx.query(`alter table ${table} set unlogged`); // nothing here has to outlive a crash
      const indexes = await rowsOf<{ indexname: string; indexdef: string }>(
        tx,
        `select indexname, indexdef from pg_indexes i where schemaname = current_schema() and tablename = $1
           and not exists (select 1 from pg_constraint c where c.conname = i.indexname)`,
        [table],
      );
      for (const { indexname } of indexes) await tx.query(`drop index ${indexname}`);
      await tx.query(sql);
      for (const { indexdef } of indexes) await tx.query(indexdef);
    });
    await database.read((tx) => tx.query(`analyze ${table}`));
    console.error(`  filled: ${what}, ${Math.round((Date.now() - at) / 1000)} s`);
  }
  await database.read((tx) => tx.query('vacuum (analyze)'));
  const [size] = await database.read((tx) =>
    rowsOf<{ size: string }>(tx, 'select pg_size_pretty(pg_database_size(current_database())) as size'),
  );
  console.error(`  ${size!.size} in ${Math.round((Date.now() - started) / 1000)} s`);
}

/** A statement as it was sent, so that its plan can be asked for. */
interface Statement {
  text: string;
  parameters: unknown[];
  ms: number;
}

async function measure(database: Database): Promise<Row[]> {
  const users = new UsersController(database);
  const events = new EventsController(database);
  const audit = new AuditController(database);
  const page = { limit: LIMIT - 1, cursor: undefined };
  const people = await database.read((tx) =>
    rowsOf<{ id: string; email: string; last_name: string }>(
      tx,
      `select id, email, last_name from users where id > 'user_' || substr(md5(random()::text), 1, 4)
       order by id limit ${TURNS}`,
    ),
  );
  const person = (turn: number) => people[turn % people.length]!;
  const grants = (query: Record<string, unknown>) =>
    database.read((tx) => listGrants(tx, { ...page, ...query } as Parameters<typeof listGrants>[1]));
  const revocations = (filter: object) =>
    database.read((tx) => readRevocations(tx, filter, { before: undefined, limit: LIMIT }));
  const largest = 'org_2';

  const pages: Record<string, (turn: number) => Promise<unknown>> = {
    users: () => users.list({ ...page, q: undefined, provider_id: undefined }),
    'users of a small provider': () => users.list({ ...page, q: undefined, provider_id: SMALL }),
    'users, one letter typed': (turn) => users.list({ ...page, q: 'abcdef'[turn % 6], provider_id: undefined }),
    'users, beginning of an id': (turn) =>
      users.list({ ...page, q: person(turn).id.slice(0, 9), provider_id: PROVIDER }),
    'users, beginning of an address': (turn) =>
      users.list({ ...page, q: person(turn).email.slice(0, 5), provider_id: undefined }),
    'users, beginning of a name': (turn) =>
      users.list({ ...page, q: person(turn).last_name.slice(0, 3), provider_id: undefined }),
    'users, nothing found': () => users.list({ ...page, q: 'zzzzzz', provider_id: undefined }),
    'a user': (turn) => users.get(person(turn).id, { provider_id: undefined }),
    grants: () => grants({}),
    'grants, active': () => grants({ status: 'active' }),
    'grants, revoked': () => grants({ status: 'revoked' }),
    'grants, expired': () => grants({ status: 'expired' }),
    'grants of a user': (turn) => grants({ user_id: person(turn).id }),
    'grants of a user, revoked': (turn) => grants({ user_id: person(turn).id, status: 'revoked' }),
    'grants of a large organization': () => grants({ organization_id: largest }),
    'grants of a large organization, active': () => grants({ organization_id: largest, status: 'active' }),
    'grants of a large organization, revoked': () => grants({ organization_id: 'org_1', status: 'revoked' }),
    'grants of a large organization, expired': () => grants({ organization_id: largest, status: 'expired' }),
    'grants of a resource': (turn) => grants({ resource: `resource-${turn}` }),
    'grants of a resource, revoked': (turn) => grants({ resource: `resource-${turn + 1}`, status: 'revoked' }),
    'grants of a small provider': () => grants({ provider_id: SMALL }),
    events: () => events.list({ ...page }),
    'events of a type': () => events.list({ ...page, type: 'session.created' }),
    'events of a rare type': () => events.list({ ...page, type: 'user.deleted' }),
    'events of a user': (turn) => events.list({ ...page, user_id: person(turn).id }),
    'events of a user and type': (turn) => events.list({ ...page, user_id: person(turn).id, type: 'user.created' }),
    'events of a large organization': () => events.list({ ...page, organization_id: largest }),
    'events of a small provider': () => events.list({ ...page, provider_id: SMALL }),
    revocations: () => revocations({}),
    'revocations of a user': (turn) => revocations({ user_id: person(turn).id }),
    'revocations of a small provider': () => revocations({ provider_id: SMALL }),
    audit: () => audit.list({ ...page }),
    'audit of a subject': (turn) => audit.list({ ...page, subject: `grant_${String(turn + 1).padStart(12, '0')}` }),
    'audit of a person': (turn) => audit.list({ ...page, user_id: person(turn).id, provider_id: PROVIDER }),
    'audit of a small provider': () => audit.list({ ...page, provider_id: SMALL }),
  };

  const statements: Statement[] = [];
  record(database, statements);
  const rows: Row[] = [];
  for (const [name, ask] of Object.entries(pages)) {
    const samples: number[] = [];
    let slowest: Statement | undefined;
    for (let turn = -2; turn < TURNS; turn++) {
      statements.length = 0;
      const started = performance.now();
      await ask(Math.max(0, turn));
      if (turn < 0) continue; // two to warm up
      samples.push(performance.now() - started);
      for (const one of statements) if (one.ms > (slowest?.ms ?? 0)) slowest = one;
      if (samples.at(-1)! > 20 * TARGET_MS && turn >= 2) break; // it will not become quick
    }
    const ms = quantile(samples, 0.5);
    const best = Math.min(...samples);
    const met = ms < TARGET_MS;
    rows.push({ name, value: ms, unit: 'ms', target: `< ${TARGET_MS} ms`, met });
    console.error(
      `  ${name}: ${ms.toFixed(1)} ms, best ${best.toFixed(1)}, worst ${Math.max(...samples).toFixed(1)}${met ? '' : ' SLOW'}`,
    );
    if (!met && slowest) await printPlan(database, slowest);
  }
  return rows;
}

/** Notes each statement, with its time. */
function record(database: Database, statements: Statement[]): void {
  const manager: Tx = database.source.manager;
  const query = manager.query.bind(manager);
  manager.query = (async (text: string, parameters: unknown[] = []) => {
    const started = performance.now();
    const answer: unknown = await query(text, parameters);
    statements.push({ text, parameters, ms: performance.now() - started });
    return answer;
  }) as Tx['query'];
}

async function printPlan(database: Database, { text, parameters }: Statement): Promise<void> {
  const lines = await database.read((tx) =>
    rowsOf<{ 'QUERY PLAN': string }>(tx, `explain (analyze, buffers) ${text}`, parameters),
  );
  console.error(lines.map((line) => `    ${line['QUERY PLAN']}`).join('\n'));
}
