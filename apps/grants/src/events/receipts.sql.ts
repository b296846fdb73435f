import { CANARY_PROVIDER_ID } from '#contracts/identity-provider.js';
import { effectsOf } from '#revocation/effects.js';
import { type DecodedRecord, subjectOf } from './decode-batch.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

export type Outcome = 'applied' | 'no_effect' | 'unknown_type' | 'shadow';

/**
 * Keeps each event as it came first; answers those that were not there. What comes again changes nothing, and would not
 * even if it were not recognised: this saves work and tells people what happened. Only what came in shadow mode at first is
 * noted as applied when it comes to be.
 */
export async function insertReceipts(tx: Tx, records: readonly DecodedRecord[]): Promise<number> {
  if (records.length === 0) return 0;
  const sorted = [...records].sort(byEventId);
  const values = sorted.map(({ record }) => record.value ?? Buffer.alloc(0)); // what was decoded has one
  let end = 0;
  const starts = values.map(({ length }) => (end += length) - length + 1);
  const inserted = await rowsOf<{ event_id: string; provider_id: string }>(
    tx,
    // The values travel as one piece, as they are: each for itself would be written and read as text, twice as long.
    `insert into receipts
       (event_id, provider_id, type, outcome, user_id, organization_id, occurred_at, received_at, topic, partition,
        kafka_offset, value, via)
     select event_id, provider_id, type, outcome, user_id, organization_id, occurred_at,
       to_timestamp(received_at / 1000), topic, partition, kafka_offset, substring($12::bytea from starts for length), via
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::float8[], $8::float8[],
       $9::text[], $10::int[], $11::bigint[], $13::int[], $14::int[], $15::text[])
       as n (event_id, provider_id, type, outcome, user_id, organization_id, occurred_at, received_at, topic,
         partition, kafka_offset, starts, length, via)
     on conflict (event_id, provider_id) do nothing returning event_id, provider_id`,
    [
      ...columns(
        sorted,
        ({ event }) => event.id,
        ({ event }) => event.providerId,
        ({ event }) => (event.type === 'unknown' ? event.name : event.type),
        ({ event }) => outcomeOf(event),
        ({ event }) => subjectOf(event).userId,
        ({ event }) => subjectOf(event).organizationId,
        ({ event }) => finite(event.occurredAt),
        ({ receivedAt }) => finite(receivedAt),
        ({ record }) => record.topic,
        ({ record }) => record.partition,
        ({ record }) => record.offset,
      ),
      Buffer.concat(values),
      starts,
      values.map(({ length }) => length),
      sorted.map(({ via }) => via ?? null),
    ],
  );
  const fresh = new Set(inserted.map((row) => idOf(row.provider_id, row.event_id)));
  await leaveShadow(
    tx,
    records.map(({ event }) => event).filter((event) => !event.shadow && !fresh.has(idOf(event.providerId, event.id))),
  );
  if (inserted.length < records.length) await noteWebhooks(tx, records);
  return inserted.length;
}

const idOf = (providerId: string, eventId: string): string => `${providerId}/${eventId}`;

async function leaveShadow(tx: Tx, again: readonly DecodedRecord['event'][]): Promise<void> {
  if (again.length === 0) return;
  await tx.query(
    `update receipts r set outcome = n.outcome
     from unnest($1::text[], $2::text[], $3::text[]) as n (event_id, provider_id, outcome)
     where r.event_id = n.event_id and r.provider_id = n.provider_id and r.outcome = 'shadow'`,
    columns(
      again,
      ({ id }) => id,
      ({ providerId }) => providerId,
      outcomeOf,
    ),
  );
}

/** Of events that had come otherwise before: here is their webhook. What never gets one was missed. */
async function noteWebhooks(tx: Tx, records: readonly DecodedRecord[]): Promise<void> {
  const webhooks = records.filter(({ via }) => via === undefined);
  if (webhooks.length === 0) return;
  await tx.query(
    `update receipts r set webhook_at = to_timestamp(n.received_at / 1000)
     from unnest($1::text[], $2::text[], $3::float8[]) as n (event_id, provider_id, received_at)
     where r.event_id = n.event_id and r.provider_id = n.provider_id and r.via is not null and r.webhook_at is null`,
    columns(
      [...webhooks].sort(byEventId),
      ({ event }) => event.id,
      ({ event }) => event.providerId,
      ({ receivedAt }) => finite(receivedAt),
    ),
  );
}

/** What came of an event, as far as the event itself says; a suspension rule may give a `user.updated` more meaning. */
export function outcomeOf(event: DecodedRecord['event']): Outcome {
  if (event.shadow) return 'shadow';
  if (event.type === 'unknown') return 'unknown_type';
  return effectsOf(event).length > 0 ? 'applied' : 'no_effect';
}

const finite = (ms: number): number | null => (Number.isFinite(ms) ? ms : null);

/** One order for all replicas, so that two with the same events do not wait for each other. */
function byEventId(a: DecodedRecord, b: DecodedRecord): number {
  return a.event.id < b.event.id ? -1 : a.event.id > b.event.id ? 1 : 0;
}

export interface ReceiptRow {
  provider_id: string;
  event_id: string;
  type: string;
  outcome: Outcome;
  user_id: string | null;
  organization_id: string | null;
  occurred_at: number | null;
  received_at: Date | null;
  applied_at: Date;
  topic: string;
  partition: number;
  kafka_offset: string;
  seq: string;
}

const COLUMNS = `provider_id, event_id, type, outcome, user_id, organization_id, occurred_at, received_at, applied_at,
  topic, partition, kafka_offset, seq`;

export interface ReceiptFilter {
  provider_id?: string | undefined;
  user_id?: string | undefined;
  organization_id?: string | undefined;
  type?: string | undefined;
}

/** Newest first, before `seq`; those of the canary only where its provider is asked for. */
export function readReceipts(
  tx: Tx,
  filter: ReceiptFilter,
  page: { before: string | undefined; limit: number },
): Promise<ReceiptRow[]> {
  return rowsOf(
    tx,
    `select ${COLUMNS} from receipts
     where ($1::bigint is null or seq < $1)
       and ($2::text is null or provider_id = $2) and ($3::text is null or user_id = $3)
       and ($2::text is not null or provider_id <> '${CANARY_PROVIDER_ID}')
       and ($4::text is null or organization_id = $4) and ($5::text is null or type = $5)
     order by seq desc limit $6`,
    [
      page.before ?? null,
      filter.provider_id ?? null,
      filter.user_id ?? null,
      filter.organization_id ?? null,
      filter.type ?? null,
      page.limit,
    ],
  );
}

export async function readReceipt(
  tx: Tx,
  eventId: string,
  providerId: string | undefined,
): Promise<(ReceiptRow & { value: Buffer }) | undefined> {
  const [row] = await rowsOf<ReceiptRow & { value: Buffer }>(
    tx,
    `select ${COLUMNS}, value from receipts where event_id = $1 and ($2::text is null or provider_id = $2) limit 1`,
    [eventId, providerId ?? null],
  );
  return row;
}
