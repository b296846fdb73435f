import { createHash } from 'node:crypto';
import type { RevocationData } from '#contracts/revocation.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import type { AuditFields } from '#proof/audit-row.js';
import type { Scope } from '#revocation/scope.js';
import { FIELDS, GENESIS } from '../audit/audit-chain.js';
import { revocationId } from '../domain/announcements.js';
import type { SessionRow } from '../directory/directory.sql.js';
import { type GrantRow, grantOfRow } from '../grants/grants.sql.js';
import { scopeIds } from '../scopes/scopes.sql.js';

/** An event as it came first, with the digest of its bytes. */
export interface SourceEventRow {
  event_id: string;
  type: string;
  occurred_at: number | null;
  received_at: Date | null;
  applied_at: Date;
  via: string | null;
  topic: string;
  partition: number;
  kafka_offset: string;
  sha256: string;
}

export async function readSourceEvent(
  tx: Tx,
  providerId: string,
  eventId: string,
): Promise<SourceEventRow | undefined> {
  const [row] = await rowsOf<Omit<SourceEventRow, 'sha256'> & { value: Buffer }>(
    tx,
    `select event_id, type, occurred_at, received_at, applied_at, via, topic, partition, kafka_offset, value
     from receipts where event_id = $1 and provider_id = $2`,
    [eventId, providerId],
  );
  return row && { ...row, sha256: createHash('sha256').update(row.value).digest('hex') };
}

export interface AnnouncedRow {
  id: string;
  committed_at: Date;
  record: { topic: string; partition: number; kafka_offset: string; published_at: Date } | null;
}

/** What was announced of one closing of a scope, and where Kafka keeps it as far as that is known. */
export async function readAnnouncements(
  tx: Tx,
  scope: Scope,
  closing: { reason: string; sourceEventId: string | null },
): Promise<AnnouncedRow[]> {
  const { scope_key, user_id, organization_id } = scopeIds(scope);
  const found = await rowsOf<{ data: RevocationData; announced_at: Date }>(
    tx,
    `select data, announced_at from revocations
     where scope_key = $1 and ($2::text is null or user_id = $2) and ($3::text is null or organization_id = $3)
       and data ->> 'reason' = $4 and data ->> 'source_event_id' is not distinct from $5::text
     order by id limit 20`,
    [scope_key, user_id, organization_id, closing.reason, closing.sourceEventId],
  );
  const records = await rowsOf<NonNullable<AnnouncedRow['record']> & { event_id: string }>(
    tx,
    `select distinct on (event_id) event_id, topic, partition, kafka_offset, published_at from announcement_records
     where event_id = any($1) order by event_id, published_at`,
    [found.map(({ data }) => revocationId(data))],
  );
  return found.map(({ data, announced_at }) => {
    const id = revocationId(data);
    return { id, committed_at: announced_at, record: records.find(({ event_id }) => event_id === id) ?? null };
  });
}

/** A row of the audit with its place in the chain; `seq` null: not sealed yet. `hash`: the chain's, there and just before. */
export type ChainedRow = AuditFields & { seq: string | null; hash: Buffer | null; previous: Buffer | null };

/** The rows of some effects on some subjects, newest first. */
export async function readAuditOf(
  tx: Tx,
  subjects: readonly string[],
  actions: readonly string[],
): Promise<ChainedRow[]> {
  const rows = await rowsOf<ChainedRow>(
    tx,
    `select ${FIELDS}, c.seq, c.hash, p.hash as previous
     from audit a left join audit_chain c on c.audit_id = a.id left join audit_chain p on p.seq = c.seq - 1
     where a.subject = any($1) and a.action = any($2) order by a.id desc`,
    [subjects, actions],
  );
  return rows.map((row) => (row.seq === '1' ? { ...row, previous: GENESIS } : row));
}

export interface Person {
  providerId: string;
  userId: string;
  /** Null: all of their access. */
  organizationId: string | null;
}

/** How many grants or sign-ins somebody ever had, and the newest of them; within one organization where it is given. */
async function readOfPerson<Row>(
  tx: Tx,
  table: 'grants' | 'sessions',
  { userId, providerId, organizationId }: Person,
  limit: number,
): Promise<{ total: number; listed: Row[] }> {
  const of = `from ${table} where user_id = $1 and provider_id = $2 and ($3::text is null or organization_id = $3)`;
  const parameters = [userId, providerId, organizationId];
  const [count] = await rowsOf<{ n: string }>(tx, `select count(*) as n ${of}`, parameters);
  const listed = await rowsOf<Row>(tx, `select * ${of} order by id desc limit $4`, [...parameters, limit]);
  return { total: Number(count!.n), listed };
}

export async function readGrantsOfPerson(tx: Tx, person: Person, limit: number) {
  const { total, listed } = await readOfPerson<GrantRow>(tx, 'grants', person, limit);
  return { total, listed: listed.map(grantOfRow) };
}

export const readSessionsOfPerson = (tx: Tx, person: Person, limit: number) =>
  readOfPerson<SessionRow>(tx, 'sessions', person, limit);
