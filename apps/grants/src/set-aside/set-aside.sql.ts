import { createHash } from 'node:crypto';
import type { Topic } from '#contracts/topics.js';
import type { ConsumedRecord, RecordHeaders } from '#kafka/record.js';
import type { RejectedRecord } from '../events/decode-batch.js';
import { headersFromJson, headersToJson } from '../outbox/outbox.sql.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

/** The same for the same record, however often it is read; another one where a topic was made anew. */
export function setAsideId({ topic, partition, offset, value }: ConsumedRecord): string {
  const digest = createHash('sha256')
    .update(value ?? '')
    .digest('hex');
  return `${topic}-${partition}-${offset}-${digest.slice(0, 8)}`;
}

/** The last value of each header, as bytes. */
export function headerBytes(headers: RecordHeaders): Record<string, Buffer> {
  const found: Record<string, Buffer> = {};
  for (const [name, value] of Object.entries(headers)) {
    const last = Array.isArray(value) ? value.at(-1) : value;
    if (last !== undefined) found[name] = Buffer.from(last as Buffer);
  }
  return found;
}

/** Keeps records that no retry can make acceptable, byte for byte; answers those that were not there yet. */
export async function insertSetAside(tx: Tx, rejected: readonly RejectedRecord[]): Promise<RejectedRecord[]> {
  if (rejected.length === 0) return [];
  const rows = await rowsOf<{ id: string }>(
    tx,
    `insert into set_aside (id, topic, partition, kafka_offset, reason, detail, key, value, headers)
     select id, topic, partition, kafka_offset, reason, detail, key, value, headers::jsonb
     from unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::bytea[], $8::bytea[],
       $9::text[])
       as n (id, topic, partition, kafka_offset, reason, detail, key, value, headers)
     on conflict do nothing returning id`,
    columns(
      rejected,
      ({ record }) => setAsideId(record),
      ({ record }) => record.topic,
      ({ record }) => record.partition,
      ({ record }) => record.offset,
      ({ reason }) => reason,
      ({ detail }) => detail,
      ({ record }) => record.key,
      ({ record }) => record.value,
      ({ record }) => JSON.stringify(headersToJson(headerBytes(record.headers))),
    ),
  );
  const fresh = new Set(rows.map((row) => row.id));
  return rejected.filter(({ record }) => fresh.has(setAsideId(record)));
}

export interface SetAsideRow {
  id: string;
  seq: string;
  topic: string;
  partition: number;
  kafka_offset: string;
  reason: string;
  detail: string | null;
  set_aside_at: Date;
  redriven_at: Date | null;
  redriven_by: string | null;
}

const COLUMNS = `id, seq, topic, partition, kafka_offset, reason, detail, set_aside_at, redriven_at, redriven_by`;

/** Newest first, before `seq`. */
export function readSetAside(
  tx: Tx,
  filter: { reason?: string | undefined; waiting?: boolean | undefined },
  page: { before: string | undefined; limit: number },
): Promise<SetAsideRow[]> {
  return rowsOf(
    tx,
    `select ${COLUMNS} from set_aside
     where ($1::bigint is null or seq < $1) and ($2::text is null or reason = $2)
       and ($3::boolean is null or (redriven_at is null) = $3)
     order by seq desc limit $4`,
    [page.before ?? null, filter.reason ?? null, filter.waiting ?? null, page.limit],
  );
}

export async function readOneSetAside(tx: Tx, id: string): Promise<SetAsideRow | undefined> {
  const [row] = await rowsOf<SetAsideRow>(tx, `select ${COLUMNS} from set_aside where id = $1`, [id]);
  return row;
}

export interface RedrivenRecord {
  id: string;
  reason: string;
  topic: Topic;
  key: Buffer | null;
  value: Buffer | null;
  headers: Record<string, Buffer>;
}

/** Marks records as sent again, those that were not yet, oldest first; answers them, to be published in the same transaction. */
export async function takeForRedrive(
  tx: Tx,
  which: { id: string } | { reason: string; limit: number },
  by: string,
): Promise<RedrivenRecord[]> {
  const [condition, parameters] =
    'id' in which ? ['id = $2', [which.id]] : ['reason = $2 order by seq limit $3', [which.reason, which.limit]];
  const rows = await rowsOf<{
    id: string;
    reason: string;
    topic: Topic;
    key: Buffer | null;
    value: Buffer | null;
    headers: Record<string, string>;
  }>(
    tx,
    `with waiting as (
       select id from set_aside where redriven_at is null and ${condition} for update
     ), taken as (
       update set_aside s set redriven_at = clock_timestamp(), redriven_by = $1
       from waiting where s.id = waiting.id returning s.*
     )
     select id, reason, topic, key, value, headers from taken order by seq`,
    [by, ...parameters],
  );
  return rows.map((row) => ({ ...row, headers: headersFromJson(row.headers) }));
}

/** How many wait for a person, by reason. */
export function countWaiting(tx: Tx): Promise<{ reason: string; n: string }[]> {
  return rowsOf(tx, `select reason, count(*) as n from set_aside where redriven_at is null group by reason`);
}
