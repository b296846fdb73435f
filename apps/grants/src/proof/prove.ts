import { momentToWire, type Moment } from '#contracts/moment.js';
import { Problem } from '#platform/problem.js';
import type { Tx } from '#platform/sql.js';
import { chainHash } from '#proof/audit-row.js';
import { coveringScopes } from '#proof/check-receipt.js';
import type { ProvenRow, ReceiptFacts, VoidFacts } from '#proof/receipt.js';
import { type Holder, keyOf, scopesOf } from '#revocation/scope.js';
import { isClosed } from '#revocation/scope-state.js';
import { stateToWire } from '#revocation/wire.js';
import { readHead } from '../audit/audit-chain.js';
import type { SessionRow } from '../directory/directory.sql.js';
import { type KnownScopes, markOf } from '../domain/mark.js';
import { BY_EVENT, standingOf } from '../grants/grant-view.js';
import { countActiveGrants, type Grant } from '../grants/grants.sql.js';
import { readScopeIds, readScopes } from '../scopes/scopes.sql.js';
import { AuditTree, damaged } from './audit-tree.js';
import {
  type ChainedRow,
  type Person,
  readAnnouncements,
  readAuditOf,
  readGrantsOfPerson,
  readSessionsOfPerson,
  readSourceEvent,
  type SourceEventRow,
} from './proof.sql.js';

/** Of one person; more of them are counted, and void by the same rule. */
const MOST_LISTED = 500;

/**
 * What is known of the end of somebody's access, of the moment of `tx`: a transaction that sees one state of the database
 * throughout. Throws 409 `audit_damaged` where the audit lacks what it should have, 503 where it is not sealed yet.
 */
export async function prove(
  tx: Tx,
  person: Person,
  asOf: Moment,
  completeness: ReceiptFacts['completeness'],
): Promise<ReceiptFacts> {
  const { providerId, userId, organizationId } = person;
  const about = {
    version: 1,
    provider_id: providerId,
    user_id: userId,
    organization_id: organizationId,
    as_of: momentToWire(asOf)!,
    completeness,
  } as const;
  const keys = coveringScopes(about);
  const known = await readScopes(tx, keys);
  const closed = keys.filter((key) => isClosed(known.stateOf(key) ?? NEVER_CLOSED));
  if (closed.length === 0) {
    const scope =
      organizationId === null
        ? ({ kind: 'user', providerId, userId } as const)
        : ({ kind: 'membership', providerId, userId, organizationId } as const);
    return { ...about, standing: 'open', active_grants: await countActiveGrants(tx, scope, asOf) };
  }

  const scopes = await readScopeIds(tx, keys);
  const rows = new SealedRows(await readAuditOf(tx, closed, ['scope.closed']));
  const closings: VoidFacts['closings'] = [];
  for (const scope of scopes.filter((one) => closed.includes(keyOf(one)))) {
    const key = keyOf(scope);
    const { closedAt, closing } = known.stateOf(key)!;
    const row = rows.find(key, ({ detail, source_event_id }) => ({
      fits: closedAtOf(detail) === closedAt,
      best: source_event_id === closing!.sourceEventId,
    }));
    if (!row) throw damaged(`the closing of ${key} has no row in the audit`);
    const event = closing!.sourceEventId && (await readSourceEvent(tx, providerId, closing!.sourceEventId));
    const announced = await readAnnouncements(tx, scope, closing!);
    closings.push({
      scope: key,
      event: event ? eventView(event) : null,
      by: closing!.sourceEventId === null ? row.actor : null,
      announced: announced.map(({ id, committed_at, record }) => ({
        id,
        committed_at: committed_at.toISOString(),
        published: record && {
          topic: record.topic,
          partition: record.partition,
          offset: record.kafka_offset,
          at: record.published_at.toISOString(),
        },
      })),
      audit_seq: rows.use(row),
    });
  }
  const grants = await readGrantsOfPerson(tx, person, MOST_LISTED);
  const sessions = await readSessionsOfPerson(tx, person, MOST_LISTED);
  const holderOf = (session: SessionRow): Holder => ({
    providerId,
    userId,
    organizationId: session.organization_id ?? undefined,
    sessionId: session.id,
  });
  const holders = [...grants.listed, ...sessions.listed.map(holderOf)];
  const all = await readScopes(tx, [...keys, ...holders.flatMap(scopesOf)]);
  rows.add(
    await readAuditOf(
      tx,
      grants.listed.map(({ id }) => id),
      ['grant.revoked', 'grant.revoked_by_hand'],
    ),
  );
  return {
    ...about,
    standing: 'void',
    scopes: scopes.map((scope) => stateToWire(scope, known.stateOf(keyOf(scope))!)),
    closings,
    grants: { total: grants.total, listed: grants.listed.map((grant) => grantView(grant, all, asOf, rows)) },
    sessions: {
      total: sessions.total,
      listed: sessions.listed.map((session) => sessionView(session, holderOf(session), all, asOf)),
    },
    audit: await auditView(tx, rows.used),
  };
}

