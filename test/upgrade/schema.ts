import pg from 'pg';
import type { TopicSpec } from '#contracts/topics.js';

/** What a release finds in a database and on the topics, as far as it could stumble over a change of it. */
export interface Contract {
  /** `table.column` → its type, and whether a row can be written without it. */
  columns: Record<string, { type: string; mayBeLeftOut: boolean }>;
  /** Name → what it demands, and of which columns. */
  constraints: Record<string, { demands: string; columns: string[] }>;
  topics: readonly TopicSpec[];
}

const SCHEMAS = ['grants', 'portal', 'signals'];

export async function contractOf(databaseUrl: string, topics: readonly TopicSpec[]): Promise<Contract> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const columns = await client.query<{ name: string; type: string; optional: boolean }>(
      `select n.nspname || '.' || c.relname || '.' || a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
         not a.attnotnull or a.atthasdef or a.attidentity <> '' as optional
       from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = any($1) and c.relkind in ('r', 'p', 'v') and a.attnum > 0 and not a.attisdropped order by 1`,
      [SCHEMAS],
    );
    const of = (oids: string, numbers: string): string =>
      `(select coalesce(json_agg(n.nspname || '.' || c.relname || '.' || a.attname order by a.attname), '[]')
        from pg_attribute a where a.attrelid = ${oids} and a.attnum = any(${numbers}))`;
    const constraints = await client.query<{ name: string; demands: string; columns: string[] }>(
      `select n.nspname || '.' || c.relname || '.' || k.conname as name, pg_get_constraintdef(k.oid) as demands,
         ${of('k.conrelid', 'k.conkey')} as columns
       from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = any($1) and k.contype in ('c', 'u', 'p', 'f', 'x')
       union all
       select n.nspname || '.' || c.relname || '.' || i.relname, pg_get_indexdef(x.indexrelid),
         ${of('x.indrelid', 'x.indkey::int2[]')}
       from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
         join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = any($1) and x.indisunique
         and not exists (select 1 from pg_constraint k where k.conindid = x.indexrelid and k.conrelid = x.indrelid)
       order by 1`,
      [SCHEMAS],
    );
    return {
      columns: Object.fromEntries(
        columns.rows.map(({ name, type, optional }) => [name, { type, mayBeLeftOut: optional }]),
      ),
      constraints: Object.fromEntries(constraints.rows.map(({ name, ...rest }) => [name, rest])),
      topics,
    };
  } finally {
    await client.end();
  }
}

/**
 * What the services of the release before could stumble over: they read and write what they know, and nothing else. Migrations
 * only extend; what they take away goes one release after the last one that used it.
 */
export function brokenBy(released: Contract, now: Contract): string[] {
  const problems: string[] = [];
  const tables = new Set(Object.keys(released.columns).map(tableOf));
  for (const [column, { type, mayBeLeftOut }] of Object.entries(released.columns)) {
    const found = now.columns[column];
    if (!found) problems.push(`${column} is gone`);
    else if (found.type !== type) problems.push(`${column} is ${found.type}, and was ${type}`);
    else if (mayBeLeftOut && !found.mayBeLeftOut) problems.push(`${column} must be written now`);
  }
  for (const [column, { mayBeLeftOut }] of Object.entries(now.columns)) {
    if (released.columns[column] || !tables.has(tableOf(column)) || mayBeLeftOut) continue;
    problems.push(`${column} is new, and must be written`);
  }
  for (const [name, { demands, columns }] of Object.entries(now.constraints)) {
    const before = released.constraints[name];
    const isKnown = columns.length > 0 && columns.every((column) => released.columns[column]);
    if (before ? before.demands !== demands : isKnown) problems.push(`${name} demands: ${demands}`);
  }
  // "on conflict (…)" finds a unique key by its columns.
  for (const [name, { demands }] of Object.entries(released.constraints)) {
    if (/UNIQUE|PRIMARY KEY/i.test(demands) && !now.constraints[name]) problems.push(`${name} is gone`);
  }
  for (const spec of released.topics) {
    const found = now.topics.find(({ topic }) => topic === spec.topic);
    if (!found) problems.push(`the topic ${spec.topic} is gone`);
    else if (found.compacted !== spec.compacted || found.partitions !== spec.partitions) {
      problems.push(`the topic ${spec.topic} is kept or divided in another way`);
    }
  }
  return problems;
}

const tableOf = (column: string): string => column.slice(0, column.lastIndexOf('.'));
