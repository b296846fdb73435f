import type pg from 'pg';
import type { SubjectId } from '../domain/subject.js';
import type { Kind, Signal } from '../domain/signals.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

/** The channel that tells the sender of new rows. */
export const QUEUE_CHANNEL = 'rescind_signals';

/** A signal as it stands in the queue; the subject has a column of its own. */
export interface QueuedSignal {
  type: string;
  sub_id: SubjectId;
  claims: Record<string, unknown>;
  occurred_at: string;
  txn: string | null;
}

export interface NewDelivery {
  streamId: string;
  jti: string;
  signal: Signal;
}

/** To be said once this commits, in this order; what is in the queue already, or is not to be heard of, is left out. */
export async function enqueue(tx: Tx, deliveries: readonly NewDelivery[]): Promise<number> {
  if (deliveries.length === 0) return 0;
  const rows = await rowsOf<{ id: string }>(
    tx,
    `with queued as (
       insert into deliveries (stream_id, jti, subject, signal)
       select stream_id, jti, subject, signal::jsonb
       from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality
         as n (stream_id, jti, subject, signal, place)
       where not exists (select from excluded_subjects x where x.stream_id = n.stream_id and x.subject = n.subject)
       order by place
       on conflict (stream_id, jti) do nothing
       returning id
     ), told as (select pg_notify('${QUEUE_CHANNEL}', ''))
     select queued.id from queued, told`,
    columns(
      deliveries,
      ({ streamId }) => streamId,
      ({ jti }) => jti,
      ({ signal }) => signal.subject,
      ({ signal: { type, sub_id, claims, occurred_at, txn } }) =>
        JSON.stringify({ type, sub_id, claims, occurred_at, txn } satisfies QueuedSignal),
    ),
  );
  return rows.length;
}

/** One that is to be said now. */
export interface Due {
  id: string;
  jti: string;
  subject: string;
  signal: QueuedSignal;
  created_at: Date;
  refusals: number;
  is_due: boolean;
}

const WINDOW = `
  select id, jti, subject, signal, created_at, refusals, next_attempt_at <= now() as is_due
  from deliveries where stream_id = $1 and state = 'pending' order by id limit $2`;

/** What waits for a stream, first come first; only the first of each subject may be sent. */
export const readWindow = (tx: Tx, streamId: string, limit: number): Promise<Due[]> =>
  rowsOf<Due>(tx, WINDOW, [streamId, limit]);

/** The first of each subject, and of those what is due: so that a subject's second never overtakes its first. */
export function headsOf(window: readonly Due[]): Due[] {
  const heads = new Map<string, Due>();
  for (const due of window) if (!heads.has(due.subject)) heads.set(due.subject, due);
  return [...heads.values()].filter(({ is_due }) => is_due);
}

export async function countPending(tx: Tx, streamId: string): Promise<number> {
  const [row] = await rowsOf<{ count: string }>(
    tx,
    `select count(*) from deliveries where stream_id = $1 and state = 'pending'`,
    [streamId],
  );
  return Number(row!.count);
}

/** A stream, as far as sending needs it. */
export interface SendingStream {
  id: string;
  kind: Exclude<Kind, 'set_poll'>;
  audience: string;
  url: string;
  secret: string | null;
  failures: number;
}

/** Those that something waits for, and that are not resting after a failure. */
export async function readDueStreams(connection: pg.Client): Promise<SendingStream[]> {
  const { rows } = await connection.query<SendingStream>(`
    select id, kind, audience, url, secret, failures from streams s
    where status = 'enabled' and kind <> 'set_poll' and next_attempt_at <= now()
      and exists (
        select from deliveries d where d.stream_id = s.id and d.state = 'pending' and d.next_attempt_at <= now()
      )`);
  return rows;
}

/** As it is now: it may have been paused, changed or removed since. */
export async function readSendingStream(tx: Tx, id: string): Promise<SendingStream | undefined> {
  const [row] = await rowsOf<SendingStream>(
    tx,
    `select id, kind, audience, url, secret, failures from streams where id = $1 and status = 'enabled'`,
    [id],
  );
  return row;
}

/** What became of one try, and of what was tried: said, set aside, to be tried later by itself, or (null) left as it was. */
export interface Conclusion {
  status: number | null;
  durationMs: number;
  error: string | null;
  then: 'delivered' | 'refused' | { waitMs: number } | null;
}

