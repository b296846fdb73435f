import { rowsOf, type Tx } from '#platform/sql.js';
import type { Evidence } from './certificate.js';

interface EvidenceRow {
  provider_id: string;
  complete_from: number;
  read_up_to: number;
  problem: string | null;
  as_of: number | null;
  checked_at: Date | null;
  first_pending_at: number | null;
  pending: number;
}

/**
 * provider → how far its events have been read and applied: of one moment. A receipt is committed together with all that its
 * event does, so an event with a receipt is applied.
 */
export async function readEvidence(tx: Tx): Promise<Map<string, Evidence>> {
  const rows = await rowsOf<EvidenceRow>(
    tx,
    `select t.provider_id, t.complete_from, t.read_up_to, t.problem, t.as_of, t.checked_at,
       p.first_pending_at, p.pending::int
     from tail_readings t, lateral (
       select min(p.occurred_at) as first_pending_at, count(*) as pending from tail_pending p
       where p.provider_id = t.provider_id
         and not exists (select 1 from receipts r where r.event_id = p.event_id and r.provider_id = p.provider_id)
     ) p`,
  );
  return new Map(
    rows.map((row) => [
      row.provider_id,
      {
        completeFrom: row.complete_from,
        readUpTo: row.read_up_to,
        firstPendingAt: row.first_pending_at ?? Infinity,
        pending: row.pending,
        asOf: row.as_of ?? -Infinity,
        checkedAt: row.checked_at?.getTime(),
        problem: row.problem ?? undefined,
      },
    ]),
  );
}

export interface MissedRow {
  seq: string;
  provider_id: string;
  event_id: string;
  type: string;
  user_id: string | null;
  organization_id: string | null;
  occurred_at: number | null;
  applied_at: Date;
  webhook_at: Date | null;
}

/**
 * Events that were applied before any webhook brought them, newest first, before `seq`. What had happened before we began to
 * read is no missed webhook: nobody had asked for it.
 */
export function readMissed(
  tx: Tx,
  providerId: string | undefined,
  page: { before: string | undefined; limit: number },
): Promise<MissedRow[]> {
  return rowsOf(
    tx,
    `select r.seq, r.provider_id, r.event_id, r.type, r.user_id, r.organization_id, r.occurred_at, r.applied_at,
       r.webhook_at
     from receipts r join tail_readings t using (provider_id)
     where r.via = 'events-api' and r.occurred_at >= extract(epoch from t.started_at) * 1000
       and ($1::bigint is null or r.seq < $1) and ($2::text is null or r.provider_id = $2)
     order by r.seq desc limit $3`,
    [page.before ?? null, providerId ?? null, page.limit],
  );
}
