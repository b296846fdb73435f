import { z } from 'zod';
import { scopeStateData } from '#contracts/revocation.js';
import { auditRow } from './audit-row.js';

/** `typ` of a signed receipt (RFC 7515, section 4.1.9), so that nobody takes it for a token. */
export const RECEIPT_TYPE = 'rescind-receipt+jwt';

const time = z.string();
const hash = z.string().regex(/^[0-9a-f]{64}$/, '32 bytes in hex');

/** Where a record stands in Kafka. */
const place = z.object({ topic: z.string(), partition: z.int(), offset: z.string() });

/** What WorkOS said, and when we knew. Three clocks: WorkOS's, that of webhook-ingress, that of the database. */
const sourceEvent = z.object({
  id: z.string(),
  type: z.string(),
  occurred_at: time.nullable(),
  received_at: time.nullable(),
  applied_at: time,
  /** `webhook`, or what brought it where no webhook did. */
  via: z.string(),
  record: place,
  /** Of the record's value, byte for byte. */
  sha256: hash,
});

/** One scope that is closed, and what stands behind it. */
const closing = z.object({
  scope: z.string(),
  /** The event that closed it; null: by hand, or the event itself never came here (see `by`). */
  event: sourceEvent.nullable(),
  /** Who, where it was by hand. */
  by: z.string().nullable(),
  announced: z.array(
    z.object({
      /** Of the record on access.revocations. */
      id: z.string(),
      /** When it was committed, to be published. */
      committed_at: time,
      /** Once Kafka had it; null: not known. */
      published: place.extend({ at: time }).nullable(),
    }),
  ),
  /** Its row in `audit.rows`, by its place in the chain. */
  audit_seq: z.string(),
});

const grant = z.object({
  id: z.string(),
  resource: z.string(),
  scopes: z.array(z.string()),
  organization_id: z.string().nullable(),
  session_id: z.string().nullable(),
  granted_at: time,
  granted_by: z.string(),
  void_since: time,
  reason: z.string(),
  source_event_id: z.string().nullable(),
  actor: z.string(),
  /** Null: its mark is not written yet; it is void by the rule all the same. */
  audit_seq: z.string().nullable(),
});

/** A sign-in: every token of it is void. */
const session = z.object({
  id: z.string(),
  organization_id: z.string().nullable(),
  created_at: time.nullable(),
  last_seen_at: time.nullable(),
  void_since: time,
  reason: z.string(),
  source_event_id: z.string().nullable(),
});

const some = <T extends z.ZodType>(item: T) => z.object({ total: z.int(), listed: z.array(item) });

/** A row of the audit, its place in the chain, and the way from it to the root. */
export const provenRow = z.object({
  seq: z.string().regex(/^[1-9]\d{0,14}$/),
  /** The chain's hash before it. */
  previous: hash,
  row: auditRow,
  /** The hashes beside the way from the leaf up (RFC 9162, section 2.1.3). */
  path: z.array(hash).max(64),
});
export type ProvenRow = z.infer<typeof provenRow>;

export const completenessOfReceipt = z.object({
  status: z.enum(['complete', 'behind', 'unknown', 'not_configured']),
  complete_from: time.nullable(),
  complete_up_to: time.nullable(),
  checked_at: time.nullable(),
  problem: z.string().optional(),
});

const about = {
  version: z.literal(1),
  provider_id: z.string(),
  user_id: z.string(),
  /** Given: the receipt is about their access within this organization alone. */
  organization_id: z.string().nullable(),
  /** Of this moment, by the database's clock. */
  as_of: time,
  /** Up to when everything that WorkOS said is in here. */
  completeness: completenessOfReceipt,
};

/** What grants knows of the end of somebody's access. Of somebody who has access it says just that. */
export const receiptFacts = z.discriminatedUnion('standing', [
  z.object({ ...about, standing: z.literal('open'), active_grants: z.int() }),
  z.object({
    ...about,
    standing: z.literal('void'),
    /** The scopes that cover all of this access, as far as anything is known of them; at least one is closed. */
    scopes: z.array(scopeStateData),
    /** One for each of them that is closed. */
    closings: z.array(closing).min(1),
    grants: some(grant),
    sessions: some(session),
    audit: z.object({
      /** Rows in the chain, and the root of the tree over them. */
      size: z.int(),
      root: hash,
      /** The last hash of the chain, as `npm run audit:verify -- --head SEQ:HASH` takes it; and its way to the root. */
      head: z.object({ hash, path: z.array(hash).max(64) }),
      rows: z.array(provenRow),
    }),
  }),
]);
export type ReceiptFacts = z.infer<typeof receiptFacts>;
export type VoidFacts = Extract<ReceiptFacts, { standing: 'void' }>;

/** What the portal signs. `iat` in seconds. */
export const receiptClaims = z.object({ iss: z.string(), iat: z.int(), jti: z.string(), receipt: receiptFacts });
