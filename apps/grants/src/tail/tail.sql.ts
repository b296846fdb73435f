import { columns, rowsOf, type Tx } from '#platform/sql.js';
import type { Reading } from './reading.js';

interface ReadingRow {
  complete_from: number;
  cursor_id: string | null;
  read_from: number;
  read_up_to: number;
}

export async function readReading(tx: Tx, providerId: string): Promise<Reading | undefined> {
  const [row] = await rowsOf<ReadingRow>(
    tx,
    'select complete_from, cursor_id, read_from, read_up_to from tail_readings where provider_id = $1',
    [providerId],
  );
  if (!row || row.read_up_to === -Infinity) return undefined;
  return { completeFrom: row.complete_from, cursor: row.cursor_id, from: row.read_from, readUpTo: row.read_up_to };
}

/**
 * Keeps where reading has come to. Only once Kafka has acknowledged what was read. A former leader that writes late does no
 * harm: a cursor that is moved back is read again, and what was read stays read.
 */
export async function writeReading(
  tx: Tx,
  providerId: string,
  reading: Reading,
  state: { isAtEnd: boolean; asOf: number },
): Promise<void> {
  await tx.query(
    `insert into tail_readings as r
       (provider_id, complete_from, cursor_id, read_from, read_up_to, is_at_end, as_of)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (provider_id) do update
     set complete_from = greatest(r.complete_from, excluded.complete_from), cursor_id = excluded.cursor_id,
       read_from = excluded.read_from, read_up_to = greatest(r.read_up_to, excluded.read_up_to),
       is_at_end = excluded.is_at_end, as_of = excluded.as_of, problem = null,
       checked_at = clock_timestamp()`,
    [providerId, reading.completeFrom, reading.cursor, reading.from, reading.readUpTo, state.isAtEnd, state.asOf],
  );
}

/** Why nothing can be read; what was read until then stays true. */
export async function writeProblem(tx: Tx, providerId: string, problem: string): Promise<void> {
  await tx.query(
    `insert into tail_readings (provider_id, complete_from, read_from, read_up_to, is_at_end, problem)
     values ($1, '-infinity', '-infinity', '-infinity', false, $2)
     on conflict (provider_id) do update set problem = excluded.problem`,
    [providerId, problem],
  );
}

export interface FoundEvent {
  id: string;
  type: string;
  /** ms; where it does not say, no later than it can have been. */
  occurredAt: number;
  key: string;
  /** As it is published. */
  value: Buffer;
}

/** Of events that WorkOS lists, those that have not been applied, and that are not on their way already. */
export async function selectUnknown(tx: Tx, providerId: string, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await rowsOf<{ id: string }>(
    tx,
    `select id from unnest($2::text[]) as listed (id)
     where not exists (select 1 from receipts r where r.event_id = listed.id and r.provider_id = $1)
       and not exists (select 1 from tail_pending p where p.event_id = listed.id and p.provider_id = $1)`,
    [providerId, ids],
  );
  return new Set(rows.map(({ id }) => id));
}

/** Kafka has them; now they wait until they are applied. */
export async function insertPending(tx: Tx, providerId: string, events: readonly FoundEvent[]): Promise<void> {
  if (events.length === 0) return;
  await tx.query(
    `insert into tail_pending (provider_id, event_id, type, occurred_at, key, value)
     select $1, * from unnest($2::text[], $3::text[], $4::float8[], $5::text[], $6::bytea[])
     on conflict (event_id, provider_id) do nothing`,
    [
      providerId,
      ...columns(
        events,
        ({ id }) => id,
        ({ type }) => type,
        ({ occurredAt }) => occurredAt,
        ({ key }) => key,
        ({ value }) => value,
      ),
    ],
  );
}

/** Forgets what has been applied meanwhile. */
export async function settlePending(tx: Tx, providerId: string): Promise<void> {
  await tx.query(
    `delete from tail_pending p where provider_id = $1
       and exists (select 1 from receipts r where r.event_id = p.event_id and r.provider_id = p.provider_id)`,
    [providerId],
  );
}

/**
 * What was published and has not been applied for long: Kafka may have been made anew in between, so it is sent again, ever
 * more rarely. What cannot be read stands in `set_aside` by then.
 */
export function takeOverdue(tx: Tx, providerId: string, limit: number): Promise<{ key: string; value: Buffer }[]> {
  return rowsOf(
    tx,
    `update tail_pending p set sent = p.sent + 1, sent_at = clock_timestamp()
     from (
       select event_id from tail_pending
       where provider_id = $1 and sent_at < clock_timestamp() - interval '1 minute' * power(2, least(sent, 10))
       order by sent_at limit $2 for update skip locked
     ) due
     where p.event_id = due.event_id and p.provider_id = $1 returning p.key, p.value`,
    [providerId, limit],
  );
}
