import type { Kind } from '../domain/signals.js';
import { rowsOf, type Tx } from '#platform/sql.js';

export const STATUSES = ['enabled', 'paused', 'disabled'] as const;
export type Status = (typeof STATUSES)[number];

export interface StreamRow {
  id: string;
  receiver_id: string | null;
  kind: Kind;
  audience: string;
  url: string | null;
  secret: string | null;
  events_requested: string[] | null;
  description: string | null;
  status: Status;
  status_reason: string | null;
  failures: number;
  next_attempt_at: Date | number;
  last_error: string | null;
  created_at: Date;
}

/** Bound into what is sealed for a stream: its Authorization header, or what its webhooks are signed with. */
export const streamSecretOwner = (streamId: string): string => `signals/stream/${streamId}`;

export interface StreamSettings {
  kind: Kind;
  url: string | null;
  /** Sealed. */
  secret: string | null;
  events_requested: string[] | null;
  description: string | null;
}

export async function insertStream(
  tx: Tx,
  id: string,
  owner: { receiverId: string | null; audience: string },
  settings: StreamSettings,
): Promise<StreamRow> {
  const [row] = await rowsOf<StreamRow>(
    tx,
    `insert into streams (id, receiver_id, audience, kind, url, secret, events_requested, description)
     values ($1, $2, $3, $4, $5, $6, $7, $8) returning *`,
    [
      id,
      owner.receiverId,
      owner.audience,
      settings.kind,
      settings.url,
      settings.secret,
      settings.events_requested,
      settings.description,
    ],
  );
  return row!;
}

/** Changed as a whole; a receiver that had failed is tried at once. */
export async function updateStream(tx: Tx, id: string, settings: StreamSettings): Promise<StreamRow> {
  const [row] = await rowsOf<StreamRow>(
    tx,
    `update streams set kind = $2, url = $3, secret = $4, events_requested = $5, description = $6,
       failures = 0, next_attempt_at = '-infinity'
     where id = $1 returning *`,
    [id, settings.kind, settings.url, settings.secret, settings.events_requested, settings.description],
  );
  return row!;
}

/** A receiver's own, or (null) an administrator's. */
export async function lockStream(tx: Tx, id: string, receiverId: string | null): Promise<StreamRow | undefined> {
  const [row] = await rowsOf<StreamRow>(
    tx,
    'select * from streams where id = $1 and receiver_id is not distinct from $2 for update',
    [id, receiverId],
  );
  return row;
}

export async function readStream(tx: Tx, id: string, receiverId: string): Promise<StreamRow | undefined> {
  const [row] = await rowsOf<StreamRow>(tx, 'select * from streams where id = $1 and receiver_id = $2', [
    id,
    receiverId,
  ]);
  return row;
}

export const readStreamsOf = (tx: Tx, receiverId: string): Promise<StreamRow[]> =>
  rowsOf<StreamRow>(tx, 'select * from streams where receiver_id = $1 order by created_at, id', [receiverId]);

export interface WatchedStream extends StreamRow {
  pending: string;
  refused: string;
  last_delivered_at: Date | null;
}

/** All of them, with what waits; for people. */
export const readAllStreams = (tx: Tx): Promise<WatchedStream[]> =>
  rowsOf<WatchedStream>(
    tx,
    `select s.*, d.pending, d.refused, d.last_delivered_at from streams s,
       lateral (
         select count(*) filter (where state = 'pending') as pending, count(*) filter (where state = 'refused') as refused,
           max(settled_at) filter (where state = 'delivered') as last_delivered_at
         from deliveries where stream_id = s.id
       ) d
     order by s.created_at, s.id`,
  );

/** Answers whether there was one. */
export async function deleteStream(tx: Tx, id: string, receiverId: string | null): Promise<boolean> {
  const rows = await rowsOf<{ id: string }>(
    tx,
    'delete from streams where id = $1 and receiver_id is not distinct from $2 returning id',
    [id, receiverId],
  );
  return rows.length > 0;
}

export async function setStatus(tx: Tx, id: string, status: Status, reason: string | null): Promise<void> {
  await tx.query(
    `update streams set status = $2, status_reason = $3, failures = 0, next_attempt_at = '-infinity' where id = $1`,
    [id, status, reason],
  );
}

/** Whether it was long enough ago that verification was asked for; then it is asked for now. */
export async function takeVerification(tx: Tx, id: string, minSeconds: number): Promise<boolean> {
  const rows = await rowsOf<{ id: string }>(
    tx,
    `update streams set verified_at = now()
     where id = $1 and coalesce(verified_at <= now() - $2 * interval '1 second', true) returning id`,
    [id, minSeconds],
  );
  return rows.length > 0;
}

export async function excludeSubject(tx: Tx, streamId: string, subject: string): Promise<void> {
  await tx.query('insert into excluded_subjects (stream_id, subject) values ($1, $2) on conflict do nothing', [
    streamId,
    subject,
  ]);
}

export async function includeSubject(tx: Tx, streamId: string, subject: string): Promise<void> {
  await tx.query('delete from excluded_subjects where stream_id = $1 and subject = $2', [streamId, subject]);
}
