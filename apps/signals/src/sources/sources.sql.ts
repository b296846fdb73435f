import type pg from 'pg';
import { rowsOf, type Tx } from '#platform/sql.js';
import type { StreamStatus, StreamWord } from '../domain/received.js';
import { noteAnswer } from './source-streams.sql.js';

/** What a transmitter is shown, as it is kept. */
export interface Credentials {
  /** Null: `secret` is an Authorization header; else that of this client (RFC 6749, section 4.4). */
  token_url: string | null;
  client_id: string | null;
  scope: string | null;
  /** Sealed. */
  secret: string;
}

/** How a source is asked for SETs; null of a source: it pushes. */
export interface PollSettings extends Credentials {
  endpoint_url: string;
}

/** A stream that we have made, or taken over, at the transmitter; null of a source: a person has. */
export interface SourceStream extends Credentials {
  /** Null: it is being made, or that was never finished. */
  stream_id: string | null;
  configuration_endpoint: string;
  status_endpoint: string | null;
  verification_endpoint: string | null;
  /** Its SETs are for one of them. */
  audiences: string[];
  /** Null: it does not say. */
  events_delivered: string[] | null;
  min_verification_interval: number | null;
  /** Of the last verification that was asked for; times as PostgreSQL writes them in JSON. */
  asked_at: string | null;
  answered_at: string | null;
  /** Since when none has come that was asked for; null: none is waited for. */
  unanswered_since: string | null;
  /** Why it could not be asked for. */
  ask_error: string | null;
}

export interface SourceRow {
  id: string;
  name: string;
  issuer: string;
  audience: string;
  jwks_uri: string | null;
  provider_id: string;
  subject_issuers: string[];
  sha256: string;
  created_at: Date;
  created_by: string;
  refused: string;
  last_refusal: string | null;
  refused_at: Date | null;
  verified_at: Date | null;
  stream_status: StreamStatus | null;
  stream_reason: string | null;
  unknown_subject_at: Date | null;
  unknown_subject: string | null;
  poll: (PollSettings & PollStanding) | null;
  stream: SourceStream | null;
}

/** Times as PostgreSQL writes them in JSON. */
export interface PollStanding {
  changed_at: string;
  polled_at: string | null;
  failures: number;
  last_error: string | null;
}

export type PolledSource = SourceRow & { poll: PollSettings & PollStanding };

export type NewSource = Pick<
  SourceRow,
  'id' | 'name' | 'issuer' | 'audience' | 'jwks_uri' | 'provider_id' | 'subject_issuers' | 'sha256' | 'created_by'
> & { poll: PollSettings | null };

/** Bound into what is sealed for a source. */
export const sourceSecretOwner = (sourceId: string): string => `signals/source/${sourceId}`;

const SOURCES = `select sources.*, to_jsonb(p) as poll, to_jsonb(s) as stream from sources
  left join polled_sources p on p.source_id = sources.id left join source_streams s on s.source_id = sources.id`;

/** Undefined: another one has this name. */
export async function insertSource(tx: Tx, source: NewSource): Promise<SourceRow | undefined> {
  const { id, name, issuer, audience, jwks_uri, provider_id, subject_issuers, sha256, created_by, poll } = source;
  const inserted = await rowsOf(
    tx,
    `insert into sources (id, name, issuer, audience, jwks_uri, provider_id, subject_issuers, sha256, created_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (name) do nothing returning id`,
    [id, name, issuer, audience, jwks_uri, provider_id, subject_issuers, sha256, created_by],
  );
  if (inserted.length === 0) return undefined;
  if (poll) await insertPoll(tx, id, poll);
  return readSource(tx, id);
}

export async function insertPoll(tx: Tx, id: string, poll: PollSettings): Promise<void> {
  await tx.query(
    `insert into polled_sources (source_id, endpoint_url, token_url, client_id, scope, secret)
     values ($1, $2, $3, $4, $5, $6)`,
    [id, poll.endpoint_url, poll.token_url, poll.client_id, poll.scope, poll.secret],
  );
}

