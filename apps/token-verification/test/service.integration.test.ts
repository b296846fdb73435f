import { generateKeyPairSync } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { SCOPE_STATE_TYPE } from '#contracts/revocation.js';
import { TOPICS } from '#contracts/topics.js';
import { eventually } from '#testing/eventually.js';
import { claimsOf, makeIssuer, providerOf, token } from './issuer.js';
import { recordOf } from './record-of.js';
import { API_KEY, RunningService } from './running-service.js';

const ours = makeIssuer('client_01OURS', 'key_1');
const unreachable = makeIssuer('client_01AWAY', 'key_2');
const late = makeIssuer('client_01LATE', 'key_3');
const signingKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
let service: RunningService;

beforeAll(async () => {
  service = await RunningService.start({
    keys: { ours: [ours.jwk], late: [late.jwk] },
    providers: (keysUrl) => [
      providerOf(ours, { jwks_uri: `${keysUrl}/ours` }),
      providerOf(unreachable, { jwks_uri: 'http://127.0.0.1:9/jwks' }),
    ],
    env: {
      RESCIND_INTROSPECTION_CLIENTS: 'gateway:s3cret:with/odd+signs,other:another,other:newer',
      RESCIND_INTROSPECTION_ISSUER: 'https://rescind.test',
      RESCIND_INTROSPECTION_SIGNING_KEY: JSON.stringify(signingKey.privateKey.export({ format: 'jwk' })),
    },
  });
});

afterAll(() => service?.close());

const signed = (over: Record<string, unknown> = {}): string => token(ours, claimsOf(ours, Date.now(), over));
const verify = (jwt: string, key?: string | null): Promise<Response> => service.verify(jwt, key);
const answerOf = (jwt: string): Promise<Record<string, unknown>> => service.answerOf(jwt);
const becomes = (jwt: string, expected: object): Promise<unknown> => service.becomes(jwt, expected);
const happens = (event: string, data: { id: string } & object): Promise<void> =>
  service.happens(providerOf(ours).id, event, data);
const startBeating = (): void => service.startBeating();
const stopBeating = (): void => service.stopBeating();
const introspect = (
  jwt: string,
  headers: Record<string, string>,
  more: Record<string, string> = {},
): Promise<Response> =>
  fetch(`${service.url}/oauth2/introspect`, {
    method: 'POST',
    headers,
    body: new URLSearchParams({ token: jwt, ...more }),
  });
