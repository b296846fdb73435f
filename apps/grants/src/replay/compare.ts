import { decodeStateRecord } from '#contracts/revocation.js';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import { type ScopeKey, scopesOf } from '#revocation/scope.js';
import { isHarmless, type ScopeState } from '#revocation/scope-state.js';
import { stateToWire } from '#revocation/wire.js';
import { markOf, sameMark } from '../domain/mark.js';
import { grantOfRow, type GrantRow } from '../grants/grants.sql.js';
import { readEveryState, readScopes } from '../scopes/scopes.sql.js';

/** One place where two records of the same past say different things. */
export interface Difference {
  what: 'scope' | 'closing' | 'user' | 'organization' | 'membership' | 'session' | 'mark' | 'topic';
  key: string;
  /** As JSON; null: it is not there. */
  live: string | null;
  replayed: string | null;
}

/** What is a function of the events alone. Clocks of ours (`changed_at`, …) and what sign-ins tell are not. */
const TABLES: readonly { what: Difference['what']; table: string; key: string; columns: string; where?: string }[] = [
  {
    what: 'scope',
    table: 'scopes',
    key: 'scope_key',
    columns: 'closed_at, opened_at, tokens_before, reason, source_event_id, occurred_at',
    // Whoever asks for a scope makes its row, which says nothing yet.
    where: `(closed_at > '-infinity' or opened_at > '-infinity' or tokens_before > '-infinity')`,
  },
  {
    what: 'closing',
    table: 'scope_closings',
    key: `scope_key || ' ' || closed_at || ' ' || occurred_at || ' ' || source_event_id || ' ' || reason`,
    columns: 'actor',
  },
  {
    what: 'user',
    table: 'users',
    key: `provider_id || '/' || id`,
    columns: 'email, first_name, last_name, name, external_id, profile_at, profile_event, deleted_at',
    where: `(profile_at > '-infinity' or deleted_at is not null)`,
  },
  {
    what: 'organization',
    table: 'organizations',
    key: `provider_id || '/' || id`,
    columns: 'name, profile_at, profile_event, deleted_at',
  },
  {
    what: 'membership',
    table: 'memberships',
    key: `provider_id || '/' || user_id || ':' || organization_id`,
    columns: 'membership_id, status, role, changed_at, changed_event',
  },
  {
    what: 'session',
    table: 'sessions',
    key: `provider_id || '/' || id`,
    columns: 'changed_at, changed_event, created_at, revoked_at',
    where: `changed_at > '-infinity'`,
  },
];

const GRANTS_A_PAGE = 1_000;

/** Compares the live state with the one in the search path, as this transaction sees both. */
export async function compare(tx: Tx, live: string): Promise<{ differences: Difference[]; grants: number }> {
  const differences: Difference[] = [];
  for (const { what, table, key, columns, where = 'true' } of TABLES) {
    const side = (name: string) =>
      `(select ${key} as key, json_build_object(${columns
        .split(', ')
        .map((column) => `'${column}', ${column}::text`)
        .join(', ')})::text as said from ${name} where ${where})`;
    differences.push(
      ...(await rowsOf<Omit<Difference, 'what'>>(
        tx,
        `select key, l.said as live, r.said as replayed from ${side(`${live}.${table}`)} l
         full join ${side(table)} r using (key) where l.said is distinct from r.said order by key`,
      ).then((rows) => rows.map((row) => ({ what, ...row })))),
    );
  }
  const { marks, grants } = await compareMarks(tx, live);
  return { differences: [...differences, ...marks], grants };
}

/** What the rule says of each grant by the replayed scopes, against what stands in its row; not where marks still wait. */
async function compareMarks(tx: Tx, live: string): Promise<{ marks: Difference[]; grants: number }> {
  const waiting = new Set(
    (await rowsOf<{ scope_key: string }>(tx, `select scope_key from ${live}.marking_jobs`)).map((row) => row.scope_key),
  );
  const marks: Difference[] = [];
  let grants = 0;
  for (let after = ''; ;) {
    const rows = await rowsOf<GrantRow>(
      tx,
      `select * from ${live}.grants where id > $1 order by id limit ${GRANTS_A_PAGE}`,
      [after],
    );
    const page = rows.map(grantOfRow);
    const known = await readScopes(tx, page.flatMap(scopesOf));
    for (const grant of page) {
      const mark = markOf(grant, known);
      if (sameMark(grant.mark, mark) || scopesOf(grant).some((key) => waiting.has(key))) continue;
      const said = (one: typeof mark) => (one === undefined ? null : JSON.stringify(one));
      marks.push({ what: 'mark', key: grant.id, live: said(grant.mark), replayed: said(mark) });
    }
    grants += page.length;
    const last = page.at(-1);
    if (!last || page.length < GRANTS_A_PAGE) return { marks, grants };
    after = last.id;
  }
}

/** The newest record of each scope on the compacted topic, byte for byte against what the state says that it must be. */
export async function compareTopic(
  client: KafkaClient,
  states: ReadonlyMap<ScopeKey, string>,
  /** As the live state has it now: it may have changed since. */
  liveNow: (keys: readonly ScopeKey[]) => Promise<Map<ScopeKey, string>>,
): Promise<Difference[]> {
  const onTopic = new Map<ScopeKey, string>();
  const reader = new TopicReader(client, {
    topics: [TOPICS.revocationState],
    onRecords: (records) => {
      for (const { key, value } of records) {
        if (value === null) {
          onTopic.delete(String(key));
          continue;
        }
        const record = decodeStateRecord(value);
        if (record.kind === 'scope') onTopic.set(record.data.scope, JSON.stringify(record.data));
      }
    },
  });
  try {
    await reader.start();
    await reader.caughtUp;
  } finally {
    await reader.close();
  }
  const different = [...new Set([...states.keys(), ...onTopic.keys()])].filter(
    (key) => states.get(key) !== onTopic.get(key),
  );
  const now = await liveNow(different);
  return different
    .filter((key) => now.get(key) !== onTopic.get(key))
    .map((key) => ({
      what: 'topic',
      key,
      live: onTopic.get(key) ?? null,
      replayed: states.get(key) ?? null,
    }));
}

/** scope key → its record on the topic, for all whose state anybody needs to be told. */
export async function wireStates(tx: Tx, schema: string, keys?: readonly ScopeKey[]): Promise<Map<ScopeKey, string>> {
  const states = await readEveryState(tx, schema, keys);
  const told = states.filter(({ state }: { state: ScopeState }) => !isHarmless(state));
  return new Map(told.map(({ key, scope, state }) => [key, JSON.stringify(stateToWire(scope, state))]));
}
