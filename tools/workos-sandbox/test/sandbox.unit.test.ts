import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { type Sandbox, startSandbox } from '../src/sandbox.js';
import { signatureHeader } from '../src/signature.js';

type Json = Record<string, unknown>;
let sandbox: Sandbox;
let receiver: Server;
let received: { signature: string; body: string }[] = [];
let answer = 200;
let arrived: () => void = () => undefined;

beforeEach(async () => {
  sandbox = await startSandbox({ delivery: { retryBaseMs: 1, tries: 4 } });
  received = [];
  answer = 200;
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ signature: String(request.headers['workos-signature']), body: Buffer.concat(chunks).toString() });
      response.writeHead(answer).end();
      arrived();
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
});
afterEach(async () => {
  await sandbox.close();
  receiver.closeAllConnections();
  receiver.close();
});

async function call(method: string, path: string, body?: object, key: string | null = sandbox.apiKey) {
  const response = await fetch(sandbox.url + path, {
    method,
    redirect: 'manual',
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Json, headers: response.headers };
}
const make = async (path: string, body: object): Promise<Json> => (await call('POST', path, body)).body;
const user = (email: string) => make('/user_management/users', { email, password: 'secret', email_verified: true });
const organization = (name = 'Acme') => make('/organizations', { name });
const member = (user_id: unknown, organization_id: unknown) =>
  make('/user_management/organization_memberships', { user_id, organization_id });
const authenticate = (body: object) =>
  call('POST', '/user_management/authenticate', {
    client_id: sandbox.clientId,
    client_secret: sandbox.apiKey,
    ...body,
  });
const signIn = (email: string) => authenticate({ grant_type: 'password', email, password: 'secret' });
const events = async (query = ''): Promise<Json[]> =>
  (await call('GET', `/events?limit=100${query}`)).body['data'] as Json[];
const subscribe = async (...types: string[]): Promise<Json> =>
  make('/webhook_endpoints', {
    endpoint_url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
    events: types,
  });

test("a signature is the one that WorkOS's emulator makes of the same bytes", () => {
  const body = Buffer.from('{"a":1}');
  const digest = createHmac('sha256', 'whsec_x').update('1795485903669.{"a":1}').digest('hex');
  expect(signatureHeader(1_795_485_903_669, body, 'whsec_x')).toBe(`t=1795485903669, v1=${digest}`);
});

test('a webhook is signed, tried again with a new time until it is taken, and says what the Events API says', async () => {
  const endpoint = await subscribe('user.deleted');
  const { id } = await user('ada@example.test');
  answer = 503;
  let tries = 0;
  arrived = () => void (++tries === 2 && (answer = 200));
  await call('DELETE', `/user_management/users/${String(id)}`);
  await call('POST', '/_sandbox/deliveries/settled');
  expect(received).toHaveLength(3);
  for (const { signature, body } of received) {
    const [, t, digest] = /^t=(\d{13}), v1=([0-9a-f]{64})$/.exec(signature)!;
    expect(createHmac('sha256', String(endpoint['secret'])).update(`${t}.${body}`).digest('hex')).toBe(digest);
  }
  const [event] = await events('&events=user.deleted');
  expect(JSON.parse(received[0]!.body)).toEqual(event);
  expect(event).toMatchObject({ object: 'event', event: 'user.deleted', data: { id, email: 'ada@example.test' } });
});

test('sign-in by code with PKCE, as a browser and an application do it', async () => {
  await user('ada@example.test');
  const verifier = 'v'.repeat(43);
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: sandbox.clientId,
    redirect_uri: 'http://127.0.0.1/callback',
    provider: 'authkit',
    login_hint: 'ada@example.test',
    state: 's',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const location = new URL(
    (await call('GET', `/user_management/authorize?${query}`, undefined, null)).headers.get('location')!,
  );
  const code = location.searchParams.get('code');
  expect(location.searchParams.get('state')).toBe('s');
  const grant = { grant_type: 'authorization_code', code };
  expect((await authenticate({ ...grant, code_verifier: 'wrong' })).body['error']).toBe('invalid_grant');
  const second = new URL(
    (await call('GET', `/user_management/authorize?${query}`, undefined, null)).headers.get('location')!,
  );
  const { status, body } = await authenticate({
    ...grant,
    code: second.searchParams.get('code'),
    code_verifier: verifier,
  });
  expect(status).toBe(200);
  expect(Object.keys(body)).not.toEqual(expect.arrayContaining(['token_type', 'id_token', 'expires_in']));
  const { payload } = await jwtVerify(String(body['access_token']), createRemoteJWKSet(new URL(sandbox.jwksUri)), {
    issuer: sandbox.issuer,
  });
  expect(payload).toMatchObject({ sub: (body['user'] as Json)['id'], aud: sandbox.clientId });
  expect(
    (await authenticate({ ...grant, code: second.searchParams.get('code'), code_verifier: verifier })).status,
  ).toBe(400);
});

test('a refresh token is good once, and not after its session has ended', async () => {
  await user('ada@example.test');
  const first = (await signIn('ada@example.test')).body;
  const refresh = (refresh_token: unknown) => authenticate({ grant_type: 'refresh_token', refresh_token });
  const second = await refresh(first['refresh_token']);
  expect(second.status).toBe(200);
  expect((await refresh(first['refresh_token'])).body['error']).toBe('invalid_grant');
  const { sid } = JSON.parse(Buffer.from(String(first['access_token']).split('.')[1]!, 'base64url').toString()) as Json;
  await call('POST', '/user_management/sessions/revoke', { session_id: sid });
  expect((await refresh(second.body['refresh_token'])).body['error']).toBe('invalid_grant');
});

test('deactivation: the event that matters most, once, with what was before; nobody gets in by it any more', async () => {
  const { id } = await user('ada@example.test');
  const acme = await organization();
  const membership = await member(id, acme['id']);
  expect((await signIn('ada@example.test')).body['organization_id']).toBe(acme['id']);
  const path = `/user_management/organization_memberships/${String(membership['id'])}`;
  await call('PUT', `${path}/deactivate`);
  await call('PUT', `${path}/deactivate`);
  const updated = await events('&events=organization_membership.updated');
  expect(updated).toHaveLength(1);
  expect(updated[0]).toMatchObject({
    data: { status: 'inactive' },
    context: { previous_attributes: { status: 'active' } },
  });
  expect(((await call('GET', `/user_management/users/${String(id)}/sessions`)).body['data'] as unknown[]).length).toBe(
    0,
  );
  expect((await signIn('ada@example.test')).body['organization_id']).toBeUndefined();
  await call('PUT', `${path}/reactivate`);
  expect((await signIn('ada@example.test')).body['organization_id']).toBe(acme['id']);
});

test('of several organizations the person must choose', async () => {
  const { id } = await user('ada@example.test');
  const [acme, globex] = [await organization(), await organization('Globex')];
  await member(id, acme['id']);
  await member(id, globex['id']);
  const { status, body } = await signIn('ada@example.test');
  expect([status, body['code']]).toEqual([403, 'organization_selection_required']);
  const chosen = await authenticate({
    grant_type: 'urn:workos:oauth:grant-type:organization-selection',
    pending_authentication_token: body['pending_authentication_token'],
    organization_id: globex['id'],
  });
  expect(chosen.body['organization_id']).toBe(globex['id']);
});

test('the Events API: oldest first, by cursor, 400 for one that is not kept, never both ways of beginning', async () => {
  for (let index = 0; index < 5; index++) await user(`p${index}@example.test`);
  const first = (await call('GET', '/events?limit=2&order=desc')).body;
  const all = await events();
  expect((first['data'] as Json[]).map(({ id }) => id)).toEqual(all.slice(0, 2).map(({ id }) => id));
  const { after } = first['list_metadata'] as Json;
  expect((await events(`&after=${String(after)}`)).map(({ id }) => id)).toEqual(all.slice(2).map(({ id }) => id));
  expect((await call('GET', '/events?after=event_unknown')).status).toBe(400);
  expect((await call('GET', `/events?after=${String(after)}&range_start=2026-01-01T00:00:00Z`)).status).toBe(400);
  expect((await call('GET', '/events', undefined, 'sk_wrong')).status).toBe(401);
});

test('a deletion that names a type of the body that it has not is one', async () => {
  const { id } = await user('eve@example.test');
  const headers = { authorization: `Bearer ${sandbox.apiKey}`, 'content-type': 'application/json' };
  const answer = await fetch(`${sandbox.url}/user_management/users/${String(id)}`, { method: 'DELETE', headers });
  expect(answer.status).toBeLessThan(300);
  expect((await call('GET', `/user_management/users/${String(id)}`)).status).toBe(404);
});

test('discovery has its five fields, and an unknown client is not found', async () => {
  const path = (client: string) => `/user_management/${client}/.well-known/openid-configuration`;
  const { body } = await call('GET', path(sandbox.clientId), undefined, null);
  expect(Object.keys(body).sort()).toEqual([
    'authorization_endpoint',
    'issuer',
    'jwks_uri',
    'response_types_supported',
    'token_endpoint',
  ]);
  expect((await call('GET', path('client_unknown'), undefined, null)).status).toBe(404);
});

test('webhook endpoints: no two share a URL, and unknown types are refused', async () => {
  const endpoint = await subscribe('user.deleted');
  expect(endpoint['secret']).toMatch(/^whsec_/);
  expect((await subscribe('user.deleted'))['code']).toBe('duplicate_endpoint');
  const unknown = await call('POST', '/webhook_endpoints', {
    endpoint_url: 'http://127.0.0.1:9/',
    events: ['no.such'],
  });
  expect([unknown.status, JSON.stringify(unknown.body)]).toEqual([422, expect.stringContaining('unknown_event_type')]);
});

test('outages, rotation and tokens without an audience, on demand', async () => {
  await user('ada@example.test');
  await call('POST', '/_sandbox/outages', { jwks: 'error' });
  expect((await fetch(sandbox.jwksUri)).status).toBe(503);
  await call('POST', '/_sandbox/outages', { jwks: 'none' });
  await call('POST', '/_sandbox/keys/rotate');
  expect(((await (await fetch(sandbox.jwksUri)).json()) as { keys: unknown[] }).keys).toHaveLength(2);
  await call('POST', '/_sandbox/tokens', { audience: null, issuer_shape: 'generic' });
  const token = String((await signIn('ada@example.test')).body['access_token']);
  const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Json;
  expect([claims['aud'], claims['iss']]).toEqual([undefined, sandbox.url]);
});
