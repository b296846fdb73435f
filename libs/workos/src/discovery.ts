import { z } from 'zod';
import type { ALGORITHMS } from '#contracts/identity-provider.js';
import { checked } from '#contracts/checked.js';
import { type FetchedAnswer, FetchRefused, type FetchRefusal } from './guarded-fetch.js';
import {
  claimMappingsOf,
  type ClaimMappings,
  connectSession,
  IssuerRefused,
  type IssuerShape,
  readIssuer,
  type Vendor,
  type Warning,
  WORKOS_API,
} from './issuer-shape.js';

type Algorithm = (typeof ALGORITHMS)[number];

/** What an issuer says of itself, and what follows from it for a provider that is to be added. */
export interface Discovery {
  kind: 'workos' | 'oidc';
  vendor: Vendor;
  issuer: string;
  issuers: string[];
  client_id: string | null;
  jwks_uri: string | null;
  jwks_uri_source: 'discovered' | 'workos' | null;
  endpoints: Record<string, string>;
  claim_mappings: ClaimMappings;
  /** A person has to look at the group claim before the first sign-in. */
  confirmation_required: true;
  audience_suggestions: string[];
  audience_policy: 'required' | 'if_present' | 'bound_by_keys';
  algorithms: Algorithm[];
  warnings: Warning[];
}

export interface DiscoveryParts {
  /** {@link guardedFetch}, with its limits. Throws `FetchRefused`. */
  fetch(url: string): Promise<FetchedAnswer>;
  allowLocalHosts: boolean;
}

/**
 * From a pasted issuer to everything that adding it needs: OpenID Connect Discovery 1.0, section 4, with the key set looked
 * at too. WorkOS's own issuers are known even where they do not answer. Throws {@link IssuerRefused}, each mistake with a
 * code and a sentence of its own.
 */
export async function discover(pasted: string, parts: DiscoveryParts): Promise<Discovery> {
  const shape = readIssuer(pasted, parts.allowLocalHosts);
  if (shape.generic) return resultOf(shape, undefined, []);
  const found = await askIssuer(shape, parts);
  if (found === 'unreachable') {
    return resultOf({ ...shape, warnings: [...shape.warnings, unreachable()] }, undefined, []);
  }
  const settled = settleIssuer(shape, found);
  const { keys, warning } = await lookAtKeys(found.jwks_uri, parts);
  return resultOf(warning ? { ...settled, warnings: [...settled.warnings, warning] } : settled, found, keys);
}

/** The `jwks_uri` of an issuer that is known to be one; undefined where it does not say. Never throws. */
export async function discoverKeySet(issuer: string, parts: DiscoveryParts): Promise<string | undefined> {
  try {
    const answer = await parts.fetch(discoveryUrl(issuer));
    const document = answer.status === 200 ? readDocument(answer) : undefined;
    return document?.issuer === issuer ? document.jwks_uri : undefined;
  } catch {
    return undefined;
  }
}

const discoveryUrl = (issuer: string): string => `${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`;

const webUrl = z.url({ protocol: /^https?$/ }).max(2_000);
const ENDPOINTS = [
  'authorization_endpoint',
  'token_endpoint',
  'userinfo_endpoint',
  'introspection_endpoint',
  'revocation_endpoint',
  'registration_endpoint',
  'end_session_endpoint',
] as const;
const discoveryDocument = z.object({
  issuer: z.string().min(1).max(2_000),
  jwks_uri: webUrl,
  ...(Object.fromEntries(ENDPOINTS.map((name) => [name, webUrl.optional()])) as Record<
    (typeof ENDPOINTS)[number],
    z.ZodOptional<typeof webUrl>
  >),
});
type DiscoveryDocument = z.output<typeof discoveryDocument>;

const unreachable = (): Warning => ({
  code: 'discovery_unreachable',
  message:
    'WorkOS did not answer just now. What stands here are its documented addresses; whether the client ID exists was not checked.',
});

/** Only of WorkOS itself do we know the addresses without being told. */
const isWorkOSItself = (shape: IssuerShape): boolean => shape.issuer.startsWith(`${WORKOS_API}/`);

async function askIssuer(shape: IssuerShape, parts: DiscoveryParts): Promise<DiscoveryDocument | 'unreachable'> {
  let answer: FetchedAnswer;
  try {
    answer = await parts.fetch(discoveryUrl(shape.issuer));
  } catch (error) {
    if (!(error instanceof FetchRefused)) throw error;
    if (isWorkOSItself(shape) && MAY_PASS.has(error.code)) return 'unreachable';
    throw new IssuerRefused(...REFUSALS[error.code], undefined, { cause: error });
  }
  const { status } = answer;
  if (status >= 500 || status === 429) {
    if (isWorkOSItself(shape)) return 'unreachable';
    throw new IssuerRefused('discovery_failed', `The issuer answered ${status}: try again in a moment.`);
  }
  if (status !== 200) {
    if (shape.clientId !== undefined) {
      throw new IssuerRefused(
        'client_unknown',
        `WorkOS knows no client ${shape.clientId}. Copy the client ID of this very environment (staging and production have ` +
          'their own) from API keys in the dashboard.',
      );
    }
    throw new IssuerRefused(
      'discovery_not_found',
      `There is no discovery document: ${discoveryUrl(shape.issuer)} answered ${status}. The issuer is what the claim iss of ` +
        'a token says, often with a path such as /realms/<realm> or /oauth2/default.',
    );
  }
  return readDocument(answer);
}

