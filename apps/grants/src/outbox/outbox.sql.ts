import type { Topic } from '#contracts/topics.js';
import type { OutboxRecord } from '../domain/announcements.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

/** The channel that tells the relay of new rows. */
export const OUTBOX_CHANNEL = 'rescind_outbox';

type Headers = Record<string, string>;

export const headersToJson = (headers: Record<string, Buffer>): Headers =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.toString('base64')]));
export const headersFromJson = (headers: Headers): Record<string, Buffer> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, 'base64')]));

/** To be published once this commits, in this order. */
export async function enqueue(tx: Tx, records: readonly OutboxRecord[]): Promise<void> {
  if (records.length === 0) return;
  await tx.query(
    `with queued as (
       insert into outbox (topic, key, value, headers)
       select topic, key, value, headers::jsonb
       from unnest($1::text[], $2::bytea[], $3::bytea[], $4::text[]) with ordinality
         as n (topic, key, value, headers, place)
       order by place
     )
     select pg_notify('${OUTBOX_CHANNEL}', '')`,
    columns(
      records,
      ({ topic }) => topic,
      ({ key }) => key,
      ({ value }) => value,
      ({ headers }) => JSON.stringify(headersToJson(headers)),
    ),
  );
}

export interface QueuedRecord extends OutboxRecord {
  id: string;
}

/** What `pg` and TypeORM alike can do. The relay reads over the very connection that makes it the leader. */
export interface Connection {
  query(text: string, parameters?: unknown[]): Promise<{ rows: unknown[] }>;
}

interface OutboxRow {
  id: string;
  topic: Topic;
  key: Buffer | null;
  value: Buffer | null;
  headers: Headers;
}

/** The oldest rows, up to an id. */
export async function readOutbox(
  connection: Connection,
  upTo: string | undefined,
  limit: number,
): Promise<QueuedRecord[]> {
  const { rows } = await connection.query(
    `select id, topic, key, value, headers from grants.outbox
     where ($1::bigint is null or id <= $1) order by id limit $2`,
    [upTo ?? null, limit],
  );
  return (rows as OutboxRow[]).map((row) => ({ ...row, headers: headersFromJson(row.headers) }));
}

/** Where Kafka keeps an announcement. */
export interface AnnouncementRecord {
  /** Of the CloudEvent. */
  eventId: string;
  topic: string;
  partition: number;
  offset: string;
}

/** Kafka holds them, the announcements among them at these places. */
export async function deleteSent(
  connection: Connection,
  ids: readonly string[],
  announced: readonly AnnouncementRecord[],
): Promise<void> {
  const DELETE = 'delete from grants.outbox where id = any($1::bigint[])';
  if (announced.length === 0) await connection.query(DELETE, [ids]);
  else {
    await connection.query(
      `with sent as (${DELETE})
       insert into grants.announcement_records (event_id, topic, partition, kafka_offset)
       select * from unnest($2::text[], $3::text[], $4::int[], $5::bigint[]) on conflict do nothing`,
      [
        ids,
        ...columns(
          announced,
          ({ eventId }) => eventId,
          ({ topic }) => topic,
          ({ partition }) => partition,
          ({ offset }) => offset,
        ),
      ],
    );
  }
}

export interface Progress {
  /** partition → next offset of the topic. */
  applied: Record<string, string>;
  /** Once the outbox is published up to here, everything before `applied` is. Undefined: it is already. */
  upTo: string | undefined;
}

/** How far the events have been applied, and what must be published before that may be said: of one moment. */
export async function readProgress(connection: Connection, topic: Topic): Promise<Progress> {
  const { rows } = await connection.query(
    `select (select max(id) from grants.outbox) as last,
       (select coalesce(json_object_agg(partition, next_offset::text), '{}')
        from grants.consumer_positions where topic = $1) as applied`,
    [topic],
  );
  const { last, applied } = rows[0] as { last: string | null; applied: Record<string, string> };
  return { applied, upTo: last ?? undefined };
}

/** Seconds that the oldest row has been waiting, and how many wait (counted no further than 100,000). */
export async function outboxAge(tx: Tx): Promise<{ seconds: number; rows: number }> {
  const [row] = await rowsOf<{ seconds: number; rows: string }>(
    tx,
    `select coalesce(extract(epoch from clock_timestamp() - (select created_at from outbox order by id limit 1)), 0)::float8
         as seconds,
       (select count(*) from (select 1 from outbox limit 100000) as few) as rows`,
  );
  return { seconds: Math.max(0, row!.seconds), rows: Number(row!.rows) };
}

/**
 * Moves the position of a partition to just behind the batch: also backwards, where the group was set back, since less
 * than what is applied may always be claimed.
 */
export async function movePosition(tx: Tx, topic: string, partition: number, nextOffset: string): Promise<void> {
  await tx.query(
    `insert into consumer_positions (topic, partition, next_offset) values ($1, $2, $3)
     on conflict (topic, partition)
     do update set next_offset = excluded.next_offset, moved_at = clock_timestamp()`,
    [topic, partition, nextOffset],
  );
}

/** The next offset of a partition, as far as it has been applied; 0 where nothing has. */
export async function readPosition(tx: Tx, topic: string, partition: number): Promise<string> {
  const [row] = await rowsOf<{ next_offset: string }>(
    tx,
    'select next_offset from consumer_positions where topic = $1 and partition = $2',
    [topic, partition],
  );
  return row?.next_offset ?? '0';
}
