import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { discover, discoverKeySet, type DiscoveryParts } from '../src/discovery.js';
import { FetchRefused, type FetchRefusal, guardedFetch } from '../src/guarded-fetch.js';
import { IssuerRefused } from '../src/issuer-shape.js';

/** An issuer on loopback that answers as each test wants; what it says of itself is filled in with its own address. */
type Page = (response: ServerResponse) => void;
let pages: Record<string, Page> = {};
let asked: string[] = [];
let base: string;
const server: Server = createServer((request, response) => {
  asked.push(request.url!);
  const page = pages[request.url!];
  if (page) page(response);
  else response.writeHead(404, { 'content-type': 'application/json' }).end('{"message":"Not Found"}');
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  pages = {};
  asked = [];
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const json =
  (body: object): Page =>
  (response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const WELL_KNOWN = '/.well-known/openid-configuration';
const RSA = { kty: 'RSA', use: 'sig', alg: 'RS256', kid: '1', n: 'AQ', e: 'AQAB' };

const local: DiscoveryParts = {
  allowLocalHosts: true,
  fetch: (url) => guardedFetch(url, { allowLocalHosts: true, timeoutMs: 500 }),
};
const strict: DiscoveryParts = {
  allowLocalHosts: false,
  fetch: (url) => guardedFetch(url, { allowLocalHosts: false, timeoutMs: 500 }),
};
async function refusal(pasted: string, parts = local): Promise<IssuerRefused> {
  const error: unknown = await discover(pasted, parts).catch((thrown: unknown) => thrown);
  if (error instanceof IssuerRefused) return error;
  throw new Error('it was not refused', { cause: error });
}

/** WorkOS's five fields, as its own document has them. */
function workosAnswers(clientId: string): string {
  const issuer = `${base}/user_management/${clientId}`;
  pages[`/user_management/${clientId}${WELL_KNOWN}`] = json({
    issuer,
    authorization_endpoint: `${base}/user_management/authorize`,
    token_endpoint: `${base}/user_management/authenticate`,
    jwks_uri: `${base}/sso/jwks/${clientId}`,
    response_types_supported: ['code'],
  });
  pages[`/sso/jwks/${clientId}`] = json({ keys: [RSA] });
  return issuer;
}

test('a WorkOS client: everything that adding it needs', async () => {
  const issuer = workosAnswers('client_01ABC');
  expect(await discover(issuer, local)).toEqual({
    kind: 'workos',
    vendor: 'workos',
    issuer,
    issuers: [issuer],
    client_id: 'client_01ABC',
    jwks_uri: `${base}/sso/jwks/client_01ABC`,
    jwks_uri_source: 'discovered',
    endpoints: {
      authorization_endpoint: `${base}/user_management/authorize`,
      token_endpoint: `${base}/user_management/authenticate`,
    },
    claim_mappings: { user_id: 'sub', organization_id: 'org_id', session_id: 'sid' },
    confirmation_required: true,
    audience_suggestions: ['client_01ABC'],
    audience_policy: 'bound_by_keys',
    algorithms: ['RS256'],
    warnings: [],
  });
  expect(await discoverKeySet(issuer, local)).toBe(`${base}/sso/jwks/client_01ABC`);
});

test('without the development setting the same issuer is not even asked', async () => {
  const issuer = workosAnswers('client_01ABC');
  expect((await refusal(issuer, strict)).code).toBe('issuer_is_http');
  expect((await refusal(issuer.replace('http:', 'https:'), strict)).code).toBe('issuer_address_not_allowed');
  expect(await discoverKeySet(issuer, strict)).toBeUndefined();
  expect(asked).toEqual([]);
});

test('the generic issuer is recognised without asking anybody', async () => {
  const found = await discover('https://api.workos.com', strict);
  expect(found).toMatchObject({
    kind: 'workos',
    client_id: null,
    jwks_uri: null,
    warnings: [{ code: 'issuer_generic' }],
  });
});

const failing = (code: FetchRefusal): DiscoveryParts => ({
  ...strict,
  fetch: async () => {
    throw new FetchRefused(code);
  },
});
test.each<FetchRefusal>(['timeout', 'host_unknown', 'unreachable'])(
  'WorkOS is known even where it does not answer: %s',
  async (code) => {
    const found = await discover('https://api.workos.com/user_management/client_01ABC', failing(code));
    expect(found).toMatchObject({
      kind: 'workos',
      client_id: 'client_01ABC',
      jwks_uri: 'https://api.workos.com/sso/jwks/client_01ABC',
      jwks_uri_source: 'workos',
      endpoints: { token_endpoint: 'https://api.workos.com/user_management/authenticate' },
      warnings: [{ code: 'discovery_unreachable' }],
    });
  },
);

test.each<[FetchRefusal, string]>([
  ['timeout', 'discovery_timeout'],
  ['host_unknown', 'issuer_host_unknown'],
  ['unreachable', 'issuer_unreachable'],
  ['tls_failed', 'issuer_tls_failed'],
  ['redirected', 'discovery_redirected'],
  ['too_large', 'discovery_too_large'],
  ['address_not_allowed', 'issuer_address_not_allowed'],
])('nothing is made up for somebody else: %s', async (code, refused) => {
  expect((await refusal('https://auth.acme.com', failing(code))).code).toBe(refused);
});

test('an unknown client is told from an issuer without a document', async () => {
  const unknown = await refusal(`${base}/user_management/client_01NOBODY`);
  expect(unknown.code).toBe('client_unknown');
  expect(unknown.message).toContain('client_01NOBODY');
  expect((await refusal(base)).code).toBe('discovery_not_found');
});

test.each<[string, string, Page]>([
  [
    'a page for people',
    'discovery_is_html',
    (r) => void r.writeHead(200, { 'content-type': 'text/html' }).end('<p>Hi'),
  ],
  ['a page that says it is JSON', 'discovery_is_html', (r) => void r.end('\n<!doctype html>')],
  ['text', 'discovery_not_json', (r) => void r.end('hello')],
  ['nothing', 'discovery_not_json', (r) => void r.end()],
  ['a list', 'discovery_malformed', (r) => void r.end('[]')],
  ['no fields', 'discovery_malformed', (r) => void r.end('{}')],
  ['numbers', 'discovery_malformed', (r) => void r.end('{"issuer":1,"jwks_uri":2}')],
  [
    'a key set that is a file',
    'discovery_malformed',
    (r) => void r.end('{"issuer":"a","jwks_uri":"file:///etc/passwd"}'),
  ],
  ['an error of its own', 'discovery_failed', (r) => void r.writeHead(502).end()],
  ['a redirect', 'discovery_redirected', (r) => void r.writeHead(302, { location: 'http://127.0.0.1/' }).end()],
  ['too much', 'discovery_too_large', (r) => void r.end(' '.repeat(300_000))],
  ['half an answer', 'discovery_timeout', (r) => void r.write('{')],
])('an issuer that answers with %s: %s', async (_, code, page) => {
  pages[WELL_KNOWN] = page;
  const { message, code: refused } = await refusal(base);
  expect(refused).toBe(code);
  expect(message.length).toBeGreaterThan(30);
});

test('a document of another issuer is refused (OpenID Connect Discovery 1.0, section 4.3)', async () => {
  pages[WELL_KNOWN] = json({ issuer: 'https://somebody.example.com', jwks_uri: `${base}/keys` });
  pages['/keys'] = json({ keys: [RSA] });
  const refused = await refusal(base);
  expect(refused).toMatchObject({ code: 'issuer_mismatch', suggestion: 'https://somebody.example.com' });
  expect(await discoverKeySet(base, local)).toBeUndefined();
  expect(asked).not.toContain('/keys');
});

test('of slashes at the end one may differ, and no more', async () => {
  pages['/keys'] = json({ keys: [RSA] });
  pages[WELL_KNOWN] = json({ issuer: `${base}/`, jwks_uri: `${base}/keys` });
  expect(await discover(base, local)).toMatchObject({ issuer: `${base}/` });
  pages[WELL_KNOWN] = json({ issuer: `${base}//`, jwks_uri: `${base}/keys` });
  expect(await refusal(base)).toMatchObject({ code: 'issuer_mismatch' });
});

test('what another issuer says of itself is not passed on unless it is a URL', async () => {
  pages[WELL_KNOWN] = json({ issuer: '<script>alert(1)</script>', jwks_uri: `${base}/keys` });
  const { message, suggestion } = await refusal(base);
  expect(message).not.toContain('script');
  expect(suggestion).toBeUndefined();
});

test('an issuer for many tenants is refused', async () => {
  pages[WELL_KNOWN] = json({ issuer: 'https://login.example.com/{tenantid}/v2.0', jwks_uri: `${base}/keys` });
  expect((await refusal(base)).code).toBe('issuer_is_template');
});

test('the issuer’s own spelling is used where only a slash differs', async () => {
  pages[WELL_KNOWN] = json({ issuer: `${base}/`, jwks_uri: `${base}/keys` });
  pages['/keys'] = json({ keys: [RSA] });
  const found = await discover(base, local);
  expect(found).toMatchObject({ issuer: `${base}/`, kind: 'oidc', warnings: [{ code: 'issuer_trailing_slash' }] });
});

test.each([
  ['no keys', { keys: [] }, 'jwks_empty'],
  ['keys that only encrypt', { keys: [{ ...RSA, use: 'enc' }] }, 'jwks_empty'],
  ['secrets', { keys: [{ kty: 'oct', k: 'AAAA' }] }, 'jwks_empty'],
  ['something else', { hello: 'world' }, 'jwks_malformed'],
])('a key set with %s is refused', async (_, keys, code) => {
  pages[WELL_KNOWN] = json({ issuer: base, jwks_uri: `${base}/keys` });
  pages['/keys'] = json(keys);
  expect((await refusal(base)).code).toBe(code);
});

test('a key set inside our network is not fetched', async () => {
  pages[WELL_KNOWN] = json({ issuer: base, jwks_uri: 'http://169.254.169.254/latest/meta-data' });
  expect((await refusal(base)).code).toBe('jwks_not_allowed');
});

test('a key set that is away just now is a warning', async () => {
  pages[WELL_KNOWN] = json({ issuer: base, jwks_uri: `${base}/keys` });
  pages['/keys'] = (response) => void response.writeHead(503).end();
  expect((await discover(base, local)).warnings).toMatchObject([{ code: 'jwks_unreachable' }]);
});

test('algorithms are the ones of the keys, as far as they are allowed', async () => {
  pages[WELL_KNOWN] = json({
    issuer: base,
    jwks_uri: `${base}/keys`,
    id_token_signing_alg_values_supported: ['none', 'HS256'],
  });
  pages['/keys'] = json({
    keys: [
      RSA,
      { kty: 'RSA' },
      { kty: 'EC', crv: 'P-256' },
      { kty: 'OKP', crv: 'Ed25519' },
      { kty: 'EC', crv: 'secp256k1' },
      { kty: 'RSA', alg: 'RSA-OAEP' },
    ],
  });
  const found = await discover(base, local);
  expect(found.algorithms).toEqual(['RS256', 'ES256', 'EdDSA']);
  expect(found).toMatchObject({ kind: 'oidc', audience_policy: 'required', audience_suggestions: [] });
});

test('an AuthKit domain of one’s own is recognised by what it says', async () => {
  pages[WELL_KNOWN] = json({
    issuer: base,
    authorization_endpoint: `${base}/oauth2/authorize`,
    token_endpoint: `${base}/oauth2/token`,
    jwks_uri: `${base}/oauth2/jwks`,
  });
  pages['/oauth2/jwks'] = json({ keys: [RSA] });
  const found = await discover(base, local);
  expect(found).toMatchObject({ kind: 'workos', vendor: 'authkit', audience_policy: 'required' });
  expect(found.warnings.map(({ code }) => code)).toEqual(['issuer_custom_domain', 'session_is_consent']);
});

test('the vendor decides which claims are proposed', async () => {
  pages[`/realms/acme${WELL_KNOWN}`] = json({ issuer: `${base}/realms/acme`, jwks_uri: `${base}/keys` });
  pages['/keys'] = json({ keys: [RSA] });
  expect(await discover(`${base}/realms/acme`, local)).toMatchObject({
    kind: 'oidc',
    vendor: 'keycloak',
    claim_mappings: { organization_id: 'organization.*' },
  });
});
