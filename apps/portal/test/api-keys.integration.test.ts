import { jest } from '@jest/globals';
import pg from 'pg';
import { type ApiKeyData, decodeApiKey } from '#contracts/api-key.js';
import { TOPICS } from '#contracts/topics.js';
import { CompactedView } from '#kafka/compacted-view.js';
import { eventually } from '#testing/eventually.js';
import { Browser } from './browser.js';
import { API_KEY, newPlace, type Place, type Portal, startPortal } from './portal.js';

let place: Place;
let portal: Portal;
let database: pg.Client;
let view: CompactedView<ApiKeyData>;
beforeAll(async () => {
  place = await newPlace();
  portal = await startPortal(place);
  database = new pg.Client({ connectionString: place.database.url });
  await database.connect();
  view = new CompactedView(place.client, { topic: TOPICS.apiKeys, decode: decodeApiKey });
  await view.start();
});
afterAll(async () => {
  await view.close();
  await database.end();
  await portal.close();
  await place.leave();
});

let names = 0;
const issue = async (...scopes: string[]) => {
  const made = await portal.call('POST', '/v1/api-keys', { name: `key ${++names}`, scopes });
  expect(made.status).toBe(201);
  return made.body as { id: string; name: string; api_key: string };
};

test('a key is shown once, kept as a digest, published, used, seen to be used, and revoked', async () => {
  const { id, name, api_key } = await issue('auditor');
  expect(api_key).toMatch(/^rsk_[\w-]{43}$/);
  await eventually(() => view.get(id)?.name === name, { what: 'the key in Kafka' });
  expect(JSON.stringify(view.get(id))).not.toContain(api_key);
  const { rows } = await database.query('select * from portal.api_keys');
  expect(JSON.stringify(rows)).not.toContain(api_key);

  expect((await portal.call('GET', '/v1/api-keys', undefined, api_key)).status).toBe(200);
  const listed = (await portal.call('GET', '/v1/api-keys')).body.data.find((key: { id: string }) => key.id === id);
  expect(listed).toMatchObject({ name, scopes: ['auditor'], created_by: 'admin', revoked_at: null });
  expect(listed.last_used_at).not.toBeNull();
  expect(listed).not.toHaveProperty('api_key');

  expect((await portal.call('DELETE', `/v1/api-keys/${id}`)).status).toBe(204);
  expect((await portal.call('GET', '/v1/api-keys', undefined, api_key)).status).toBe(401);
  await eventually(() => !view.has(id), { what: 'the key is gone from Kafka' });
  expect((await portal.call('DELETE', `/v1/api-keys/${id}`)).status).toBe(204);
  const audit = (await portal.call('GET', '/v1/audit')).body.data;
  expect(audit.filter((change: { detail: { api_key_id?: string } }) => change.detail?.api_key_id === id)).toMatchObject(
    [
      { action: 'api_key_revoked', actor: 'admin' },
      { action: 'api_key_created', actor: 'admin' },
    ],
  );
  expect(portal.log()).not.toContain(api_key);
});

test('an auditor reads and no more, a key for services does nothing here; neither makes itself more', async () => {
  const auditor = await issue('auditor');
  const service = await issue('verify', 'grants:write');
  const more = { name: 'more', scopes: ['administrator'] };
  for (const { api_key } of [auditor, service]) {
    expect(await portal.call('POST', '/v1/api-keys', more, api_key)).toMatchObject({
      status: 403,
      body: { code: 'permission_missing' },
    });
    expect((await portal.call('DELETE', `/v1/api-keys/${auditor.id}`, undefined, api_key)).status).toBe(403);
    const role = { role: 'administrator', provider_id: 'idp_1', kind: 'user', value: 'user_1' };
    expect((await portal.call('POST', '/v1/role-assignments', role, api_key)).status).toBe(403);
  }
  expect((await portal.call('GET', '/v1/identity-providers', undefined, auditor.api_key)).status).toBe(200);
  expect((await portal.call('GET', '/v1/identity-providers', undefined, service.api_key)).status).toBe(403);

  const browser = new Browser(portal.url);
  await browser.signIn(auditor.api_key);
  expect((await browser.call('GET', '/auth/session')).body).toMatchObject({ role: 'auditor', name: auditor.name });
  expect((await browser.call('POST', '/v1/api-keys', more)).status).toBe(403);
  expect((await browser.call('POST', '/api/grants/v1/grants', {})).body).toMatchObject({ code: 'permission_missing' });
  expect((await browser.call('POST', '/api/grants/v1/access/check', {})).body).toMatchObject({
    code: 'grants_not_configured',
  });
  expect((await new Browser(portal.url).signIn(service.api_key)).body).toMatchObject({ code: 'api_key_has_no_role' });
});