const NEVER_CLOSED = { closedAt: -Infinity, openedAt: -Infinity, tokensBefore: -Infinity, closing: null };

const wire = (moment: Moment | null): string | null => (moment === null ? null : momentToWire(moment));

function eventView(row: SourceEventRow): NonNullable<VoidFacts['closings'][number]['event']> {
  return {
    id: row.event_id,
    type: row.type,
    occurred_at: wire(row.occurred_at),
    received_at: row.received_at?.toISOString() ?? null,
    applied_at: row.applied_at.toISOString(),
    via: row.via ?? 'webhook',
    record: { topic: row.topic, partition: row.partition, offset: row.kafka_offset },
    sha256: row.sha256,
  };
}

/** Judged by the rule; the row of the audit is the one that says just that. */
function grantView(grant: Grant, known: KnownScopes, asOf: Moment, rows: SealedRows) {
  const { revokedAt, revocation } = standingOf(grant, known, asOf);
  const { reason, source_event_id, actor } = revocation!;
  const row = rows.find(grant.id, (one) => ({
    fits: one.reason === reason && one.source_event_id === source_event_id,
    best: one.actor === actor,
  }));
  return {
    id: grant.id,
    resource: grant.resource,
    scopes: grant.scopes,
    organization_id: grant.organizationId ?? null,
    session_id: grant.sessionId ?? null,
    granted_at: momentToWire(grant.grantedAt)!,
    granted_by: grant.grantedBy,
    void_since: momentToWire(revokedAt!)!,
    reason,
    source_event_id,
    actor: actor ?? BY_EVENT,
    audit_seq: row ? rows.use(row) : null,
  };
}

/** Every token of a sign-in is void since the sign-in is, by the same rule. */
function sessionView(session: SessionRow, holder: Holder, known: KnownScopes, asOf: Moment) {
  const mark = markOf({ id: session.id, grantedAt: session.created_at ?? asOf, ...holder }, known)!;
  return {
    id: session.id,
    organization_id: session.organization_id,
    created_at: wire(session.created_at),
    last_seen_at: wire(session.last_seen_at),
    void_since: momentToWire(mark.revokedAt)!,
    reason: mark.reason,
    source_event_id: mark.sourceEventId,
  };
}

/** Rows of the audit that a receipt may rest on, and those that it does. */
class SealedRows {
  readonly used = new Map<string, ChainedRow>();
  private readonly rows: ChainedRow[];

  constructor(rows: readonly ChainedRow[]) {
    this.rows = [...rows];
  }

  add(rows: readonly ChainedRow[]): void {
    for (const row of rows) this.rows.push(row);
  }

  find(subject: string, rank: (row: ChainedRow) => { fits: boolean; best: boolean }): ChainedRow | undefined {
    const fitting = this.rows.filter((row) => row.subject === subject && rank(row).fits);
    return fitting.find((row) => rank(row).best) ?? fitting[0];
  }

  /** Answers its place. Throws where it has none, or is not what was sealed. */
  use(row: ChainedRow): string {
    if (row.seq === null) {
      throw new Problem(503, 'audit_not_sealed', 'The audit of this is being sealed; try again in a moment.', {
        headers: { 'retry-after': '1' },
      });
    }
    if (row.previous === null) throw damaged(`the chain of the audit lacks ${BigInt(row.seq) - 1n}`);
    if (!chainHash(row.previous, row).equals(row.hash!)) throw damaged(`audit row ${row.id} is not what was sealed`);
    this.used.set(row.seq, row);
    return row.seq;
  }
}

async function auditView(tx: Tx, used: ReadonlyMap<string, ChainedRow>): Promise<VoidFacts['audit']> {
  const head = (await readHead(tx))!;
  const tree = new AuditTree(tx, Number(head.seq));
  const rows: ProvenRow[] = [];
  for (const [
    seq,
    { id, at, actor, action, provider_id, subject, reason, source_event_id, detail, previous },
  ] of used) {
    rows.push({
      seq,
      previous: previous!.toString('hex'),
      row: { id, at, actor, action, provider_id, subject, reason, source_event_id, detail },
      path: (await tree.path(Number(seq) - 1)).map(hex),
    });
  }
  return {
    size: tree.size,
    root: hex(await tree.root()),
    head: { hash: head.hash, path: (await tree.path(tree.size - 1)).map(hex) },
    rows: rows.sort((a, b) => Number(a.seq) - Number(b.seq)),
  };
}

const hex = (bytes: Buffer): string => bytes.toString('hex');

function closedAtOf(detail: string | null): number {
  const { closed_at: at } = JSON.parse(detail ?? '{}') as { closed_at?: number | 'infinity' };
  return at === 'infinity' ? Infinity : Number(at);
}
