import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StackFile } from '#testing/stack-file.js';
import { authenticate, NotAuthenticated } from '../../libs/client/src/authenticate.js';
import { Browser } from './browser.js';
import { Client, untilAnswer, type Json, type Person } from './client.js';
import { TestStack } from './stack.js';

let running: TestStack;
let stack: StackFile;
let client: Client;
let provider: string;
let dir: string;

beforeAll(async () => {
  running = await TestStack.create();
  stack = await running.start();
  client = new Client(stack);
  provider = stack.provider.id;
  dir = await mkdtemp(join(tmpdir(), 'rescind-client-'));
}, 300_000);

afterAll(async () => {
  await running.stop();
  await running.remove();
  await rm(dir, { recursive: true, force: true });
}, 300_000);

/** Somebody whom WorkOS knows and who has not signed in anywhere yet. */
async function newcomer(): Promise<{ email: string; userId: string; organizationId: string }> {
  const email = `n${Math.random().toString(36).slice(2)}@example.test`;
  const user = await client.workos('POST', '/user_management/users', { email, email_verified: true });
  const organization = await client.workos('POST', '/organizations', { name: 'Acme' });
  await client.workos('POST', '/user_management/organization_memberships', {
    user_id: user['id'],
    organization_id: organization['id'],
  });
  return { email, userId: String(user['id']), organizationId: String(organization['id']) };
}

const assign = async (role: string, kind: string, value: string): Promise<string> => {
  const made = await client.api('portal', 'POST', '/v1/role-assignments', { role, provider_id: provider, kind, value });
  expect(made.status).toBe(201);
  return String(made.body['id']);
};
const ends = (browser: Browser) =>
  untilAnswer(
    () => browser.session(),
    ({ status }) => status === 401,
  );