function readDocument({ contentType, body }: FetchedAnswer): DiscoveryDocument {
  const json = parseJson(body);
  if (json === undefined) {
    if (contentType.includes('html') || /^\s*</.test(body.subarray(0, 100).toString('utf8'))) {
      throw new IssuerRefused(
        'discovery_is_html',
        'A page for people answered, not an issuer. Paste the address that the claim iss of a token says, not the one of a ' +
          'sign-in page or dashboard.',
      );
    }
    throw new IssuerRefused(
      'discovery_not_json',
      'What answered is not an issuer: its discovery document is not JSON.',
    );
  }
  const parsed = checked(discoveryDocument, json);
  if (parsed.success) return parsed.data;
  const fields = [...new Set(parsed.error.issues.map(({ path }) => path.join('.') || 'the whole'))].join(', ');
  throw new IssuerRefused('discovery_malformed', `The discovery document is not as it should be: ${fields}.`);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/** The document must be of the issuer it was asked of (OpenID Connect Discovery 1.0, section 4.3), but for a slash. */
function settleIssuer(shape: IssuerShape, document: DiscoveryDocument): IssuerShape {
  const warnings = [...shape.warnings];
  if (document.issuer !== shape.issuer) {
    if (/[{}]/.test(document.issuer)) {
      throw new IssuerRefused(
        'issuer_is_template',
        'This address stands for many tenants, and no token carries it as its issuer: paste the one of your own tenant.',
      );
    }
    if (document.issuer.replace(/\/$/, '') !== shape.issuer.replace(/\/$/, '')) throw mismatch(document.issuer);
    // Auth0's ends with a slash whether or not it was pasted so; nothing that a person could do better.
    if (shape.vendor !== 'auth0') {
      warnings.push({
        code: 'issuer_trailing_slash',
        message: `It calls itself ${document.issuer}; that is used, since issuers are compared letter by letter.`,
      });
    }
  }
  const { jwks_uri, authorization_endpoint = '' } = document;
  const clientId = shape.clientId ?? /\/sso\/jwks\/(client_\w+)$/.exec(jwks_uri)?.[1];
  if (shape.vendor !== 'unknown') return { ...shape, issuer: document.issuer, warnings };
  if (/\/user_management\/authorize$/.test(authorization_endpoint)) {
    return { issuer: document.issuer, vendor: 'workos', ...(clientId ? { clientId } : {}), warnings };
  }
  if (/\/oauth2\/jwks$/.test(jwks_uri) && /\/oauth2\/authorize$/.test(authorization_endpoint)) {
    const custom = {
      code: 'issuer_custom_domain',
      message:
        'This looks like an AuthKit domain of your own. Tokens of AuthKit’s sessions may carry another issuer: compare with ' +
        'the claim iss of a real token, and list every issuer that occurs.',
    };
    return { issuer: document.issuer, vendor: 'authkit', warnings: [...warnings, custom, connectSession()] };
  }
  return { ...shape, issuer: document.issuer, warnings };
}

function mismatch(says: string): IssuerRefused {
  const suggestion = says.length <= 300 && URL.parse(says)?.protocol === 'https:' ? says : undefined;
  return new IssuerRefused(
    'issuer_mismatch',
    `The document found there is of another issuer${suggestion ? ` (${suggestion})` : ''}, so its keys must not be used for ` +
      'this one. Paste the issuer exactly as the claim iss of a token says.',
    suggestion,
  );
}

const jwk = z.looseObject({
  kty: z.string(),
  use: z.string().optional(),
  alg: z.string().optional(),
  crv: z.string().optional(),
});
const keySet = z.object({ keys: z.array(jwk) });
type Jwk = z.output<typeof jwk>;

async function lookAtKeys(url: string, parts: DiscoveryParts): Promise<{ keys: Jwk[]; warning?: Warning }> {
  let answer: FetchedAnswer;
  try {
    answer = await parts.fetch(url);
  } catch (error) {
    if (!(error instanceof FetchRefused)) throw error;
    if (!MAY_PASS.has(error.code)) {
      throw new IssuerRefused(
        'jwks_not_allowed',
        'The issuer names a key set that is not fetched from here: it must be https and on a public address, without redirects.',
        undefined,
        { cause: error },
      );
    }
    return { keys: [], warning: keysUnreachable() };
  }
  if (answer.status !== 200) return { keys: [], warning: keysUnreachable() };
  const parsed = checked(keySet, parseJson(answer.body));
  if (!parsed.success) {
    throw new IssuerRefused('jwks_malformed', 'What the issuer names as its key set is none (RFC 7517).');
  }
  const keys = parsed.data.keys.filter(({ kty, use }) => kty !== 'oct' && use !== 'enc');
  if (keys.length === 0) {
    throw new IssuerRefused(
      'jwks_empty',
      'The issuer’s key set holds no key that signs, so no token of it could be verified. Make one there, then try again.',
    );
  }
  return { keys };
}

const keysUnreachable = (): Warning => ({
  code: 'jwks_unreachable',
  message: 'The key set could not be fetched just now, so whether it holds keys was not checked.',
});

/** Their tokens have no `aud`, and their key set belongs to one client (WorkOS) or one application (Clerk). */
const KEYS_OF_ONE_CLIENT = new Set<Vendor>(['workos', 'clerk']);

function resultOf(shape: IssuerShape, document: DiscoveryDocument | undefined, keys: readonly Jwk[]): Discovery {
  const { issuer, vendor, clientId = null, warnings } = shape;
  const kind = vendor === 'workos' || vendor === 'authkit' ? 'workos' : 'oidc';
  const documented = vendor === 'workos' && clientId !== null ? documentedByWorkOS(clientId) : undefined;
  const algorithms = [...new Set(keys.map(algorithmOf).filter((algorithm) => algorithm !== undefined))];
  return {
    kind,
    vendor,
    issuer,
    issuers: [issuer],
    client_id: clientId,
    jwks_uri: document?.jwks_uri ?? documented?.jwks_uri ?? null,
    jwks_uri_source: document ? 'discovered' : documented ? 'workos' : null,
    endpoints: document ? endpointsOf(document) : (documented?.endpoints ?? {}),
    claim_mappings: claimMappingsOf(vendor),
    confirmation_required: true,
    audience_suggestions: clientId === null ? [] : [clientId],
    audience_policy: KEYS_OF_ONE_CLIENT.has(vendor) ? 'bound_by_keys' : 'required',
    algorithms: algorithms.length > 0 ? algorithms : ['RS256'],
    warnings,
  };
}

function endpointsOf(document: DiscoveryDocument): Record<string, string> {
  return Object.fromEntries(ENDPOINTS.flatMap((name) => (document[name] ? [[name, document[name]]] : [])));
}

/** WorkOS API reference: AuthKit, "Get an authorization URL", "Authenticate with code", "JWKS". */
const documentedByWorkOS = (clientId: string) => ({
  jwks_uri: `${WORKOS_API}/sso/jwks/${clientId}`,
  endpoints: {
    authorization_endpoint: `${WORKOS_API}/user_management/authorize`,
    token_endpoint: `${WORKOS_API}/user_management/authenticate`,
  },
});

/** RFC 7518 and RFC 8037; an RSA key without `alg` is taken for RS256. */
function algorithmOf({ kty, alg, crv }: Jwk): Algorithm | undefined {
  const allowed: readonly Algorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'];
  if (alg !== undefined) return allowed.find((algorithm) => algorithm === alg);
  if (kty === 'RSA') return 'RS256';
  if (kty === 'EC') return crv === 'P-256' ? 'ES256' : crv === 'P-384' ? 'ES384' : undefined;
  return kty === 'OKP' && crv === 'Ed25519' ? 'EdDSA' : undefined;
}

/** Refusals that another moment may not bring; every other one is about what was pasted. */
const MAY_PASS: ReadonlySet<FetchRefusal> = new Set(['host_unknown', 'timeout', 'tls_failed', 'unreachable']);

const REFUSALS: Record<FetchRefusal, [code: string, message: string]> = {
  url_invalid: ['issuer_not_a_url', 'This is no URL: paste one such as https://auth.example.com.'],
  scheme_not_allowed: [
    'issuer_is_http',
    'Over http anybody on the way could put keys of their own there: paste it with https.',
  ],
  credentials_in_url: ['issuer_has_credentials', 'There is a user or password in this URL: paste it without.'],
  host_disguised: [
    'issuer_address_not_allowed',
    'The address is written in an unusual way: paste the name of the host.',
  ],
  address_not_allowed: [
    'issuer_address_not_allowed',
    'This leads to an address that is not on the public internet, and is not fetched. In development RESCIND_ALLOW_LOCAL_HOSTS ' +
      'allows loopback and private addresses.',
  ],
  host_unknown: ['issuer_host_unknown', 'There is no host of that name: compare it letter by letter.'],
  timeout: [
    'discovery_timeout',
    'The issuer did not answer in time: try again, and check that it can be reached from here.',
  ],
  redirected: [
    'discovery_redirected',
    'The issuer redirects to another address, which is not followed: paste the address it redirects to, if it is yours.',
  ],
  too_large: ['discovery_too_large', 'What answered is far larger than a discovery document: this is no issuer.'],
  tls_failed: ['issuer_tls_failed', 'The host has no valid certificate for this name, so it cannot be trusted.'],
  unreachable: [
    'issuer_unreachable',
    'Nothing answers at this address: check it, and that it can be reached from here.',
  ],
};