test('with a key its sessions end', async () => {
  const key = await issue('administrator');
  const browser = new Browser(portal.url);
  await browser.signIn(key.api_key);
  await portal.call('DELETE', `/v1/api-keys/${key.id}`);
  expect(await browser.call('GET', '/auth/session')).toMatchObject({ status: 401, body: { reason: 'api_key_gone' } });
  expect((await new Browser(portal.url).signIn(key.api_key)).status).toBe(401);
});

test.each(['portal', 'workos', 'admin', 'providers-file', 'Portal'])('%s stands for somebody else', async (name) => {
  const refused = await portal.call('POST', '/v1/api-keys', { name, scopes: ['verify'] });
  expect(refused).toMatchObject({ status: 409, body: { code: 'api_key_name_taken' } });
});

test('a name is one live key’s, and looks like nobody else’s', async () => {
  const { id, name } = await issue('verify');
  const again = { name, scopes: ['verify'] };
  expect((await portal.call('POST', '/v1/api-keys', again)).body).toMatchObject({ code: 'api_key_name_taken' });
  await portal.call('DELETE', `/v1/api-keys/${id}`);
  expect((await portal.call('POST', '/v1/api-keys', again)).status).toBe(201);
  for (const odd of ['', ' x', 'ada@example.com (user_1)', 'a\nb', 'ä', 'x'.repeat(81)]) {
    expect((await portal.call('POST', '/v1/api-keys', { ...again, name: odd })).status).toBe(400);
  }
  for (const scopes of [[], ['everything'], undefined]) {
    expect((await portal.call('POST', '/v1/api-keys', { name: 'new', scopes })).status).toBe(400);
  }
});

describe('the first administrator', () => {
  let first: Portal;
  let other: Place;
  let printed: string[];
  beforeAll(async () => {
    printed = [];
    const print = jest.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
    other = await newPlace();
    first = await startPortal(other, { RESCIND_API_KEYS: 'portal:rsk_of_the_portal' });
    print.mockRestore();
  });
  afterAll(async () => {
    await first.close();
    await other.leave();
  });
  const token = () => /rsk_setup_[\w-]{43}/.exec(printed.join('\n'))![0];

  test('signs in with the token that is printed, once, and makes a key', async () => {
    expect((await first.call('GET', '/v1/api-keys', undefined, token())).status).toBe(401); // it is no API key
    const browser = new Browser(first.url);
    await browser.signIn(token());
    expect((await browser.call('GET', '/auth/session')).body).toMatchObject({ role: 'administrator' });
    expect((await new Browser(first.url).signIn(token())).status).toBe(401);
    const made = await browser.call('POST', '/v1/api-keys', { name: 'ada', scopes: ['administrator'] });
    expect(made.status).toBe(201);
    expect(first.log()).not.toContain(token());

    const client = new pg.Client({ connectionString: other.database.url });
    await client.connect();
    await client.query(`update portal.setup_tokens set used_at = used_at - interval '61 minutes'`);
    await client.end();
    expect((await browser.call('GET', '/auth/session')).status).toBe(401);

    const said = jest.spyOn(console, 'log');
    const again = await startPortal(other, { RESCIND_API_KEYS: 'portal:rsk_of_the_portal' });
    expect(said).not.toHaveBeenCalled();
    said.mockRestore();
    await again.close();
  });
});

test('with an administrator in the settings no token is printed', async () => {
  const { rows } = await database.query('select * from portal.setup_tokens');
  expect(rows).toEqual([]);
  expect(API_KEY).toBeDefined();
});
