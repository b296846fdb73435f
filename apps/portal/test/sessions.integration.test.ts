import pg from 'pg';
import { Browser } from './browser.js';
import { API_KEY, newPlace, type Place, type Portal, startPortal } from './portal.js';

let place: Place;
let portal: Portal;
let database: pg.Client;
beforeAll(async () => {
  place = await newPlace();
  portal = await startPortal(place, { PUBLIC_URL: 'https://portal.example.com', TRUSTED_PROXIES: '127.0.0.1' });
  database = new pg.Client({ connectionString: place.database.url });
  await database.connect();
});
afterAll(async () => {
  await database.end();
  await portal.close();
  await place.leave();
});

const signedIn = async (): Promise<Browser> => {
  const browser = new Browser(portal.url);
  expect((await browser.signIn()).status).toBe(204);
  return browser;
};
/** All sessions are as if they were so many minutes older. */
const age = (column: string, minutes: number) =>
  database.query(`update portal.sessions set ${column} = ${column} - make_interval(mins => $1)`, [minutes]);
const TOKEN = '__Host-rescind_session';

test('a browser signs in with an API key, and the portal’s own API takes the session', async () => {
  const browser = new Browser(portal.url);
  const answer = await browser.signIn();
  expect(answer.setCookie).toMatch(
    /^__Host-rescind_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=43200$/,
  );
  const session = await browser.call('GET', '/auth/session');
  expect(session.body).toEqual({ role: 'administrator', name: 'admin', csrf_token: expect.any(String) });
  expect((await browser.call('GET', '/v1/identity-providers')).status).toBe(200);
  const { rows } = await database.query('select * from portal.sessions');
  const token = browser.cookies.get(TOKEN)!;
  expect(JSON.stringify(rows)).not.toContain(token);
  expect(JSON.stringify(rows)).not.toContain(API_KEY);
  expect(portal.log()).not.toContain(token);
  expect(portal.log()).not.toContain(API_KEY);
});

test('nothing is changed without the CSRF token of this very session', async () => {
  const [browser, other] = [await signedIn(), await signedIn()];
  const remove = (headers: Record<string, string>) =>
    browser.call('DELETE', '/v1/identity-providers/idp_none', undefined, headers);
  for (const token of ['', 'guess', other.csrf!]) {
    expect(await remove({ 'x-csrf-token': token })).toMatchObject({
      status: 403,
      body: { code: 'csrf_token_invalid' },
    });
  }
  expect(await remove({})).toMatchObject({ status: 404, body: { code: 'provider_unknown' } });
});

test.each([
  ['a wrong key', { api_key: 'rsk_wrong' }, {}, 401, 'api_key_invalid'],
  ['no key', {}, {}, 400, 'request_invalid'],
  ['another site', { api_key: API_KEY }, { 'sec-fetch-site': 'cross-site' }, 403, 'cross_site'],
])('%s does not sign in', async (_, body, headers, status, code) => {
  const browser = new Browser(portal.url);
  expect(await browser.call('POST', '/auth/session', body, headers)).toMatchObject({ status, body: { code } });
  expect(browser.cookies.size).toBe(0);
  expect((await browser.call('GET', '/auth/session')).status).toBe(401);
});

test('a session that somebody else put into the browser is not the one that is signed in', async () => {
  const attacker = await signedIn();
  const browser = new Browser(portal.url);
  browser.cookies.set(TOKEN, attacker.cookies.get(TOKEN)!);
  await browser.signIn();
  expect(browser.cookies.get(TOKEN)).not.toBe(attacker.cookies.get(TOKEN));
  expect(await attacker.call('GET', '/auth/session')).toMatchObject({ status: 401, body: { code: 'session_ended' } });
});

test('who signs out is out, and the token is worth nothing any more', async () => {
  const browser = await signedIn();
  const token = browser.cookies.get(TOKEN)!;
  expect((await browser.call('POST', '/auth/session/sign-out')).status).toBe(204);
  expect(browser.cookies.has(TOKEN)).toBe(false);
  browser.cookies.set(TOKEN, token);
  expect((await browser.call('GET', '/auth/session')).status).toBe(401);
});

