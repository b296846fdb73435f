import { type AuditFields, chainHash } from '#proof/audit-row.js';
import { leafHash, rootOf, splitOf } from '#proof/merkle.js';
import type { ReceiptFacts, VoidFacts } from '#proof/receipt.js';

const PROVIDER = 'idp_1';
const SAID_AT = '2026-03-01T09:01:00.000Z';
const ABOUT = {
  version: 1,
  provider_id: PROVIDER,
  user_id: 'user_1',
  organization_id: null,
  as_of: '2026-03-02T00:00:00.000Z',
  completeness: {
    status: 'complete',
    complete_from: '2026-01-01T00:00:00.000Z',
    complete_up_to: '2026-03-01T23:59:50.000Z',
    checked_at: '2026-03-02T00:00:00.000Z',
  },
} as const;

export const openReceipt = (): ReceiptFacts => ({ ...ABOUT, standing: 'open', active_grants: 3 });

/** As grants makes them, of a deleted user with two grants; the fourth and the sixth of seven rows of the audit are not theirs. */
export function voidReceipt(): VoidFacts {
  const scope = `${PROVIDER}/user:user_1`;
  const row = (id: number, action: string, subject: string, detail: object): AuditFields => ({
    id: String(id),
    at: String(1_772_355_661 + id),
    actor: 'workos',
    action,
    provider_id: PROVIDER,
    subject,
    reason: 'user_deprovisioned',
    source_event_id: 'event_1',
    detail: JSON.stringify(detail),
  });
  const rows = [
    row(1, 'grant.created', 'grant_0', {}),
    row(2, 'grant.created', 'grant_00', {}),
    row(3, 'scope.closed', scope, { closed_at: 'infinity' }),
    row(4, 'grant.revoked', 'grant_9', { scope: 'another' }),
    row(5, 'grant.revoked', 'grant_1', { scope }),
    row(6, 'grant.revoked', 'grant_8', { scope: 'another' }),
    row(7, 'grant.revoked', 'grant_2', { scope }),
  ];
  const chain: Buffer[] = [];
  for (const one of rows) chain.push(chainHash(chain.at(-1) ?? Buffer.alloc(32), one));
  const leaves = chain.map(leafHash);
  const proven = (seq: number) => ({
    seq: String(seq),
    previous: (chain[seq - 2] ?? Buffer.alloc(32)).toString('hex'),
    row: rows[seq - 1]!,
    path: pathOf(seq - 1, leaves),
  });
  const since = { void_since: SAID_AT, reason: 'user_deprovisioned', source_event_id: 'event_1' };
  const grant = (id: string, audit_seq: string) => ({
    id,
    resource: 'vault',
    scopes: ['read'],
    organization_id: null,
    session_id: null,
    granted_at: '2026-03-01T09:00:03.000Z',
    granted_by: 'app',
    ...since,
    actor: 'workos',
    audit_seq,
  });
  return {
    ...ABOUT,
    standing: 'void',
    scopes: [
      {
        scope,
        provider_id: PROVIDER,
        user_id: 'user_1',
        closed_at: 'infinity',
        opened_at: null,
        tokens_before: null,
        reason: 'user_deprovisioned',
        source_event_id: 'event_1',
        occurred_at: SAID_AT,
      },
    ],
    closings: [
      {
        scope,
        event: {
          id: 'event_1',
          type: 'user.deleted',
          occurred_at: SAID_AT,
          received_at: '2026-03-01T09:01:00.250Z',
          applied_at: '2026-03-01T09:01:00.262Z',
          via: 'webhook',
          record: { topic: 'workos.events', partition: 3, offset: '17' },
          sha256: 'ab'.repeat(32),
        },
        by: null,
        announced: [
          {
            id: 'revocation_1',
            committed_at: '2026-03-01T09:01:00.262Z',
            published: { topic: 'access.revocations', partition: 1, offset: '4', at: '2026-03-01T09:01:00.270Z' },
          },
        ],
        audit_seq: '3',
      },
    ],
    grants: { total: 2, listed: [grant('grant_2', '7'), grant('grant_1', '5')] },
    sessions: {
      total: 1,
      listed: [{ id: 'session_1', organization_id: null, created_at: null, last_seen_at: SAID_AT, ...since }],
    },
    audit: {
      size: rows.length,
      root: rootOf(leaves).toString('hex'),
      head: { hash: chain.at(-1)!.toString('hex'), path: pathOf(rows.length - 1, leaves) },
      rows: [proven(3), proven(5), proven(7)],
    },
  };
}

/** As RFC 9162 says it, recursively. */
function pathOf(index: number, leaves: readonly Buffer[]): string[] {
  if (leaves.length === 1) return [];
  const half = splitOf(leaves.length);
  const [own, other] =
    index < half ? [leaves.slice(0, half), leaves.slice(half)] : [leaves.slice(half), leaves.slice(0, half)];
  return [...pathOf(index < half ? index : index - half, own), rootOf(other).toString('hex')];
}
