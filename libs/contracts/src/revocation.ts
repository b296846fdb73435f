import { z } from 'zod';
import { checked } from './checked.js';
import { decodeCloudEvent, problemFields } from './cloud-event.js';
import { momentFromWire } from './moment.js';
import { HEARTBEAT_TYPE, REVOCATION_TYPE, SCOPE_STATE_TYPE } from './record-types.js';
import { Rejected } from './rejected.js';

/** Why access ended. Codes are stable; a revocation by hand carries {@link BY_HAND} and its own words beside it. */
export const REASON_CODES = [
  'user_deprovisioned',
  'user_suspended',
  'membership_deleted',
  'membership_inactive',
  'role_changed',
  'session_revoked',
  'organization_deleted',
  'reconciled',
  'signal_received',
] as const;

export type ReasonCode = (typeof REASON_CODES)[number];

export { HEARTBEAT_TYPE, REVOCATION_TYPE, SCOPE_STATE_TYPE };
/** The one key on `access.revocation-state` that is no scope. Each partition has a record of this key. */
export const HEARTBEAT_KEY = 'heartbeat';

const moment = z
  .string()
  .nullable()
  .refine((wire) => !Number.isNaN(momentFromWire(wire)), 'RFC 3339 with milliseconds, "infinity" or null')
  .meta({ pattern: '^(infinity|\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z)$' });

/** `data` of a record on `access.revocation-state`: what is known of one scope. */
export const scopeStateData = z.object({
  scope: z.string().min(1),
  provider_id: z.string().min(1),
  user_id: z.string().optional(),
  organization_id: z.string().optional(),
  session_id: z.string().optional(),
  /** Closed from this moment; `"infinity"`: for ever; `null`: never was. */
  closed_at: moment,
  opened_at: moment,
  /** Tokens issued at or before this moment are void; grants are not. */
  tokens_before: moment,
  /** Why it was closed last. Null while the scope was never closed. */
  reason: z.string().nullable(),
  source_event_id: z.string().nullable(),
  occurred_at: moment,
});
export type ScopeStateData = z.infer<typeof scopeStateData>;

/** `data` of a record on `access.revocations`. */
export const revocationData = scopeStateData.extend({
  /** The grants marked by then; left out where there are more than fit: ask `GET /v1/grants`. */
  revoked_grant_ids: z.array(z.string()).optional(),
});
export type RevocationData = z.infer<typeof revocationData>;

/** partition → offset, both of Kafka's: an int64 does not fit into a number of JSON. */
const offsets = z.record(z.string().regex(/^\d{1,10}$/), z.string().regex(/^\d{1,19}$/));

/**
 * `data` of the heartbeat, of which there is one in each partition. Whoever has not read the newest one of every partition may
 * not know of a revocation; nor may who has not read `workos.events` up to `ends`, unless `applied` goes as far.
 */
export const heartbeatData = z.object({
  /** The moment that this speaks of, RFC 3339. */
  at: z.string(),
  /** How many partitions the state topic has, so that one that was added is missed before it is read. */
  partitions: z.number().int().min(1),
  /** partition of `workos.events` → offset: the effects of everything before it are on the state topic already. */
  applied: offsets,
  /** partition of `workos.events` → offset: everything that Kafka had acknowledged by `at` stands before it. */
  ends: offsets.default({}),
});
export type HeartbeatData = z.infer<typeof heartbeatData>;

export type StateRecord = { kind: 'scope'; data: ScopeStateData } | { kind: 'heartbeat'; data: HeartbeatData };

/** Reads a record of `access.revocation-state`; throws `Rejected('record_malformed')`. */
export function decodeStateRecord(value: Buffer | null): StateRecord {
  const record = decodeCloudEvent(value);
  if (record.type === HEARTBEAT_TYPE) return { kind: 'heartbeat', data: parse(heartbeatData, record.data) };
  if (record.type === SCOPE_STATE_TYPE) return { kind: 'scope', data: parse(scopeStateData, record.data) };
  throw new Rejected('record_malformed', 'type');
}

function parse<T>(schema: z.ZodType<T>, data: unknown): T {
  const parsed = checked(schema, data);
  if (!parsed.success) throw new Rejected('record_malformed', `data: ${problemFields(parsed.error)}`);
  return parsed.data;
}
