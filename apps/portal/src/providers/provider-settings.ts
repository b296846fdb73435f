import { isIP } from 'node:net';
import { z } from 'zod';
import { kindOf } from '#workos/guarded-fetch.js';
import { WORKOS_API } from '#workos/issuer-shape.js';
import {
  ALGORITHMS,
  AUDIENCE_POLICIES,
  claimMappings,
  guardLimits,
  PROVIDER_MODES,
} from '#contracts/identity-provider.js';

/** A mistake in what was given, for the person who gave it: the field, and what to do. Never the value. */
export interface FieldProblem {
  field: string;
  message: string;
}

const SECRET_IN_THE_WRONG_FIELD =
  'holds a secret, which does not belong here; make a new one in the WorkOS dashboard, since this one was pasted';

/** Whatever is not sealed is shown again, so a secret in the wrong field is not taken. */
const text = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(2_000)
  .refine((given) => !/\b(sk|whsec)_[A-Za-z0-9_]{6,}/.test(given), {
    message: SECRET_IN_THE_WRONG_FIELD,
    abort: true,
  });

/**
 * An absolute https URL without user, query or fragment. Whether http may stand there is found out where the address is
 * known (see {@link settingsProblems}). It stays exactly as it was written: issuers are compared letter by letter.
 */
const url = text.superRefine((given, context) => {
  const message = urlProblem(given);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

function urlProblem(given: string): string | undefined {
  if (!URL.canParse(given)) return 'must be an absolute URL such as https://auth.example.com';
  const { protocol, username, password, search, hash } = new URL(given);
  if (protocol !== 'https:' && protocol !== 'http:') return 'must be an https:// URL';
  if (username !== '' || password !== '') return 'must not hold a user or a password';
  if (search !== '' || hash !== '') return 'must not have a query or a fragment';
  return undefined;
}

const apiKey = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(2_000)
  .refine((key) => !/^(client_|whsec_|https?:)/.test(key), 'is no API key: WorkOS’s begin with sk_')
  .refine((key) => !/\s/.test(key), 'must be one word');

const audience = z
  .union([text, z.array(text).max(50)])
  .transform((given) => [...new Set(typeof given === 'string' ? [given] : given)]);

const mappings = z.strictObject({
  user_id: text.optional(),
  organization_id: text.optional(),
  session_id: text.optional(),
});

const fields = {
  name: text.max(200),
  issuers: z
    .array(url)
    .min(1, 'give at least one issuer')
    .max(20)
    .transform((issuers) => [...new Set(issuers)]),
  jwks_uri: url.nullable(),
  client_id: text.nullable(),
  audience: audience.nullable(),
  audience_policy: z.enum(AUDIENCE_POLICIES).nullable(),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .transform((algorithms) => [...new Set(algorithms)])
    .nullable(),
  claim_mappings: mappings,
  required_claims: z.array(text).max(50).nullable(),
  clock_tolerance_seconds: z.number().min(0).max(300),
  allow_impersonation: z.boolean(),
  suspension_rule: z.strictObject({ metadata_key: text, value: z.string() }).nullable(),
  mode: z.enum(PROVIDER_MODES),
  guard: z.strictObject(guardLimits.shape).nullable(),
  api_base_url: url.nullable(),
  api_key: apiKey.nullable(),
};
const { name, issuers, ...others } = fields;

/** What a new provider is made of; what is left out gets its default from {@link complete}. */
export const newProvider = z.strictObject({
  name,
  kind: z.enum(['workos', 'oidc']),
  issuers,
  ...z.object(others).partial().shape,
  /** The claim mappings have been looked at, as they are wherever they are given: false says that they have not. */
  confirm_claim_mappings: z.boolean().optional(),
});
export type NewProvider = z.output<typeof newProvider>;

/** A change: what is left out stays, and null sets a field back to its default. */
export const providerChange = z.strictObject({
  ...z.object(fields).partial().shape,
  confirm_claim_mappings: z.boolean().optional(),
  /** A mapping was confirmed before and is to be another one now: whom that affects is understood. */
  confirm_remap: z.boolean().optional(),
});
export type ProviderChange = z.output<typeof providerChange>;

export const JWKS_SOURCES = ['given', 'discovered', 'workos', 'well_known'] as const;

/** What is kept of a provider, but for its secrets; every field has its value. */
export const providerSettings = z.object({
  name: z.string(),
  kind: z.enum(['workos', 'oidc']),
  issuers: z.array(z.string()),
  jwks_uri: z.string().nullable(),
  /** given: by a person; discovered: from the provider; workos: the documented path; well_known: `<issuer>/.well-known/jwks.json`. */
  jwks_uri_source: z.enum(JWKS_SOURCES),
  client_id: z.string().nullable(),
  audience: z.array(z.string()),
  audience_policy: z.enum(AUDIENCE_POLICIES),
  algorithms: z.array(z.enum(ALGORITHMS)),
  claim_mappings: claimMappings,
  required_claims: z.array(z.string()),
  clock_tolerance_seconds: z.number(),
  allow_impersonation: z.boolean(),
  suspension_rule: z.object({ metadata_key: z.string(), value: z.string() }).nullable(),
  mode: z.enum(PROVIDER_MODES),
  guard: guardLimits.nullable(),
  api_base_url: z.string().nullable(),
});
export type ProviderSettings = z.output<typeof providerSettings>;

const CLOCK_TOLERANCE_SECONDS = 5;

/** Where the keys are, and how that is known. */
export type KeySet = Pick<ProviderSettings, 'jwks_uri' | 'jwks_uri_source'>;

/**
 * The settings with a value in every field.
 *
 * audience_policy, WorkOS: `if_present` where an audience was given, else `bound_by_keys`, since AuthKit's tokens have no
 * `aud` by default and `required` would refuse nearly all of them; the key set belongs to one client and binds them. Another
 * issuer's keys sign for all its clients, so there it is `required`.
 * audience: the client id. required_claims, WorkOS: the session's claim, without which `session.revoked` cannot reach a token.
 */
export function complete(
  given: Omit<NewProvider, 'api_key' | 'confirm_claim_mappings'>,
  keySet: KeySet,
): ProviderSettings {
  const workos = given.kind === 'workos';
  const client_id = clientIdOf(given);
  const claim_mappings = claimMappings.parse(given.claim_mappings ?? {});
  return {
    name: given.name,
    kind: given.kind,
    issuers: given.issuers,
    ...keySet,
    client_id,
    audience: given.audience ?? (client_id === null ? [] : [client_id]),
    audience_policy:
      given.audience_policy ?? (workos ? (given.audience?.length ? 'if_present' : 'bound_by_keys') : 'required'),
    algorithms: given.algorithms ?? ['RS256'],
    claim_mappings,
    required_claims: given.required_claims ?? (workos ? [claim_mappings.session_id] : []),
    clock_tolerance_seconds: given.clock_tolerance_seconds ?? CLOCK_TOLERANCE_SECONDS,
    allow_impersonation: given.allow_impersonation ?? false,
    suspension_rule: given.suspension_rule ?? null,
    mode: given.mode ?? 'enforced',
    guard: given.guard ?? null,
    api_base_url: given.api_base_url ?? null,
  };
}

/** The client id that was given, or the one that a WorkOS issuer ends with (`…/user_management/<client id>`). */
export function clientIdOf(given: Pick<NewProvider, 'kind' | 'issuers' | 'client_id'>): string | null {
  if (given.client_id) return given.client_id;
  if (given.kind !== 'workos') return null;
  for (const issuer of given.issuers) {
    const [, clientId] = /\/user_management\/([^/]+)$/.exec(issuer) ?? [];
    if (clientId !== undefined) return clientId;
  }
  return null;
}

/** Settings as they would be given, to be changed and completed once more. */
export function changed(settings: ProviderSettings, change: ProviderChange): Omit<NewProvider, 'api_key'> {
  const { jwks_uri, jwks_uri_source, ...kept } = settings;
  const { claim_mappings, confirm_claim_mappings: _, confirm_remap: __, api_key: ___, ...rest } = change;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return {
    ...kept,
    ...(jwks_uri_source === 'given' ? { jwks_uri } : {}),
    ...given,
    claim_mappings: { ...kept.claim_mappings, ...dropUndefined(claim_mappings ?? {}) },
  };
}

/** What can be told without asking anybody; what a name leads to is checked whenever it is fetched. */
function isLocalByName(given: string): boolean {
  const host = new URL(given).hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(host) > 0 ? kindOf(host) !== 'public' : /(^|\.)localhost\.?$/.test(host);
}

const dropUndefined = <T extends object>(object: T): { [Key in keyof T]: NonNullable<T[Key]> } =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;

/** What single fields cannot tell. @param allowLocal whether http and local hosts are all right (development) */
export function settingsProblems(settings: ProviderSettings, allowLocal: boolean): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const add = (field: string, message: string): void => void problems.push({ field, message });

  const urls: [string, string | null][] = [
    ...settings.issuers.map((issuer, place): [string, string] => [`issuers.${place}`, issuer]),
    ['jwks_uri', settings.jwks_uri],
    ['api_base_url', settings.api_base_url],
  ];
  for (const [field, given] of urls) {
    if (given === null || allowLocal) continue;
    if (given.startsWith('http:')) add(field, 'must be an https:// URL');
    else if (isLocalByName(given)) add(field, 'must be a host of the public internet');
  }
  settings.issuers.forEach((issuer, place) => {
    if (settings.kind === 'workos' && issuer.endsWith('/')) {
      add(`issuers.${place}`, 'ends with a slash, which WorkOS’s tokens do not carry: leave it out');
    }
    if (/^https:\/\/dashboard\.workos\.com(\/|$)/.test(issuer)) {
      add(`issuers.${place}`, 'is the dashboard: give https://api.workos.com/user_management/<client id>');
    }
  });
  if (settings.audience_policy === 'required' && settings.audience.length === 0) {
    add('audience', 'is needed where audience_policy is required: say what `aud` must be');
  }
  const sharedByAll = settings.issuers.includes(WORKOS_API) && settings.jwks_uri_source !== 'given';
  const keysUnknown = sharedByAll || settings.jwks_uri_source === 'well_known';
  if (settings.kind === 'workos' && settings.client_id === null && keysUnknown) {
    add('client_id', 'is needed: this issuer does not tell whose keys sign its tokens (it begins with client_)');
  }
  return problems;
}