/** Writes it down. Answers whether the stream is still to be told. */
export async function conclude(tx: Tx, streamId: string, deliveryId: string, tried: Conclusion): Promise<boolean> {
  const { status, durationMs, error, then } = tried;
  const waitMs = typeof then === 'object' ? (then?.waitMs ?? null) : null;
  const [row] = await rowsOf<{ goes_on: boolean }>(
    tx,
    `with attempted as (
       insert into attempts (delivery_id, status, duration_ms, error) values ($2, $3, $4, $5)
     ), settled as (
       update deliveries set state = $6, settled_at = clock_timestamp()
       where id = $2 and state = 'pending' and $6::text is not null
     ), postponed as (
       update deliveries set refusals = refusals + 1, next_attempt_at = now() + $7 * interval '1 ms'
       where id = $2 and $7::float8 is not null
     )
     select status = 'enabled' as goes_on from streams where id = $1`,
    [streamId, deliveryId, status, durationMs, error, typeof then === 'string' ? then : null, waitMs],
  );
  return row?.goes_on ?? false;
}

export async function streamFailed(tx: Tx, streamId: string, error: string, waitMs: number): Promise<void> {
  await tx.query(
    `update streams set failures = failures + 1, last_error = $2, next_attempt_at = now() + $3 * interval '1 ms'
     where id = $1`,
    [streamId, error, waitMs],
  );
}

export async function streamWorks(tx: Tx, streamId: string): Promise<void> {
  await tx.query(`update streams set failures = 0, last_error = null, next_attempt_at = '-infinity' where id = $1`, [
    streamId,
  ]);
}

export async function disableStream(tx: Tx, streamId: string, reason: string): Promise<void> {
  await tx.query(`update streams set status = 'disabled', status_reason = $2 where id = $1`, [streamId, reason]);
}

/** Of a stream that is not to be told any more. */
export async function dropPending(tx: Tx, streamId: string): Promise<void> {
  await tx.query(`delete from deliveries where stream_id = $1 and state = 'pending'`, [streamId]);
}

/** What receivers have acknowledged or refused by name; what is not theirs, or not known, is nothing. */
export async function settleByJti(
  tx: Tx,
  streamId: string,
  acknowledged: readonly string[],
  refused: readonly { jti: string; error: string }[],
): Promise<number> {
  const rows = await rowsOf<{ id: string }>(
    tx,
    `with settled as (
       update deliveries d set state = given.state, settled_at = clock_timestamp()
       from (
         select distinct on (jti) jti, state, error
         from unnest($2::text[], $3::text[], $4::text[]) as g (jti, state, error) order by jti, state
       ) as given
       where d.stream_id = $1 and d.jti = given.jti and d.state = 'pending'
       returning d.id, given.error
     )
     insert into attempts (delivery_id, error) select id, error from settled returning id`,
    [
      streamId,
      [...acknowledged, ...refused.map(({ jti }) => jti)],
      [...acknowledged.map(() => 'delivered'), ...refused.map(() => 'refused')],
      [...acknowledged.map(() => null), ...refused.map(({ error }) => error)],
    ],
  );
  return rows.length;
}

/** What was said long enough ago is forgotten, a part at a time. Answers how much. */
export async function forgetSettled(tx: Tx, keepDays: number, limit: number): Promise<number> {
  const rows = await rowsOf<{ id: string }>(
    tx,
    `delete from deliveries where id in (
       select id from deliveries
       where state <> 'pending' and settled_at < now() - $1 * interval '1 day' order by settled_at limit $2
     ) returning id`,
    [keepDays, limit],
  );
  return rows.length;
}

/** Waiting, and since when the first of them has; by how they are told. */
export async function readBacklog(
  tx: Tx,
): Promise<{ kind: string; pending: number; seconds: number; refused: number }[]> {
  const rows = await rowsOf<{ kind: string; pending: string; seconds: number | null; refused: string }>(
    tx,
    `select s.kind,
       count(*) filter (where d.state = 'pending') as pending,
       count(*) filter (where d.state = 'refused') as refused,
       extract(epoch from now() - min(d.created_at) filter (where d.state = 'pending'))::float8 as seconds
     from streams s join deliveries d on d.stream_id = s.id and d.state <> 'delivered'
     where s.status = 'enabled' group by s.kind`,
  );
  return rows.map((row) => ({
    kind: row.kind,
    pending: Number(row.pending),
    refused: Number(row.refused),
    seconds: row.seconds ?? 0,
  }));
}