test.each([
  ['idle for too long', 'seen_at', 61],
  ['too old, however busy', 'created_at', 12 * 60 + 1],
])('a session that is %s is over', async (_, column, minutes) => {
  const browser = await signedIn();
  await age(column, minutes - 2);
  expect((await browser.call('GET', '/auth/session')).status).toBe(200);
  await age(column, minutes);
  const answer = await browser.call('GET', '/auth/session');
  expect(answer).toMatchObject({ status: 401, body: { code: 'session_ended' } });
  expect(browser.cookies.has(TOKEN)).toBe(false);
});

test('the token is replaced in time; of the old one only requests that were under way are taken', async () => {
  const browser = await signedIn();
  const old = browser.cookies.get(TOKEN)!;
  await age('rotated_at', 16);
  const answers = await Promise.all([1, 2, 3].map(() => browser.call('GET', '/auth/session')));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(answers.filter(({ setCookie }) => setCookie !== undefined).length).toBe(1);
  const renewed = browser.cookies.get(TOKEN)!;
  expect(renewed).not.toBe(old);

  const late = new Browser(portal.url);
  late.cookies.set(TOKEN, old);
  expect((await late.call('GET', '/auth/session')).status).toBe(200); // the answer with the new one may have got lost
  expect((await browser.call('GET', '/auth/session')).status).toBe(200);
  expect((await late.call('GET', '/auth/session')).status).toBe(200); // under way while it changed
  expect(browser.csrf).toBe((await browser.call('GET', '/auth/session')).body.csrf_token);
});

test('a replaced token that comes again later ends the session: two have it', async () => {
  const browser = await signedIn();
  const stolen = browser.cookies.get(TOKEN)!;
  await age('rotated_at', 16);
  await browser.call('GET', '/auth/session');
  await browser.call('GET', '/auth/session');
  await age('rotated_at', 2);
  const thief = new Browser(portal.url);
  thief.cookies.set(TOKEN, stolen);
  expect((await thief.call('GET', '/auth/session')).status).toBe(401);
  expect((await browser.call('GET', '/auth/session')).status).toBe(401);
});

test('a session ends with the key that it was opened with', async () => {
  const more = await startPortal(place, { RESCIND_API_KEYS: `admin:${API_KEY},guest:rsk_guest` });
  const browser = new Browser(more.url);
  await browser.signIn('rsk_guest');
  expect((await browser.call('GET', '/auth/session')).body).toMatchObject({ name: 'guest' });
  await more.close();
  const elsewhere = new Browser(portal.url);
  elsewhere.cookies.set(TOKEN, browser.cookies.get(TOKEN)!);
  expect(await elsewhere.call('GET', '/auth/session')).toMatchObject({ status: 401, body: { code: 'session_ended' } });
});

test('who guesses has to wait, and nobody else', async () => {
  const from = (address: string, key: string) =>
    new Browser(portal.url).call('POST', '/auth/session', { api_key: key }, { 'x-forwarded-for': address });
  for (let i = 0; i < 10; i++) expect((await from('198.51.100.7', `guess-${i}`)).status).toBe(401);
  const refused = await from('198.51.100.7', API_KEY);
  expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await from('198.51.100.8', API_KEY)).status).toBe(204);
});

test('a wrong API key is not helped by a session beside it', async () => {
  const browser = await signedIn();
  const answer = await browser.call('GET', '/auth/session', undefined, { authorization: 'Bearer rsk_wrong' });
  expect(answer.status).toBe(401);
});

test('a session that another host of the domain could have planted is none', async () => {
  const { cookies } = await signedIn();
  const cookie = `rescind_session=${cookies.get(TOKEN)}`;
  expect((await new Browser(portal.url).call('GET', '/auth/session', undefined, { cookie })).status).toBe(401);
});

test('two cookies of the name are none', async () => {
  const browser = await signedIn();
  const cookie = `${browser.cookieHeader()}; ${TOKEN}=planted`;
  expect((await new Browser(portal.url).call('GET', '/auth/session', undefined, { cookie })).status).toBe(401);
});

test.each(['/auth/session', '/v1/identity-providers', '/health/live', '/nothing.txt'])(
  '%s says what browsers may do with it',
  async (path) => {
    const { headers } = await fetch(portal.url + path);
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('strict-transport-security')).toContain('max-age=');
    expect(headers.get('cache-control')).toBe('no-store');
  },
);