describe('a person at the page', () => {
  test('signs in, appears, sees and ends their own access, and nobody else’s', async () => {
    const [ada, other] = [await newcomer(), await newcomer()];
    const browser = new Browser(stack.portal);
    const offered = await browser.call('GET', '/auth/providers');
    expect(offered.body.data).toEqual([{ id: provider, name: 'WorkOS sandbox' }]);
    const finished = await browser.signIn(provider, ada.email, '/me?tab=grants');
    expect(finished.status).toBe(303);
    expect(finished.headers.get('location')).toBe('/me?tab=grants');
    const session = await browser.session();
    expect(session.body).toEqual({
      role: 'person',
      name: ada.email,
      user_id: ada.userId,
      provider_id: provider,
      csrf_token: expect.any(String),
    });
    const known = await untilAnswer(
      () => client.api('grants', 'GET', `/v1/users/${ada.userId}`),
      ({ body }) => body['first_seen_at'] !== null && body['email'] === ada.email,
    );
    expect(known.body['status']).toBe('active');

    const own = (await client.makeGrant({ user_id: ada.userId, organization_id: ada.organizationId })).body;
    const foreign = (await client.makeGrant({ user_id: other.userId, organization_id: other.organizationId })).body;
    const me = await untilAnswer(
      () => browser.call('GET', '/api/me'),
      ({ body }) => body?.sessions?.length > 0 && body.memberships.length > 0,
    );
    expect(me.body).toMatchObject({ provider_id: provider, user: { id: ada.userId, email: ada.email } });
    expect(me.body.grants.map(({ id }: Json) => id)).toEqual([own['id']]);
    expect(me.body.sessions.filter(({ current }: Json) => current).length).toBe(1);

    expect((await browser.call('POST', `/api/me/grants/${String(foreign['id'])}/revoke`, {})).status).toBe(404);
    expect((await client.grantOf(String(foreign['id'])))['status']).toBe('active');
    const revoked = await browser.call('POST', `/api/me/grants/${String(own['id'])}/revoke`, {});
    expect(revoked.status).toBe(200);
    expect(revoked.body).toMatchObject({
      status: 'revoked',
      revocation: { actor: `${ada.email} (${ada.userId})`, reason: 'revoked_by_owner' },
    });

    for (const path of ['/v1/identity-providers', '/api/grants/v1/grants', '/v1/api-keys']) {
      expect((await browser.call('GET', path)).status).toBe(403);
    }
    const log = await running.logs('portal');
    for (const cookie of browser.cookies().values()) expect(log).not.toContain(cookie);
  });

  test('ends a sign-in of their own: this one too, everywhere', async () => {
    const ada = await newcomer();
    const browser = new Browser(stack.portal);
    await browser.signIn(provider, ada.email);
    const { body } = await untilAnswer(
      () => browser.call('GET', '/api/me'),
      (answer) => answer.body?.sessions?.some(({ current }: Json) => current),
    );
    const { id } = body.sessions.find(({ current }: Json) => current);
    expect((await browser.call('POST', '/api/me/sessions/session_of_somebody/revoke', {})).status).toBe(404);
    expect((await browser.call('POST', `/api/me/sessions/${id}/revoke`, {})).status).toBe(200);
    expect((await ends(browser)).body).toMatchObject({ code: 'session_ended', reason: 'revoked_by_owner' });
  });

  test.each<[string, (person: Awaited<ReturnType<typeof newcomer>>) => Promise<unknown>, string[]]>([
    [
      'deleted',
      ({ userId }) => client.workos('DELETE', `/user_management/users/${userId}`),
      [
        'user_deprovisioned',
        'membership_deleted', // what comes first of the cascade
        'session_revoked',
      ],
    ],
    [
      'taken out of their organization',
      async ({ userId }) => {
        const found = await client.workos('GET', `/user_management/organization_memberships?user_id=${userId}`);
        const [{ id }] = found['data'] as [{ id: string }];
        return client.workos('PUT', `/user_management/organization_memberships/${id}/deactivate`);
      },
      ['membership_inactive'],
    ],
  ])('who is %s in WorkOS is out at the next request, and stays out', async (_, shutOut, reasons) => {
    const ada = await newcomer();
    await assign('administrator', 'user', ada.userId);
    const browser = new Browser(stack.portal);
    await browser.signIn(provider, ada.email);
    expect((await browser.call('GET', '/v1/identity-providers')).status).toBe(200);
    await shutOut(ada);
    const ended = await untilAnswer(
      () => browser.call('GET', '/v1/identity-providers'),
      ({ status }) => status !== 200,
    );
    expect(ended).toMatchObject({ status: 401, body: { code: 'session_ended' } });
    expect(reasons).toContain(ended.body.reason);
    expect(browser.cookies().has('rescind_session')).toBe(false);
  });

  test('who was deleted does not appear again by a sign-in that comes late', async () => {
    const ada: Person = await client.person();
    await untilAnswer(
      () => client.verdict(ada.token),
      (verdict) => verdict === 'active',
    );
    await client.workos('DELETE', `/user_management/users/${ada.userId}`);
    await untilAnswer(
      () => client.api('grants', 'GET', `/v1/users/${ada.userId}`),
      ({ body }) => body['status'] === 'deleted',
    );
    const refused = await new Browser(stack.portal).signIn(provider, ada.email);
    expect(refused.status).toBe(403);
    expect(await client.verdict(ada.token)).toBe('user_deprovisioned');
    expect((await client.api('grants', 'GET', `/v1/users/${ada.userId}`)).body['status']).toBe('deleted');
  });

  test('roles: by user, by a verified address, by a role in an organization; gone when withdrawn', async () => {
    const ada = await newcomer();
    const browser = new Browser(stack.portal);
    await browser.signIn(provider, ada.email);
    const role = async () => (await browser.session()).body.role as string;
    for (const [kind, value] of [
      ['user', ada.userId],
      ['email', ada.email.toUpperCase()],
      ['organization_role', `${ada.organizationId}/member`],
    ] as const) {
      const id = await assign('auditor', kind, value);
      expect([kind, await role()]).toEqual([kind, 'auditor']);
      expect((await browser.call('GET', '/api/grants/v1/grants')).status).toBe(200);
      expect((await browser.call('POST', '/v1/api-keys', { name: 'x', scopes: ['administrator'] })).status).toBe(403);
      await client.api('portal', 'DELETE', `/v1/role-assignments/${id}`);
      expect([kind, await role()]).toEqual([kind, 'person']);
    }
    const unproved = `u${Math.random().toString(36).slice(2)}@example.test`;
    await assign('administrator', 'email', unproved);
    await client.workos('POST', '/user_management/users', { email: unproved, email_verified: false });
    const impostor = new Browser(stack.portal);
    await impostor.signIn(provider, unproved);
    expect((await impostor.session()).body.role).toBe('person');
  });

  test('whose role changes goes on under new tokens, as what they are now', async () => {
    const ada = await newcomer();
    await assign('auditor', 'organization_role', `${ada.organizationId}/admin`);
    const browser = new Browser(stack.portal);
    await browser.signIn(provider, ada.email);
    expect((await browser.session()).body.role).toBe('person');
    const found = await client.workos('GET', `/user_management/organization_memberships?user_id=${ada.userId}`);
    const [{ id }] = found['data'] as [{ id: string }];
    await client.workos('PUT', `/user_management/organization_memberships/${id}`, { role_slug: 'admin' });
    await untilAnswer(
      () => browser.session(),
      ({ status, body }) => status === 200 && body.role === 'auditor',
    );
    // Of several requests at once one refreshes: a refresh token is good for one use.
    await client.workos('PUT', `/user_management/organization_memberships/${id}`, { role_slug: 'member' });
    await untilAnswer(
      async () => (await Promise.all([1, 2, 3, 4].map(() => browser.session()))).map(({ body }) => body.role as string),
      (roles) => roles.every((role) => role === 'person'),
    );
  });

  test('who signs out is out here and at WorkOS', async () => {
    const ada = await newcomer();
    const browser = new Browser(stack.portal);
    await browser.signIn(provider, ada.email);
    expect((await browser.call('POST', '/auth/session/sign-out')).status).toBe(204);
    expect((await browser.session()).status).toBe(401);
    const left = await client.workos('GET', `/user_management/users/${ada.userId}/sessions`);
    expect(left['data']).toEqual([]);
  });
});