/** Whoever polls begins anew with it. */
export async function changePoll(tx: Tx, id: string, poll: PollSettings): Promise<void> {
  await tx.query(
    `update polled_sources set endpoint_url = $2, token_url = $3, client_id = $4, scope = $5, secret = $6,
       changed_at = clock_timestamp(), failures = 0, last_error = null where source_id = $1`,
    [id, poll.endpoint_url, poll.token_url, poll.client_id, poll.scope, poll.secret],
  );
}

export async function changeAudience(tx: Tx, id: string, audience: string): Promise<void> {
  await tx.query('update sources set audience = $2 where id = $1', [id, audience]);
  await tx.query('update polled_sources set changed_at = clock_timestamp() where source_id = $1', [id]);
}

export const readSources = (tx: Tx): Promise<SourceRow[]> =>
  rowsOf<SourceRow>(tx, `${SOURCES} order by sources.created_at, sources.id`);

export async function readSource(tx: Tx, id: string): Promise<SourceRow | undefined> {
  const [row] = await rowsOf<SourceRow>(tx, `${SOURCES} where sources.id = $1`, [id]);
  return row;
}

export async function readPolledSources(connection: pg.Client): Promise<PolledSource[]> {
  return (await connection.query<PolledSource>(`${SOURCES} where p.source_id is not null order by sources.id`)).rows;
}

/** Answers whether there was one. */
export async function deleteSource(tx: Tx, id: string): Promise<boolean> {
  return (await rowsOf(tx, 'delete from sources where id = $1 returning id', [id])).length > 0;
}

/** Everything that it said was taken or refused. */
export async function pollWorked(tx: Tx, id: string): Promise<void> {
  await tx.query(
    'update polled_sources set polled_at = clock_timestamp(), failures = 0, last_error = null where source_id = $1',
    [id],
  );
}

export async function pollFailed(tx: Tx, id: string, error: string): Promise<void> {
  await tx.query('update polled_sources set failures = failures + 1, last_error = $2 where source_id = $1', [
    id,
    error,
  ]);
}

/** @param refusal the last one, in words */
export async function setsRefused(tx: Tx, id: string, count: number, refusal: string): Promise<void> {
  await tx.query(
    'update sources set refused = refused + $2, last_refusal = $3, refused_at = clock_timestamp() where id = $1',
    [id, count, refusal],
  );
}

/**
 * What a source says of its stream; of two words on its status the later one counts, in whichever order they come. Answers false for
 * a verification, over a stream that we have made, whose state is none that we have asked with.
 */
export async function noteStream(tx: Tx, id: string, word: StreamWord): Promise<boolean> {
  if (word.kind === 'verification') {
    if (word.state !== null && !(await noteAnswer(tx, id, word.state))) return false;
    await tx.query('update sources set verified_at = clock_timestamp() where id = $1', [id]);
    return true;
  }
  await tx.query(
    `update sources set stream_status = $2, stream_reason = $3, stream_said_at = $4
     where id = $1 and (stream_said_at is null or stream_said_at <= $4)`,
    [id, word.status, word.reason, new Date(word.at)],
  );
  return true;
}

const NOTE_EVERY_SECONDS = 10;

/** A SET that ends something was of nobody that we can tell; seldom written, since there may be many. */
export async function noteUnknownSubject(tx: Tx, id: string, format: string): Promise<void> {
  await tx.query(
    `update sources set unknown_subject_at = clock_timestamp(), unknown_subject = $2 where id = $1
       and (unknown_subject_at is null or unknown_subject_at < clock_timestamp() - make_interval(secs => $3))`,
    [id, format, NOTE_EVERY_SECONDS],
  );
}

/** For metrics. */
export const readPollAges = (tx: Tx): Promise<{ name: string; seconds: number; interrupted: boolean }[]> =>
  rowsOf(
    tx,
    `select name, extract(epoch from clock_timestamp() - coalesce(polled_at, sources.created_at))::float8 as seconds,
       coalesce(stream_status, 'enabled') <> 'enabled' as interrupted
     from sources join polled_sources on source_id = id`,
  );

/** For metrics: of each source whose stream we have made, how long no verification has come that was asked for; 0: none is waited for. */
export const readUnverified = (tx: Tx): Promise<{ name: string; seconds: number }[]> =>
  rowsOf(
    tx,
    `select name, coalesce(extract(epoch from clock_timestamp() - unanswered_since), 0)::float8 as seconds
     from sources join source_streams on source_id = id`,
  );
