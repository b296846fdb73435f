import { z } from 'zod';
import { checked } from './checked.js';
import { decodeCloudEvent, problemFields } from './cloud-event.js';
import { Rejected } from './rejected.js';

export const KEY_SET_TYPE = 'io.rescind.key-set.v1';

/** Far more than anybody has. Each refresh compares every key with those before, so the number is bounded. */
export const MAX_KEYS = 200;

/** `data` of a record on `identity.key-sets`: the public keys (RFC 7517) that some verifier was last given at an address. */
export const keySetData = z.object({
  jwks_uri: z.string().min(1),
  /** When the address was asked, RFC 3339. */
  fetched_at: z.iso.datetime(),
  keys: z.array(z.unknown()).max(MAX_KEYS),
});
export type KeySetData = z.infer<typeof keySetData>;

/** Reads the record of one address; throws `Rejected('record_malformed')`, also where it speaks of another. */
export function decodeKeySet(value: Buffer, jwksUri: string): KeySetData {
  const record = decodeCloudEvent(value);
  if (record.type !== KEY_SET_TYPE) throw new Rejected('record_malformed', 'type');
  const parsed = checked(keySetData, record.data);
  if (!parsed.success) throw new Rejected('record_malformed', `data: ${problemFields(parsed.error)}`);
  if (parsed.data.jwks_uri !== jwksUri) throw new Rejected('record_malformed', 'data: jwks_uri is not its key');
  return parsed.data;
}