test('the feed tells it as it happens: webhook in, applied, revoked, refused', async () => {
  const hangUp = new AbortController();
  const response = await fetch(`${stack.portal}/api/feed`, {
    headers: { authorization: `Bearer ${stack.adminApiKey}` },
    signal: hangUp.signal,
  });
  let told = '';
  const listening = (async () => {
    for await (const chunk of response.body!) told += Buffer.from(chunk).toString();
  })().catch(() => undefined);
  const ada = await client.person();
  await client.makeGrant({ user_id: ada.userId, organization_id: ada.organizationId, session_id: ada.sessionId });
  await untilAnswer(
    () => client.verdict(ada.token),
    (verdict) => verdict === 'active',
  );
  await client.workos('DELETE', `/user_management/users/${ada.userId}`);
  await untilAnswer(
    () => client.verdict(ada.token),
    (verdict) => verdict !== 'active',
  );
  for (const event of ['webhook', 'applied', 'revoked', 'refused']) {
    const shape = new RegExp(`event: ${event}\\ndata: .*${ada.userId}`);
    await untilAnswer(
      async () => told,
      (text) => shape.test(text),
    );
  }
  expect(told).not.toContain(ada.email);
  hangUp.abort();
  await listening;
});

describe('what does not sign in', () => {
  const begin = async (browser: Browser) =>
    (await browser.call('GET', `/auth/${provider}/login`)).headers.get('location')!;
  const callback = (query: Record<string, string>) =>
    `/auth/${provider}/callback?${new URLSearchParams(query).toString()}`;

  test('another state, none, another browser’s, or one that was used', async () => {
    const ada = await newcomer();
    const browser = new Browser(stack.portal);
    const returned = new URL(await browser.atAuthKit(await begin(browser), ada.email));
    const code = returned.searchParams.get('code')!;
    for (const query of [{ code }, { code, state: 'guess' }, { code, state: '' }] as Record<string, string>[]) {
      const refused = await browser.call('GET', callback(query));
      expect(refused.status).toBe(400);
      expect(refused.text).toContain('state_mismatch');
    }
    const victim = new Browser(stack.portal); // somebody sends them their own link
    expect((await victim.call('GET', returned.href)).status).toBe(400);
    expect((await victim.session()).status).toBe(401);
    const device = returned.href.replace('/callback', '/device/callback');
    expect((await browser.call('GET', device)).status).toBe(400);

    expect((await browser.call('GET', returned.href)).status).toBe(303);
    expect((await browser.call('GET', returned.href)).status).toBe(400); // the cookie is gone
  });

  test('a code that was used, and a code that was got with another verifier', async () => {
    const ada = await newcomer();
    const browser = new Browser(stack.portal);
    const returned = new URL(await browser.atAuthKit(await begin(browser), ada.email));
    const kept = new Map(browser.cookies());
    expect((await browser.call('GET', returned.href)).status).toBe(303);
    for (const [name, value] of kept) browser.cookies().set(name, value);
    const replayed = await browser.call('GET', returned.href);
    expect(replayed.status).toBe(401);
    expect(replayed.text).toContain('sign_in_refused');

    const [attacker, victim] = [new Browser(stack.portal), new Browser(stack.portal)];
    const stolen = new URL(await victim.atAuthKit(await begin(victim), ada.email)).searchParams.get('code')!;
    const own = new URL(await begin(attacker)).searchParams.get('state')!;
    const injected = await attacker.call('GET', callback({ code: stolen, state: own }));
    expect(injected.status).toBe(401);
    expect((await attacker.session()).status).toBe(401);
  });

  test.each([
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/%09/evil.example'.replace('%09', '\t'),
    'javascript:alert(1)',
    '/auth/x/login',
    '/api/feed',
    'users',
  ])('the way back to %j', async (returnTo) => {
    const query = new URLSearchParams({ return_to: returnTo });
    const refused = await new Browser(stack.portal).call('GET', `/auth/${provider}/login?${query.toString()}`);
    expect(refused).toMatchObject({ status: 400, body: { code: 'return_to_invalid' } });
  });

  test('a provider that nobody signs in with, or a refusal of WorkOS', async () => {
    const browser = new Browser(stack.portal);
    expect((await browser.call('GET', '/auth/idp_none/login')).body).toMatchObject({ code: 'sign_in_not_configured' });
    const refused = await browser.signIn(provider, 'nobody@example.test');
    expect(refused.status).toBe(403);
    expect(refused.text).toContain('access_denied');
    expect(refused.text).not.toContain('<script');
  });

  test('a session that was there before is not the person’s', async () => {
    const [ada, eve] = [await newcomer(), await newcomer()];
    const attacker = new Browser(stack.portal);
    await attacker.signIn(provider, eve.email);
    const planted = attacker.cookies().get('rescind_session')!;
    const browser = new Browser(stack.portal);
    browser.cookies().set('rescind_session', planted);
    await browser.signIn(provider, ada.email);
    expect(browser.cookies().get('rescind_session')).not.toBe(planted);
    expect((await browser.session()).body.user_id).toBe(ada.userId);
    expect((await attacker.session()).status).toBe(401);
  });
});

