import type pg from 'pg';
import { rowsOf, type Tx } from '#platform/sql.js';
import type { Credentials, SourceStream } from './sources.sql.js';

/** Of the states that were asked with, so many are taken back: an answer may come after the next question. */
const MOST_STATES = 100;

export type NewSourceStream = Credentials &
  Pick<SourceStream, 'configuration_endpoint' | 'status_endpoint' | 'verification_endpoint'>;

/** One that is about to be made: what is pushed over it has to wait until {@link streamMade}. */
export async function insertSourceStream(tx: Tx, sourceId: string, stream: NewSourceStream): Promise<void> {
  await tx.query(
    `insert into source_streams
       (source_id, configuration_endpoint, status_endpoint, verification_endpoint, token_url, client_id, scope, secret)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      sourceId,
      stream.configuration_endpoint,
      stream.status_endpoint,
      stream.verification_endpoint,
      stream.token_url,
      stream.client_id,
      stream.scope,
      stream.secret,
    ],
  );
}

/** The name of the source that has a stream already. */
export async function readSourceOf(tx: Tx, endpoint: string, streamId: string): Promise<string | undefined> {
  const [row] = await rowsOf<{ name: string }>(
    tx,
    `select name from sources join source_streams on source_id = id
     where configuration_endpoint = $1 and stream_id = $2`,
    [endpoint, streamId],
  );
  return row?.name;
}

export async function streamMade(
  tx: Tx,
  sourceId: string,
  made: Pick<SourceStream, 'audiences' | 'events_delivered' | 'min_verification_interval'> & { stream_id: string },
): Promise<void> {
  await tx.query(
    `update source_streams set stream_id = $2, audiences = $3, events_delivered = $4, min_verification_interval = $5
     where source_id = $1`,
    [sourceId, made.stream_id, made.audiences, made.events_delivered, made.min_verification_interval],
  );
  await tx.query('update sources set audience = $2 where id = $1', [sourceId, made.audiences[0]]);
}

/** Of the stream, and of whoever polls it. */
export async function changeCredentials(tx: Tx, sourceId: string, credentials: Credentials): Promise<void> {
  const { token_url, client_id, scope, secret } = credentials;
  const values = [sourceId, token_url, client_id, scope, secret];
  await tx.query(
    `update source_streams set token_url = $2, client_id = $3, scope = $4, secret = $5, ask_error = null
     where source_id = $1`,
    values,
  );
  await tx.query(
    `update polled_sources set token_url = $2, client_id = $3, scope = $4, secret = $5,
       changed_at = clock_timestamp(), failures = 0, last_error = null where source_id = $1`,
    values,
  );
}

/** Kept before it is asked for: the answer may come before the answer to the question. */
export async function verificationAsked(tx: Tx, sourceId: string, state: string): Promise<void> {
  await tx.query(
    `update source_streams set asked_states = ($2::text || asked_states)[1:$3], asked_at = clock_timestamp(),
       answered_at = null, ask_error = null, unanswered_since = coalesce(unanswered_since, clock_timestamp())
     where source_id = $1`,
    [sourceId, state, MOST_STATES],
  );
}

export async function askFailed(tx: Tx, sourceId: string, state: string, error: string): Promise<void> {
  await tx.query('update source_streams set ask_error = $3 where source_id = $1 and asked_states[1] = $2', [
    sourceId,
    state,
    error,
  ]);
}

/** Answers false where it is none of the states that were asked with; true where a person has made the stream: we do not know. */
export async function noteAnswer(tx: Tx, sourceId: string, state: string): Promise<boolean> {
  const [row] = await rowsOf<{ known: boolean }>(
    tx,
    'select $2 = any(asked_states) as known from source_streams where source_id = $1',
    [sourceId, state],
  );
  if (!row) return true;
  if (!row.known) return false;
  await tx.query(
    `update source_streams set unanswered_since = null,
       answered_at = case when asked_states[1] = $2 then clock_timestamp() else answered_at end where source_id = $1`,
    [sourceId, state],
  );
  return true;
}

/** Of which a verification is to be asked for: as often as we do, and no oftener than they allow. */
export async function readDueVerifications(connection: pg.Client, everySeconds: number): Promise<string[]> {
  const { rows } = await connection.query<{ source_id: string }>(
    `select source_id from source_streams
     where stream_id is not null and verification_endpoint is not null and (asked_at is null or
       asked_at < clock_timestamp() - greatest($1::float8, min_verification_interval) * interval '1 second')`,
    [everySeconds],
  );
  return rows.map(({ source_id }) => source_id);
}
