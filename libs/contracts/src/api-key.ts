import { z } from 'zod';
import { checked } from './checked.js';
import { decodeCloudEvent, problemFields } from './cloud-event.js';
import { Rejected } from './rejected.js';

/**
 * What an API key may do. administrator: everything; auditor: read everything; verify: judge tokens and check access;
 * grants:write: make, read and revoke grants.
 */
export const API_KEY_SCOPES = ['administrator', 'auditor', 'verify', 'grants:write'] as const;
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number];

export const API_KEY_TYPE = 'io.rescind.api-key.v1';
export const API_KEY_USE_TYPE = 'io.rescind.api-key-use.v1';

/** `data` of a record on `identity.api-keys`: a key that was issued, without the key itself. Revoked: the record is removed. */
export const apiKeyData = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  scopes: z.array(z.enum(API_KEY_SCOPES)).min(1),
  /** SHA-256 of the key, hex; a key has 256 random bits, so that nothing is gained from its digest. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type ApiKeyData = z.infer<typeof apiKeyData>;

/** `data` of a record on `identity.api-key-uses`: a service has seen the key. */
export const apiKeyUseData = z.object({ api_key_id: z.string().min(1), service: z.string(), at: z.iso.datetime() });
export type ApiKeyUseData = z.infer<typeof apiKeyUseData>;

/** Throws `Rejected('record_malformed')`. */
export const decodeApiKey = (value: Buffer): ApiKeyData => decode(value, API_KEY_TYPE, apiKeyData);
export const decodeApiKeyUse = (value: Buffer): ApiKeyUseData => decode(value, API_KEY_USE_TYPE, apiKeyUseData);

function decode<T>(value: Buffer, type: string, schema: z.ZodType<T>): T {
  const record = decodeCloudEvent(value);
  if (record.type !== type) throw new Rejected('record_malformed', 'type');
  const parsed = checked(schema, record.data);
  if (!parsed.success) throw new Rejected('record_malformed', `data: ${problemFields(parsed.error)}`);
  return parsed.data;
}
