import { z } from 'zod';
import { ALGORITHMS } from './algorithms.js';
import { checked } from './checked.js';
import { decodeCloudEvent, problemFields } from './cloud-event.js';
import { Rejected } from './rejected.js';

/** The provider of the synthetic revocations that grants sends: no person has made it, and nobody signs in there. */
export const CANARY_PROVIDER_ID = 'rescind-canary';

export const IDENTITY_PROVIDER_TYPE = 'io.rescind.identity-provider.v1';

export { ALGORITHMS };

/**
 * required: `aud` must be there and match. if_present: it must match where it is there. bound_by_keys: as if_present, and
 * the key set, which belongs to one client, together with the issuer and `client_id` bind the token (WorkOS's default).
 */
export const AUDIENCE_POLICIES = ['required', 'if_present', 'bound_by_keys'] as const;

/**
 * The names of claims, or paths to them: `org_id`, `o.id`, `organization.*` (the only member). Read by `claimAt` of
 * token-verification.
 */
export const claimMappings = z.object({
  user_id: z.string().min(1).default('sub'),
  /** The group claim: which organization the token was obtained within. */
  organization_id: z.string().min(1).default('org_id'),
  session_id: z.string().min(1).default('sid'),
});

/**
 * enforced: events end access. shadow: they are kept, and what they would have ended is recorded, until the provider is
 * enforced; then they are sent again, and take effect. There is no way back.
 */
export const PROVIDER_MODES = ['enforced', 'shadow'] as const;

/**
 * More people than this shut out by events of one window: their grants are not marked until somebody has confirmed it.
 * They are refused all the same. What is left out has the installation's default.
 */
export const guardLimits = z.object({
  /** Whatever the size of the directory. 0: there is no guard. */
  max_users: z.number().int().min(0).optional(),
  /** Of the users that are known; counted from 50 people on. */
  max_share: z.number().gt(0).max(1).optional(),
  window_seconds: z.number().int().min(1).max(86_400).optional(),
});
export type GuardLimits = z.output<typeof guardLimits>;

const sealed = z.string().min(1);

export const webhookSecret = z.object({
  id: z.string(),
  sealed,
  /** Where it came from: made by us, or pasted from the WorkOS dashboard. */
  origin: z.enum(['generated', 'pasted']),
  created_at: z.string(),
});

/** `data` of a record on `identity.providers`: all that the services need to know of one provider. Secrets are sealed. */
export const identityProviderData = z.object({
  id: z.string().min(1),
  name: z.string(),
  kind: z.enum(['workos', 'oidc']),
  /** Exact strings that `iss` may be. */
  issuers: z.array(z.string().min(1)).min(1),
  jwks_uri: z.string().nullable(),
  client_id: z.string().nullable(),
  audience: z.array(z.string().min(1)),
  audience_policy: z.enum(AUDIENCE_POLICIES),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1),
  claim_mappings: claimMappings,
  /** Until somebody has looked at them no token of the provider is accepted. Left out by older portals, which had been asked. */
  claim_mappings_confirmed: z.boolean().optional(),
  required_claims: z.array(z.string()),
  clock_tolerance_seconds: z.number().min(0).max(300),
  /** Whether tokens that somebody obtained as another person (`act`, RFC 8693 section 4.1) are accepted. */
  allow_impersonation: z.boolean(),
  /** User metadata that means "suspended", for companies that mark people so. */
  suspension_rule: z.object({ metadata_key: z.string().min(1), value: z.string() }).nullable(),
  mode: z.enum(PROVIDER_MODES).default('enforced'),
  guard: guardLimits.nullable().default(null),
  api_base_url: z.string().nullable(),
  api_key: sealed.nullable(),
  webhook: z
    .object({
      /** SHA-256, hex, of the unguessable last part of the endpoint's URL. */
      endpoint_token_sha256: z.string(),
      secrets: z.array(webhookSecret),
    })
    .nullable(),
  /** Grows with each change. */
  version: z.number().int(),
  updated_at: z.string(),
});
export type IdentityProviderData = z.infer<typeof identityProviderData>;

/** Reads a record of `identity.providers`; throws `Rejected('record_malformed')`. */
export function decodeIdentityProvider(value: Buffer): IdentityProviderData {
  const record = decodeCloudEvent(value);
  if (record.type !== IDENTITY_PROVIDER_TYPE) throw new Rejected('record_malformed', 'type');
  const parsed = checked(identityProviderData, record.data);
  if (!parsed.success) throw new Rejected('record_malformed', `data: ${problemFields(parsed.error)}`);
  return parsed.data;
}
