import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import { appendAudit } from '../audit/audit.sql.js';
import { ulid } from '../ulid.js';
import { insertRun, type RunRow } from './reconciliation.sql.js';

export interface ReconciliationSettings {
  /** Of WorkOS's API, at most: applications use the same key, and the same limit. */
  requestsPerSecond: number;
  /** Each provider is compared so often, ms; 0: only on demand. */
  everyMs: number;
  /** Whether what the schedule finds is repaired as well. */
  repairs: boolean;
}

/** However small the directory is. */
const LEAST_CLOSINGS = 50;
/** More than this share of the people that we know: rather a wrong key than so many lost webhooks. */
const CLOSINGS_SHARE = 0.05;

export interface RunRequest {
  providerId: string;
  dryRun: boolean;
  /** How many people, memberships and organizations it may close; undefined: 5 % of the people that are known, at least 50. */
  maxClosings?: number | undefined;
  requestedBy: string;
}

/** Begins a comparison; undefined where one of that provider is under way. */
export async function requestRun(tx: Tx, request: RunRequest): Promise<RunRow | undefined> {
  const maxClosings = request.maxClosings ?? (await defaultClosings(tx, request.providerId));
  const run = await insertRun(tx, { ...request, id: `reconciliation_${ulid(Date.now())}`, maxClosings });
  if (!run) return undefined;
  await appendAudit(tx, [
    {
      actor: request.requestedBy,
      action: 'reconciliation.requested',
      providerId: request.providerId,
      subject: run.id,
      reason: null,
      sourceEventId: null,
      detail: { dry_run: request.dryRun, max_closings: maxClosings },
    },
  ]);
  return run;
}

async function defaultClosings(tx: Tx, providerId: string): Promise<number> {
  const [row] = await rowsOf<{ n: string }>(
    tx,
    'select count(*) as n from users where provider_id = $1 and deleted_at is null',
    [providerId],
  );
  return Math.max(LEAST_CLOSINGS, Math.floor(Number(row!.n) * CLOSINGS_SHARE));
}

/** By the schedule: each provider that was not compared for so long, and that is read for at least as long. */
export async function requestDueRuns(
  tx: Tx,
  providers: readonly IdentityProviderData[],
  { everyMs, repairs }: ReconciliationSettings,
): Promise<void> {
  const due = await rowsOf<{ provider_id: string }>(
    tx,
    `select t.provider_id from tail_readings t
     where t.provider_id = any($1) and t.started_at < clock_timestamp() - $2 * interval '1 ms'
       and not exists (
         select 1 from reconciliations r
         where r.provider_id = t.provider_id and r.requested_at > clock_timestamp() - $2 * interval '1 ms')`,
    [providers.map(({ id }) => id), everyMs],
  );
  for (const { provider_id: providerId } of due) {
    await requestRun(tx, { providerId, dryRun: !repairs, requestedBy: 'schedule' });
  }
}