const basic = (id: string, secret: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`,
});
const forward = (authorization?: string): Promise<Response> =>
  fetch(`${service.url}/v1/forward-auth`, { headers: authorization === undefined ? {} : { authorization } });

test('before the first heartbeat nothing is known, and nobody gets in', async () => {
  const answer = await verify(signed());
  expect(answer.headers.get('retry-after')).toBe('1');
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([503, 'view_stale']);
  expect((await fetch(`${service.url}/health/ready`)).status).toBe(503);
  expect((await forward(`Bearer ${signed()}`)).status).toBe(503);
  expect((await introspect(signed(), basic('gateway', 's3cret:with/odd+signs'))).status).toBe(503);
});

test('with one, a token is active, as the contract has it', async () => {
  startBeating();
  const jwt = signed();
  await becomes(jwt, { status: 200, active: true });
  const { claims, as_of, ...rest } = await answerOf(jwt);
  expect(rest).toEqual({
    status: 200,
    active: true,
    user_id: 'user_01ALICE',
    organization_id: 'org_01ACME',
    session_id: 'session_01A',
    provider_id: 'idp_client_01OURS',
  });
  expect(claims).toMatchObject({ sub: 'user_01ALICE', iss: ours.issuer });
  expect(Date.parse(String(as_of))).toBeGreaterThan(Date.now() - 10_000);
});

/** `/health/ready`, once it is 200. */
const ready = () =>
  eventually(async () => {
    const answer = await fetch(`${service.url}/health/ready`);
    return answer.status === 200 && ((await answer.json()) as { keys_missing: string[] });
  });
const withoutKeys = async (): Promise<string> =>
  (await (await fetch(`${service.url}/metrics`)).text()).match(/^rescind_providers_without_keys\S* (\d+)$/m)![1]!;

test('ready for everybody else while one issuer is away, which it names; at once not, where another is told its keys', async () => {
  const [away, tooLate] = [providerOf(unreachable), makeIssuer('client_01GONE', 'key_4')];
  const gone = providerOf(tooLate, { jwks_uri: 'http://127.0.0.1:9/gone' });
  const missing = (...ids: string[]) =>
    eventually(async () => {
      expect((await ready()).keys_missing.sort()).toEqual(ids);
      expect(await withoutKeys()).toBe(String(ids.length));
      return true;
    });
  await missing(away.id);
  await service.publishProvider(gone); // comes in by the topic
  await missing(away.id, gone.id);
  await service.tellKeys(gone.jwks_uri!, [tooLate.jwk]);
  await missing(away.id);
  await becomes(token(tooLate, claimsOf(tooLate, Date.now())), { active: true });
  await service.remove(TOPICS.identityProviders, gone.id);
  expect(await answerOf(signed())).toMatchObject({ active: true });
});

test('when the heartbeats stop it stops knowing, and goes on when they come again', async () => {
  const jwt = signed();
  await becomes(jwt, { active: true });
  stopBeating();
  await becomes(jwt, { status: 503, code: 'view_stale' });
  expect(await (await fetch(`${service.url}/health/ready`)).json()).toMatchObject({
    missing: { view: expect.stringContaining('heartbeat') },
  });
  startBeating();
  await becomes(jwt, { active: true });
});

test('a partition that cannot be read is no freshness, whatever the others say', async () => {
  const jwt = signed();
  await becomes(jwt, { active: true });
  const transaction = await service.openTransaction(TOPICS.revocationState, 1);
  await becomes(jwt, { status: 503, code: 'view_stale' });
  await transaction.abort();
  await becomes(jwt, { active: true });
});

test('nor is one without a heartbeat, be it new, and nobody reads it yet', async () => {
  const jwt = signed();
  service.beatInto = [0, 2];
  await becomes(jwt, { status: 503, code: 'view_stale' });
  service.beatInto = undefined;
  await becomes(jwt, { active: true });
  await service.addPartition(TOPICS.revocationState);
  service.beatInto = [0, 1, 2];
  service.partitions += 1;
  await becomes(jwt, { status: 503, code: 'view_stale' });
  service.beatInto = undefined;
  await becomes(jwt, { active: true });
});

test('events that Kafka has and that are not read are no freshness, unless their effects are among the states', async () => {
  const jwt = signed();
  await becomes(jwt, { active: true });
  const transaction = await service.openTransaction(TOPICS.workosEvents, 1);
  service.ends = await service.endOffsets(TOPICS.workosEvents);
  await becomes(jwt, { status: 503, code: 'view_stale' });
  service.applied = service.ends;
  await becomes(jwt, { active: true });
  service.applied = {};
  await becomes(jwt, { status: 503, code: 'view_stale' });
  await transaction.abort();
  await becomes(jwt, { active: true });
});

test('a partition that was added to the events is no freshness until it is read', async () => {
  const gone = signed({ sub: 'user_added' });
  await becomes(gone, { active: true });
  stopBeating();
  await becomes(gone, { code: 'view_stale' });
  const added = await service.addPartition(TOPICS.workosEvents);
  await service.happens(providerOf(ours).id, 'user.deleted', { id: 'user_added' }, { partition: added });
  service.ends = await service.endOffsets(TOPICS.workosEvents);
  startBeating();
  const answer = await eventually(async () => {
    const one = await answerOf(gone);
    expect(one).not.toMatchObject({ code: 'view_stale' });
    return one;
  });
  expect(answer).toMatchObject({ active: false, reason: 'user_deprovisioned' });
  await becomes(signed(), { active: true });
});

test('an old heartbeat is no proof, however lately it came in', async () => {
  stopBeating();
  const jwt = signed();
  await becomes(jwt, { code: 'view_stale' });
  await service.beat(new Date(Date.now() - 3_000));
  await happens('user.deleted', { id: 'user_marker' });
  expect(await answerOf(jwt)).toMatchObject({ status: 503, code: 'view_stale' });
  startBeating();
  await becomes(jwt, { active: true });
});

test('a revocation comes in both ways: by the event itself, and by the state', async () => {
  const [byEvent, byState] = [signed({ sub: 'user_event' }), signed({ sub: 'user_state' })];
  await becomes(byEvent, { active: true });
  await becomes(byState, { active: true });
  await happens('user.deleted', { id: 'user_event' });
  await becomes(byEvent, { status: 200, active: false, reason: 'user_deprovisioned' });
  await service.publish(
    TOPICS.revocationState,
    'idp_client_01OURS/user:user_state',
    recordOf(SCOPE_STATE_TYPE, {
      scope: 'idp_client_01OURS/user:user_state',
      provider_id: 'idp_client_01OURS',
      closed_at: new Date().toISOString(),
      opened_at: null,
      tokens_before: null,
      reason: 'membership_inactive',
      source_event_id: null,
      occurred_at: new Date().toISOString(),
    }),
  );
  await becomes(byState, { active: false, reason: 'membership_inactive' });
});

test('it says what it refuses by: one scope, as this replica knows it', async () => {
  const scopeOf = async (id: string): Promise<Record<string, unknown>> => {
    const scope = encodeURIComponent(`${providerOf(ours).id}/user:${id}`);
    const answer = await fetch(`${service.url}/v1/scopes?scope=${scope}`, {
      headers: { authorization: `Bearer ${API_KEY}` },
    });
    return (await answer.json()) as Record<string, unknown>;
  };
  await happens('user.deleted', { id: 'user_01SCOPE' });
  const jwt = signed({ sub: 'user_01SCOPE' });
  await becomes(jwt, { status: 200, active: false, reason: 'user_deprovisioned' });
  expect(await scopeOf('user_01SCOPE')).toMatchObject({ closed_at: 'infinity', opened_at: null, tokens_before: null });
  expect(await scopeOf('user_01NOBODY')).toMatchObject({ closed_at: null, opened_at: null, tokens_before: null });
});

test('what an event means that its provider decides is applied as soon as the provider is known, and by no guess before', async () => {
  const provider = providerOf(late, { suspension_rule: { metadata_key: 'suspended', value: 'yes' } });
  const marker = signed({ sub: 'user_late' });
  await becomes(marker, { active: true });
  const suspended = { id: 'user_late', metadata: { suspended: 'yes' } };
  await service.happens(provider.id, 'user.updated', suspended);
  // Of the same key, so in the same partition: where it is known, the one before has been passed.
  await happens('user.deleted', { id: 'user_late' });
  await becomes(marker, { active: false, reason: 'user_deprovisioned' });
  await service.publishProvider({ ...provider, jwks_uri: `${service.keysUrl}/late` });
  await becomes(token(late, claimsOf(late, Date.now(), { sub: 'user_other' })), { active: true });
  await becomes(token(late, claimsOf(late, Date.now(), { sub: 'user_late' })), {
    active: false,
    reason: 'user_suspended',
  });
});

test('what cannot be read is skipped, and stops nothing', async () => {
  const jwt = signed({ sub: 'user_behind_poison' });
  await becomes(jwt, { active: true });
  for (const topic of [TOPICS.workosEvents, TOPICS.revocationState]) {
    await service.publish(topic, 'user_behind_poison', Buffer.from('poison'));
  }
  await happens('user.deleted', { id: 'user_behind_poison' });
  await becomes(jwt, { active: false });
  expect(await (await fetch(`${service.url}/metrics`)).text()).toMatch(
    /rescind_view_records_skipped_total\{topic="workos.events"[^}]*\} 1/,
  );
});

test('a restart gives the same answers: states, and the events that are not among them yet', async () => {
  const [before, after, still] = [
    signed({ sub: 'user_before' }),
    signed({ sub: 'user_after' }),
    signed({ sub: 'user_still' }),
  ];
  await happens('user.deleted', { id: 'user_before' });
  await becomes(before, { active: false });
  // From here on the heartbeat says that everything before is on the state topic, which for user_before is not so: it must
  // be believed, and what comes later must be read from the events.
  service.applied = await service.endOffsets(TOPICS.workosEvents);
  await service.beat(new Date());
  await happens('user.deleted', { id: 'user_after' });
  await service.stopService();
  await service.startService();
  await becomes(still, { active: true });
  expect(await answerOf(after)).toMatchObject({ active: false, reason: 'user_deprovisioned' });
  expect(await answerOf(before)).toMatchObject({ active: true });
  expect(await answerOf(signed({ sub: 'user_state' }))).toMatchObject({ active: false, reason: 'membership_inactive' });
  service.applied = {};
});

test('keys that cannot be had: 503, never 401', async () => {
  const jwt = token(unreachable, claimsOf(unreachable, Date.now()));
  expect(await answerOf(jwt)).toMatchObject({ status: 503, code: 'keys_unavailable' });
  expect((await forward(`Bearer ${jwt}`)).status).toBe(503);
});

describe('introspection (RFC 7662)', () => {
  const good = basic('gateway', 's3cret:with/odd+signs');
  test.each([
    ['nobody', {}, {}],
    ['a wrong secret', basic('gateway', 'wrong'), {}],
    ["another client's secret", basic('gateway', 'another'), {}],
    ['an unknown client', basic('stranger', 'another'), {}],
    ['an API key', { authorization: `Bearer ${API_KEY}` }, {}],
    ['a broken header', { authorization: 'Basic %%%' }, {}],
    ['a wrong secret in the body', {}, { client_id: 'gateway', client_secret: 'wrong' }],
  ])('401 for %s', async (_, headers, body) => {
    const answer = await introspect(signed(), headers as Record<string, string>, body as Record<string, string>);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic/);
    expect([answer.status, await answer.json()]).toEqual([401, { error: 'invalid_client' }]);
  });

  test.each([
    ['client_secret_basic', good, {}],
    ['client_secret_post', {}, { client_id: 'gateway', client_secret: 's3cret:with/odd+signs' }],
    ['the older of two live secrets', basic('other', 'another'), {}],
    ['the newer of two live secrets', basic('other', 'newer'), {}],
  ])('by %s', async (_, headers, body) => {
    const answer = await introspect(signed(), headers as Record<string, string>, body as Record<string, string>);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.json()).toMatchObject({
      active: true,
      sub: 'user_01ALICE',
      token_type: 'Bearer',
      iss: ours.issuer,
    });
  });

  test('an inactive token is just that', async () => {
    expect(await (await introspect('rubbish', good)).json()).toEqual({ active: false });
    expect(await (await introspect(signed({ sub: 'user_event', exp: 1 }), good)).json()).toEqual({ active: false });
  });

  test.each([
    ['both methods at once', good, { client_id: 'gateway', client_secret: 's3cret:with/odd+signs' }],
    ["another client's id in the body", good, { client_id: 'other' }],
  ])('400 for %s', async (_, headers, body) => {
    const answer = await introspect(signed(), headers, body as Record<string, string>);
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: 'invalid_request' }]);
  });

  test('400 without a token', async () => {
    const answer = await fetch(`${service.url}/oauth2/introspect`, {
      method: 'POST',
      headers: good,
      body: new URLSearchParams(),
    });
    expect([answer.status, ((await answer.json()) as { error: string }).error]).toEqual([400, 'invalid_request']);
  });
});

describe('signed introspection answers (RFC 9701)', () => {
  const good = basic('gateway', 's3cret:with/odd+signs');
  const signedAnswer = { accept: 'application/token-introspection+jwt' };
  const metadata = async (): Promise<Record<string, unknown>> =>
    (await (await fetch(`${service.url}/.well-known/oauth-authorization-server`)).json()) as Record<string, unknown>;

  test('the metadata says where, how and with which keys (RFC 8414)', async () => {
    expect(await metadata()).toEqual({
      issuer: 'https://rescind.test',
      introspection_endpoint: 'https://rescind.test/oauth2/introspect',
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      introspection_signing_alg_values_supported: ['ES256'],
      jwks_uri: 'https://rescind.test/.well-known/jwks.json',
      response_types_supported: [],
      grant_types_supported: [],
    });
  });

  const checked = async (answer: Response, audience = 'gateway') => {
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, signedAnswer.accept]);
    const { payload } = await jwtVerify(
      await answer.text(),
      createRemoteJWKSet(new URL(`${service.url}/.well-known/jwks.json`)),
      { issuer: 'https://rescind.test', audience, typ: 'token-introspection+jwt', algorithms: ['ES256'] },
    );
    return payload;
  };

  test('what it says is what the JSON says, for this client alone', async () => {
    const jwt = signed();
    const json: unknown = await (await introspect(jwt, good)).json();
    const { token_introspection, ...rest } = await checked(await introspect(jwt, { ...good, ...signedAnswer }));
    expect(token_introspection).toEqual(json);
    expect(rest).toEqual({ iss: 'https://rescind.test', aud: 'gateway', iat: expect.any(Number) });
    const other = await introspect(jwt, { ...basic('other', 'another'), ...signedAnswer });
    expect((await checked(other, 'other')).aud).toBe('other');
  });

  test('an inactive token is just that', async () => {
    const answer = await introspect(signed({ exp: 1 }), { ...good, ...signedAnswer });
    expect((await checked(answer))['token_introspection']).toEqual({ active: false });
  });

  test('it is no token that would be active here', async () => {
    const answer = await (await introspect(signed(), { ...good, ...signedAnswer })).text();
    expect(await answerOf(answer)).toMatchObject({ active: false, reason: 'malformed' });
  });

  test('who the client is comes first', async () => {
    const answer = await introspect(signed(), { ...basic('gateway', 'wrong'), ...signedAnswer });
    expect([answer.status, await answer.json()]).toEqual([401, { error: 'invalid_client' }]);
  });

  test('without a key it is refused plainly, and JSON goes on', async () => {
    await service.stopService();
    await service.startService({ RESCIND_INTROSPECTION_SIGNING_KEY: '' });
    await becomes(signed(), { active: true });
    const refused = await introspect(signed(), { ...good, ...signedAnswer });
    expect([refused.status, await refused.json()]).toMatchObject([406, { code: 'signed_answer_not_configured' }]);
    const either = await introspect(signed(), { ...good, accept: `${signedAnswer.accept}, application/json` });
    expect(await either.json()).toMatchObject({ active: true });
    expect(await metadata()).not.toHaveProperty('introspection_signing_alg_values_supported');
    expect(await (await fetch(`${service.url}/.well-known/jwks.json`)).json()).toEqual({ keys: [] });
    await service.stopService();
    await service.startService({ RESCIND_INTROSPECTION_SIGNING_KEY: '', RESCIND_INTROSPECTION_ISSUER: '' });
    expect(await metadata()).toMatchObject({ status: 404, code: 'issuer_not_configured' });
    await service.stopService();
    await service.startService();
    await becomes(signed(), { active: true });
  });
});

describe('forward-auth', () => {
  test('200 says whose it is', async () => {
    const answer = await forward(`Bearer ${signed()}`);
    expect([
      answer.status,
      answer.headers.get('x-auth-user'),
      answer.headers.get('x-auth-organization'),
      answer.headers.get('x-auth-session'),
    ]).toEqual([200, 'user_01ALICE', 'org_01ACME', 'session_01A']);
  });

  test('401 with the reason (RFC 6750)', async () => {
    const answer = await forward(`Bearer ${signed({ exp: 1 })}`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token", error_description="expired"');
  });

  test('401 without an error where there is no token', async () => {
    const answer = await forward();
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="rescind"']);
  });

  // The path is the client's: one that climbs must not end at another route, such as health, which answers everybody.
  test.each([
    ['GET', '/a/path?with=query'],
    ['POST', '/'],
    ['DELETE', '/a%20b/%F0%9F%98%80'],
    ['OPTIONS', '/*'],
    ['GET', '/../../health/live'],
    ['GET', '/%2e%2e/%2e%2e/health/live'],
    ['GET', '/..%2f..%2fhealth/live'],
    ['GET', '//health/live'],
    ['GET', ';/../../health/live'],
  ])('asked as Envoy asks, with the method and path of the request: %s %s', async (method, path) => {
    const ask = (jwt: string): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const { hostname, port } = new URL(service.url);
        const headers = { authorization: `Bearer ${jwt}`, 'content-length': '0' };
        const asked = request({ hostname, port, method, path: `/v1/forward-auth${path}`, headers });
        asked.on('response', (answer) => resolve(answer.resume())).on('error', reject);
        asked.end();
      });
    // Of routes and not of freshness: a busy machine may let the view age for a moment.
    const fresh = async (): Promise<IncomingMessage> => {
      for (;;) {
        const answer = await ask(signed());
        if (answer.statusCode !== 503) return answer;
      }
    };
    const { statusCode, headers } = await fresh();
    if (path.startsWith('/')) expect([statusCode, headers['x-auth-user']]).toEqual([200, 'user_01ALICE']);
    expect([401, 404]).toContain((await ask(signed({ exp: 1 }))).statusCode);
  });

  test('an id cannot become a header of its own', async () => {
    const answer = await forward(`Bearer ${signed({ sub: 'a\r\nx-auth-user: root' })}`);
    expect([answer.status, answer.headers.get('x-auth-user')]).toEqual([401, null]);
  });
});

test('verify asks for an API key, and for a token', async () => {
  expect((await verify(signed(), null)).status).toBe(401);
  expect((await verify(signed(), 'wrong')).status).toBe(401);
  const answer = await fetch(`${service.url}/v1/tokens/verify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${API_KEY}` },
    body: '{}',
  });
  expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([400, 'request_invalid']);
});

test.each([
  ['no JSON', '{"token":', { status: 400, code: 'bad_request' }],
  ['an empty body', '', { status: 400, code: 'request_invalid' }],
  ['a list', '["token"]', { status: 400, code: 'request_invalid' }],
  ['a token that is no text', '{"token":{"length":1}}', { status: 400, code: 'request_invalid' }],
  ['more than is taken', JSON.stringify({ token: 'x'.repeat(1_100_000) }), { status: 413, code: 'body_too_large' }],
])('verify refuses %s, and asks for the API key before it reads', async (_, body, expected) => {
  const ask = (key: string): Promise<Response> =>
    fetch(`${service.url}/v1/tokens/verify`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body,
    });
  const answer = await ask(API_KEY);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect({ status: answer.status, ...((await answer.json()) as object) }).toMatchObject(expected);
  if (body.length < 1_000) expect((await ask('wrong')).status).toBe(401);
});

test('a restart while the source of keys is away: what was valid is, and unknown keys are unknown', async () => {
  await service.stopService();
  service.stopKeys();
  await service.startService();
  await becomes(signed(), { active: true });
  expect((await forward(`Bearer ${signed()}`)).status).toBe(200);
  const rotated = token({ ...ours, kid: 'key_after' }, claimsOf(ours, Date.now()));
  expect(await answerOf(rotated)).toMatchObject({ status: 503, code: 'keys_unavailable' });
});

test('not ready before the first keys were asked for', async () => {
  await service.stopService();
  await service.startService({ KAFKA_BROKERS: '127.0.0.1:1' });
  expect(await (await fetch(`${service.url}/health/ready`)).json()).toMatchObject({
    status: 'not_ready',
    missing: { keys: 'the first keys are being fetched' },
    keys_missing: [],
  });
});