describe('authenticate(), for tools', () => {
  const options = (file: string | null, more: object = {}) => ({
    portal: stack.portal,
    provider,
    clientName: 'The tool',
    file,
    openBrowser: false as const,
    tell: () => undefined,
    ...more,
  });
  /** What a person does who is told where to go. */
  async function follow(browser: Browser, url: string, email: string): Promise<number> {
    const page = await browser.call('GET', url);
    expect(page.text).toContain('The tool');
    const confirmed = await browser.call('POST', url, '', { origin: new URL(stack.portal).origin });
    const callback = await browser.atAuthKit(confirmed.headers.get('location')!, email);
    return (await browser.call('GET', callback)).status;
  }

  test('the tool gets who it is; the tokens are kept for this user alone, used, renewed, and refused once they are out', async () => {
    const ada = await newcomer();
    const file = join(dir, 'ada.json');
    const browser = new Browser(stack.portal);
    const asked: { url: string; code: string }[] = [];
    const identity = await authenticate(
      options(file, {
        tell: (where: { url: string; code: string }) => {
          asked.push(where);
          void follow(browser, where.url, ada.email);
        },
      }),
    );
    expect(identity).toMatchObject({ providerId: provider, user: { id: ada.userId, email: ada.email } });
    expect(asked[0]!.url).toContain(asked[0]!.code);
    expect(await client.verdict(identity.accessToken)).toBe('active');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await browser.session()).status).toBe(401); // the browser itself is not signed in

    const again = await authenticate(options(file, { interactive: false }));
    expect(again.accessToken).toBe(identity.accessToken);

    const kept = JSON.parse(await readFile(file, 'utf8')) as Json;
    await writeFile(file, JSON.stringify({ ...kept, expires_at: new Date().toISOString() }));
    const renewed = await Promise.all([1, 2].map(() => authenticate(options(file, { interactive: false }))));
    expect(renewed[0]!.accessToken).not.toBe(identity.accessToken);
    expect(renewed[1]!.accessToken).toBe(renewed[0]!.accessToken);
    expect(await client.verdict(renewed[0]!.accessToken)).toBe('active');

    await client.workos('DELETE', `/user_management/users/${ada.userId}`);
    const stale = JSON.parse(await readFile(file, 'utf8')) as Json;
    await writeFile(file, JSON.stringify({ ...stale, expires_at: new Date().toISOString() }));
    const out = authenticate(options(file, { interactive: false }));
    await expect(out).rejects.toThrow(NotAuthenticated);
    await expect(out).rejects.toMatchObject({ code: 'not_signed_in' });
  });

  const device = (path: string, body: object) =>
    new Browser(stack.portal).call('POST', `/auth/${provider}/device/${path}`, body);
  const VERIFIER = 'a'.repeat(43);
  const CHALLENGE = 'ZtNPunH49FD35FWYhT5Tv8I7vRKQJ8uxMaL0_9eHjNA'; // openssl dgst -sha256 -binary | basenc --base64url
  const begin = async () =>
    (await device('authorize', { code_challenge: CHALLENGE, code_challenge_method: 'S256', client_name: 'The tool' }))
      .body;

  test('what the portal hands out, it hands out once, and only for the verifier', async () => {
    const ada = await newcomer();
    const begun = await begin();
    const right = { device_code: begun.device_code, code_verifier: VERIFIER };
    expect((await device('token', right)).body).toMatchObject({ code: 'authorization_pending' });
    expect(await follow(new Browser(stack.portal), begun.verification_uri_complete, ada.email)).toBe(200);
    const wrong = { ...right, code_verifier: 'b'.repeat(43) };
    expect(await device('token', wrong)).toMatchObject({ status: 400, body: { code: 'invalid_grant' } });
    expect(await device('token', { ...right, device_code: 'guess' })).toMatchObject({
      body: { code: 'expired_token' },
    });
    expect(await device('token', right)).toMatchObject({ status: 200, body: { user: { id: ada.userId } } });
    expect(await device('token', right)).toMatchObject({ status: 400, body: { code: 'expired_token' } });
  });

  test('nobody is led past the page that asks; a refusal is told to the tool', async () => {
    const begun = await begin();
    const browser = new Browser(stack.portal);
    const path = begun.verification_uri_complete as string;
    const forged: Record<string, string>[] = [
      {},
      { origin: 'https://evil.example' },
      { origin: new URL(stack.portal).origin, 'sec-fetch-site': 'cross-site' },
    ];
    for (const headers of forged) {
      expect((await browser.call('POST', path, '', headers)).status).toBe(403);
    }
    expect((await browser.call('GET', path)).headers.get('content-security-policy')).toContain(
      "frame-ancestors 'none'",
    );
    expect(await follow(browser, path, 'nobody@example.test')).toBe(403);
    const refused = await device('token', { device_code: begun.device_code, code_verifier: VERIFIER });
    expect(refused).toMatchObject({ status: 403, body: { code: 'access_denied' } });
    expect((await browser.call('GET', path)).status).toBe(404);
  });
});

