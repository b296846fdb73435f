import type { QueuedSignal } from './queue.sql.js';
import { rowsOf, type Tx } from '#platform/sql.js';

export const DELIVERY_STATES = ['pending', 'delivered', 'refused'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

export interface DeliveryRow {
  id: string;
  stream_id: string;
  jti: string;
  subject: string;
  signal: QueuedSignal;
  state: DeliveryState;
  created_at: Date;
  settled_at: Date | null;
  /** When it is tried (again) at the earliest; null: at once, or not by us. */
  next_attempt_at: Date | null;
  attempts: string;
  last_error: string | null;
}

const DELIVERY = `
  select d.id, d.stream_id, d.jti, d.subject, d.signal, d.state, d.created_at, d.settled_at, a.attempts, a.last_error,
    case when d.state = 'pending' and s.status = 'enabled' and s.kind <> 'set_poll'
      then nullif(greatest(d.next_attempt_at, s.next_attempt_at), '-infinity') end as next_attempt_at
  from deliveries d join streams s on s.id = d.stream_id, lateral (
    select count(*) as attempts, (array_agg(error order by id desc))[1] as last_error
    from attempts where delivery_id = d.id
  ) a`;

/** Newest first. */
export const readDeliveries = (
  tx: Tx,
  filter: { stream_id?: string | undefined; state?: DeliveryState | undefined },
  { before, limit }: { before: string | undefined; limit: number },
): Promise<DeliveryRow[]> =>
  rowsOf<DeliveryRow>(
    tx,
    `${DELIVERY}
     where ($1::text is null or d.stream_id = $1) and ($2::text is null or d.state = $2)
       and ($3::bigint is null or d.id < $3)
     order by d.id desc limit $4`,
    [filter.stream_id ?? null, filter.state ?? null, before ?? null, limit],
  );

export async function readDelivery(tx: Tx, id: string): Promise<DeliveryRow | undefined> {
  const [row] = await rowsOf<DeliveryRow>(tx, `${DELIVERY} where d.id = $1`, [id]);
  return row;
}

export interface AttemptRow {
  at: Date;
  status: number | null;
  duration_ms: number | null;
  error: string | null;
}

export const readAttempts = (tx: Tx, deliveryId: string): Promise<AttemptRow[]> =>
  rowsOf<AttemptRow>(tx, 'select at, status, duration_ms, error from attempts where delivery_id = $1 order by id', [
    deliveryId,
  ]);

/** Into the queue again, in its old place; a delivery that waits already is left as it is. */
export async function redeliver(tx: Tx, id: string): Promise<void> {
  await tx.query(
    `update deliveries set state = 'pending', settled_at = null, refusals = 0, next_attempt_at = '-infinity'
     where id = $1 and state <> 'pending'`,
    [id],
  );
}
