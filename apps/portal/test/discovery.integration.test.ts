import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newPlace, type Place, type Portal, startPortal } from './portal.js';

const PROVIDERS = '/v1/identity-providers';
const ISSUER = 'https://api.workos.com/user_management/client_01ABC';
const CLIENT = 'client_01SANDBOX';

/** A WorkOS on loopback: one client that it knows. */
let asked = 0;
let base: string;
let meanwhile: (() => Promise<unknown>) | undefined;
const workos: Server = createServer(async (request, response) => {
  asked += 1;
  await meanwhile?.();
  const issuer = `${base}/user_management/${CLIENT}`;
  const pages: Record<string, object> = {
    [`/user_management/${CLIENT}/.well-known/openid-configuration`]: {
      issuer,
      authorization_endpoint: `${base}/user_management/authorize`,
      token_endpoint: `${base}/user_management/authenticate`,
      jwks_uri: `${base}/sso/jwks/${CLIENT}`,
      response_types_supported: ['code'],
    },
    [`/sso/jwks/${CLIENT}`]: { keys: [{ kty: 'RSA', use: 'sig', alg: 'RS256', kid: 'k', n: 'AQ', e: 'AQAB' }] },
  };
  const page = pages[request.url!];
  response.writeHead(page ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(page ?? { message: 'Not Found' }));
});

let place: Place;
let development: Portal;
let production: Portal;
beforeAll(async () => {
  await new Promise<void>((resolve) => workos.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(workos.address() as AddressInfo).port}`;
  place = await newPlace();
  development = await startPortal(place, { RESCIND_ALLOW_LOCAL_HOSTS: 'true', DISCOVERY_TIMEOUT_MS: '1000' });
  production = await startPortal(place, { DISCOVERY_TIMEOUT_MS: '1000' });
});
beforeEach(() => {
  asked = 0;
  meanwhile = undefined;
});
afterAll(async () => {
  await development.close();
  await production.close();
  await place.leave();
  workos.closeAllConnections();
  workos.close();
});

const discover = (portal: Portal, issuer: unknown) => portal.call('POST', `${PROVIDERS}/discover`, { issuer });

test('from the pasted issuer to a provider that is added, with no field made up by hand', async () => {
  const found = await discover(development, `${base}/user_management/${CLIENT}`);
  expect(found.status).toBe(200);
  const { kind, issuers, client_id, jwks_uri, audience_policy, algorithms, claim_mappings } = found.body;
  expect(claim_mappings.organization_id).toBe('org_id');
  const added = await development.call('POST', PROVIDERS, {
    name: 'Sandbox',
    ...{ kind, issuers, client_id, jwks_uri, audience_policy, algorithms, claim_mappings },
    confirm_claim_mappings: true,
  });
  expect(added).toMatchObject({ status: 201, body: { jwks_uri: `${base}/sso/jwks/${CLIENT}`, warnings: [] } });
});

test('a key set that was not given is asked for', async () => {
  const given = { name: 'Sandbox', kind: 'workos', issuers: [`${base}/user_management/${CLIENT}`] };
  const { body } = await development.call('POST', PROVIDERS, given);
  expect(body).toMatchObject({
    jwks_uri: `${base}/sso/jwks/${CLIENT}`,
    jwks_uri_source: 'discovered',
    client_id: CLIENT,
  });
});

test('what is changed while an issuer is asked for its keys is not lost', async () => {
  const { body } = await development.call('POST', PROVIDERS, { name: 'A', kind: 'workos', issuers: [ISSUER] });
  const path = `${PROVIDERS}/${body.id}`;
  meanwhile = () => {
    meanwhile = undefined;
    return development.call('PATCH', path, { jwks_uri: 'https://keys.example.com/given', name: 'B' });
  };
  const issuers = [`${base}/user_management/${CLIENT}`];
  const changed = await development.call('PATCH', path, { issuers });
  expect(changed.body).toMatchObject({
    issuers,
    name: 'B',
    jwks_uri: 'https://keys.example.com/given',
    jwks_uri_source: 'given',
    version: 3,
  });
});

test('an unknown client', async () => {
  const answer = await discover(development, `${base}/user_management/client_01NOBODY`);
  expect(answer).toMatchObject({ status: 422, body: { code: 'client_unknown' } });
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
});

test('without the development setting nothing local is asked, neither to discover nor to add', async () => {
  for (const issuer of [
    `${base}/user_management/${CLIENT}`,
    `${base.replace('http:', 'https:')}/user_management/${CLIENT}`,
    `https://localhost:${new URL(base).port}/user_management/${CLIENT}`,
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/',
    'https://2130706433/',
  ]) {
    expect((await discover(production, issuer)).status).toBe(422);
    const given = { name: 'Local', kind: 'workos', issuers: [issuer], client_id: CLIENT };
    expect((await production.call('POST', PROVIDERS, given)).body.code).toBe('request_invalid');
  }
  expect(asked).toBe(0);
});

test('the generic issuer says what to paste instead', async () => {
  const { status, body } = await discover(production, 'https://api.workos.com');
  expect(status).toBe(200);
  expect(body).toMatchObject({ kind: 'workos', jwks_uri: null, warnings: [{ code: 'issuer_generic' }] });
  expect(body.warnings[0].message).toContain('https://api.workos.com/user_management/<client id>');
});

test('each mistake has its code, its sentence and, where it can be told, what to paste instead', async () => {
  const mistakes: [string, string][] = [
    ['', 'issuer_blank'],
    ['https://dashboard.workos.com/x', 'issuer_is_dashboard_url'],
    ['https://api.workos.com/sso/conn_01ABC', 'issuer_is_sso_connection'],
    ['http://api.workos.com/user_management/client_01A', 'issuer_is_http'],
    ['acme', 'issuer_not_a_url'],
  ];
  for (const [issuer, code] of mistakes) {
    const { status, body } = await discover(production, issuer);
    expect({ status, code: body.code }).toEqual({ status: 422, code });
    expect(body.detail.length).toBeGreaterThan(40);
  }
});

test.each([
  ['no issuer', {}],
  ['a number', { issuer: 1 }],
  ['something else too', { issuer: 'https://a.example.com', url: 'b' }],
])('%s is no question', async (_, body) => {
  expect(await production.call('POST', `${PROVIDERS}/discover`, body)).toMatchObject({
    status: 400,
    body: { code: 'request_invalid' },
  });
});

test('a pasted secret is neither answered nor logged', async () => {
  for (const secret of ['sk_live_seeded_by_the_test', 'whsec_seeded_by_the_test', 'eyJhbGciOi.eyJzZWVkZWQ.c2VlZGVk']) {
    for (const issuer of [secret, `https://api.workos.com/${secret}`, `https://${secret}:x@example.com`]) {
      const { status, body } = await discover(production, issuer);
      expect(status).toBe(422);
      expect(JSON.stringify(body)).not.toContain(secret);
    }
    const good = { name: 'A', kind: 'workos', issuers: [ISSUER] };
    for (const wrong of [{ issuers: [secret] }, { client_id: secret }, { name: secret }, { audience: secret }]) {
      const { body } = await production.call('POST', PROVIDERS, { ...good, api_key: secret, ...wrong });
      if (!secret.startsWith('eyJ')) expect(JSON.stringify(body)).not.toContain(secret);
    }
  }
  expect(production.log()).not.toMatch(/seeded|c2VlZGVk/);
});