describe('API keys that the portal has issued', () => {
  test('are taken by every service without the portal, within their scopes, and refused once revoked', async () => {
    const made = await client.api('portal', 'POST', '/v1/api-keys', { name: 'gateway', scopes: ['verify'] });
    const { id, api_key } = made.body as { id: string; api_key: string };
    const ask = async (base: 'grants' | 'tokenVerification', method: string, path: string, body?: object) =>
      (
        await fetch(stack[base] + path, {
          method,
          headers: { authorization: `Bearer ${api_key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
          ...(body ? { body: JSON.stringify(body) } : {}),
        })
      ).status;
    const verify = () => ask('tokenVerification', 'POST', '/v1/tokens/verify', { token: 'x' });
    const check = () =>
      ask('grants', 'POST', '/v1/access/check', {
        provider_id: provider,
        user_id: 'user_1',
        resource: 'vault:x',
        scope: 'read',
      });
    for (const taken of [verify, check]) {
      await untilAnswer(taken, (status) => status === 200);
    }
    expect(await ask('grants', 'GET', '/v1/grants')).toBe(403);
    expect(await ask('grants', 'POST', '/v1/revocations', { user_id: 'user_1', reason: 'x' })).toBe(403);
    const used = await untilAnswer(
      () => client.api('portal', 'GET', '/v1/api-keys'),
      ({ body }) => (body['data'] as Json[]).some((key) => key['id'] === id && key['last_used_at'] !== null),
    );
    expect(used.status).toBe(200);

    expect((await client.api('portal', 'DELETE', `/v1/api-keys/${id}`)).status).toBe(204);
    for (const refused of [verify, check]) await untilAnswer(refused, (status) => status === 401);
  });

  test('for whom somebody asks is said by the portal alone, and stands in the audit', async () => {
    const holder = { user_id: `user_${Math.random().toString(36).slice(2)}` };
    const grant = (await client.makeGrant(holder)).body;
    const forged = await fetch(`${stack.grants}/v1/grants/${String(grant['id'])}/revoke`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stack.adminApiKey}`, 'x-rescind-actor': 'somebody' },
    });
    expect(forged.status).toBe(403);
    const browser = new Browser(stack.portal);
    await browser.call('POST', '/auth/session', { api_key: stack.adminApiKey });
    browser.csrf = (await browser.session()).body.csrf_token;
    const revoked = await browser.call('POST', `/api/grants/v1/grants/${String(grant['id'])}/revoke`, {});
    expect(revoked.body).toMatchObject({ status: 'revoked', revocation: { actor: 'admin' } });
  });
});
