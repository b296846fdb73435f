import { rowsOf, type Tx } from '#platform/sql.js';

/** Of a session that was opened with AuthKit. */
export interface SessionPerson {
  providerId: string;
  userId: string;
  email: string | null;
  emailVerified: boolean;
  /** Access and refresh token, sealed. */
  tokens: string;
}

export interface SessionRow {
  id: string;
  csrf_token: string;
  /** Of the API key that it was opened with; null: it is a person's. */
  key_sha256: string | null;
  provider_id: string | null;
  user_id: string | null;
  email: string | null;
  email_verified: boolean | null;
  /** Sealed. */
  tokens: string | null;
  /** Which of its tokens was given. */
  given: 'current' | 'next' | 'previous';
  /** By the clock of the database, ms: since it was opened, was last seen, got its token, was offered the next one. */
  age_ms: number;
  idle_ms: number;
  rotated_ms: number;
  offered_ms: number | null;
}

const since = (column: string): string => `extract(epoch from clock_timestamp() - ${column})::float8 * 1000`;

const COLUMNS = `id, csrf_token, key_sha256, provider_id, user_id, email, email_verified, tokens,
  ${since('created_at')} as age_ms, ${since('seen_at')} as idle_ms,
  ${since('rotated_at')} as rotated_ms, ${since('offered_at')} as offered_ms`;

/** @param sha256 of the token that the browser sent */
export async function readSession(tx: Tx, sha256: string): Promise<SessionRow | undefined> {
  const [row] = await rowsOf<SessionRow>(
    tx,
    `select ${COLUMNS},
       case $1 when token_sha256 then 'current' when next_sha256 then 'next' else 'previous' end as given
     from sessions where token_sha256 = $1 or next_sha256 = $1 or previous_sha256 = $1`,
    [sha256],
  );
  return row;
}

export async function readSessionById(tx: Tx, id: string): Promise<SessionRow | undefined> {
  const [row] = await rowsOf<SessionRow>(tx, `select ${COLUMNS}, 'current' as given from sessions where id = $1`, [id]);
  return row;
}

export interface SessionValues {
  id: string;
  tokenSha256: string;
  csrfToken: string;
  keySha256: string | null;
  person: SessionPerson | null;
}

export async function insertSession(tx: Tx, values: SessionValues): Promise<void> {
  const { person } = values;
  await tx.query(
    `insert into sessions
       (id, token_sha256, csrf_token, key_sha256, provider_id, user_id, email, email_verified, tokens)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      values.id,
      values.tokenSha256,
      values.csrfToken,
      values.keySha256,
      person?.providerId ?? null,
      person?.userId ?? null,
      person?.email ?? null,
      person?.emailVerified ?? null,
      person?.tokens ?? null,
    ],
  );
}

export type RenewedPerson = Pick<SessionPerson, 'email' | 'emailVerified' | 'tokens'>;

/** Nobody else renews the tokens until this ends. */
export async function lockPerson(tx: Tx, id: string): Promise<RenewedPerson | undefined> {
  const [row] = await rowsOf<{ email: string | null; email_verified: boolean; tokens: string }>(
    tx,
    'select email, email_verified, tokens from sessions where id = $1 and tokens is not null for update',
    [id],
  );
  return row && { email: row.email, emailVerified: row.email_verified, tokens: row.tokens };
}

export async function writePerson(tx: Tx, id: string, person: RenewedPerson): Promise<void> {
  await tx.query('update sessions set tokens = $2, email = $3, email_verified = $4 where id = $1', [
    id,
    person.tokens,
    person.email,
    person.emailVerified,
  ]);
}

export async function markSeen(tx: Tx, id: string): Promise<void> {
  await tx.query('update sessions set seen_at = clock_timestamp() where id = $1', [id]);
}

/** Answers whether it was this caller who made the offer; of several at once, one does. */
export async function offerToken(tx: Tx, id: string, sha256: string, again: { afterMs: number }): Promise<boolean> {
  const rows = await rowsOf(
    tx,
    `update sessions set next_sha256 = $2, offered_at = clock_timestamp(), seen_at = clock_timestamp()
     where id = $1 and (offered_at is null or offered_at < clock_timestamp() - make_interval(secs => $3::float8 / 1000))
     returning id`,
    [id, sha256, again.afterMs],
  );
  return rows.length > 0;
}

/** The browser has the token that it was offered: from now on it is the one. */
export async function takeToken(tx: Tx, id: string, sha256: string): Promise<void> {
  await tx.query(
    `update sessions set previous_sha256 = token_sha256, token_sha256 = next_sha256, next_sha256 = null, offered_at = null,
       rotated_at = clock_timestamp(), seen_at = clock_timestamp()
     where id = $1 and next_sha256 = $2`,
    [id, sha256],
  );
}

export async function deleteSession(tx: Tx, id: string): Promise<void> {
  await tx.query('delete from sessions where id = $1', [id]);
}

/** Those that nobody can use any more. */
export async function deleteOldSessions(tx: Tx, limits: { idleMs: number; maxMs: number }): Promise<void> {
  await tx.query(
    `delete from sessions where created_at < clock_timestamp() - make_interval(secs => $1::float8 / 1000)
       or seen_at < clock_timestamp() - make_interval(secs => $2::float8 / 1000)`,
    [limits.maxMs, limits.idleMs],
  );
}
