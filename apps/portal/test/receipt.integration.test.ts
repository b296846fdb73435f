import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { calculateJwkThumbprint, compactVerify, decodeProtectedHeader, importJWK, type JWK } from 'jose';
import pg from 'pg';
import { openReceipt, voidReceipt } from '#testing/receipt.js';
import { KEY, newPlace, type Place, type Portal, startPortal } from './portal.js';

/** Grants, as far as receipts go. */
let grants: Server;
let asked: string[];
let answer: { status: number; body: unknown };
let place: Place;
let portal: Portal;
let url: string;
const start = (env: Record<string, string> = {}) =>
  startPortal(place, { GRANTS_URL: url, GRANTS_API_KEY: 'k', PUBLIC_URL: 'http://127.0.0.1:3000', ...env });

beforeAll(async () => {
  grants = createServer((request, response) => {
    if (request.url === '/metrics') return void response.end();
    asked.push(request.url!);
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => grants.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(grants.address() as AddressInfo).port}`;
  place = await newPlace();
  portal = await start();
});
beforeEach(() => {
  asked = [];
  answer = { status: 200, body: voidReceipt() };
});
afterAll(async () => {
  await portal.close();
  await place.leave();
  grants.closeAllConnections();
  await new Promise((resolve) => grants.close(resolve));
});

const PATH = '/v1/users/user_1/receipt';
const published = async (): Promise<(JWK & { kid: string })[]> => {
  const set = (await (await fetch(`${portal.url}/.well-known/jwks.json`)).json()) as {
    keys: (JWK & { kid: string })[];
  };
  return set.keys;
};

/** Checked as anybody would: by the published key that it names. */
async function signedIn(jws: string): Promise<Record<string, unknown>> {
  const { kid, typ, alg } = decodeProtectedHeader(jws);
  expect({ typ, alg }).toEqual({ typ: 'rescind-receipt+jwt', alg: 'EdDSA' });
  const key = (await published()).find((one) => one.kid === kid)!;
  expect(await calculateJwkThumbprint(key)).toBe(kid);
  const { payload } = await compactVerify(jws, await importJWK(key, 'EdDSA'));
  return JSON.parse(Buffer.from(payload).toString('utf8')) as Record<string, unknown>;
}

test('what grants says is signed with a key that is published, and nothing of the private one is', async () => {
  const got = await portal.call('GET', `${PATH}?provider_id=idp_1`);
  expect(got).toMatchObject({ status: 200, body: { receipt: voidReceipt() } });
  expect(got.headers.get('cache-control')).toBe('no-store');
  expect(asked).toEqual([`${PATH}?provider_id=idp_1`]);
  expect(await signedIn(got.body.jws)).toMatchObject({ iss: 'http://127.0.0.1:3000', receipt: voidReceipt() });
  expect(got.body.jwks.keys).toEqual(await published());
  for (const key of await published()) {
    expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
  }
});

test('who accepts application/jose gets the JWS alone', async () => {
  const response = await fetch(portal.url + PATH, {
    headers: { authorization: 'Bearer rsk_admin_of_the_test', accept: 'application/jose' },
  });
  expect(response.headers.get('content-type')).toMatch(/^application\/jose/);
  expect(await signedIn(await response.text())).toMatchObject({ receipt: voidReceipt() });
});

test('rotated, another key signs, and what the former one has signed still checks', async () => {
  const before = (await portal.call('GET', PATH)).body.jws as string;
  const rotated = await portal.call('POST', '/v1/signing-keys/rotate');
  expect(rotated.status).toBe(200);
  const after = (await portal.call('GET', PATH)).body.jws as string;
  expect(decodeProtectedHeader(after).kid).toBe(rotated.body.kid);
  expect(decodeProtectedHeader(before).kid).not.toBe(rotated.body.kid);
  for (const jws of [before, after]) expect(await signedIn(jws)).toMatchObject({ receipt: voidReceipt() });
  expect((await portal.call('GET', '/v1/audit')).body.data[0]).toMatchObject({
    action: 'signing_key_made',
    actor: 'admin',
    detail: { kid: rotated.body.kid },
  });
});

test('receipts of two requests at once, before there is any key, have one', async () => {
  const database = new pg.Client({ connectionString: place.database.url });
  await database.connect();
  await database.query('delete from portal.signing_keys');
  await database.end();
  const both = await Promise.all([portal.call('GET', PATH), portal.call('GET', PATH)]);
  const kids = both.map(({ body }) => decodeProtectedHeader(body.jws).kid);
  expect(kids[0]).toBe(kids[1]);
  expect(await published()).toHaveLength(1);
});

test('another encryption key opens it no more; with both, it is sealed with the first and signs on', async () => {
  const { kid } = decodeProtectedHeader((await portal.call('GET', PATH)).body.jws as string);
  await portal.close();
  const next = Buffer.alloc(32, 7).toString('base64');
  portal = await start({ RESCIND_ENCRYPTION_KEYS: `k2:${next},k1:${KEY}` });
  await portal.close();
  portal = await start({ RESCIND_ENCRYPTION_KEYS: `k2:${next}` });
  expect(decodeProtectedHeader((await portal.call('GET', PATH)).body.jws as string).kid).toBe(kid);
  await portal.close();
  portal = await start({ RESCIND_ENCRYPTION_KEYS: `k2:${next},k1:${KEY}` });
});

test('nothing is signed that does not hold by itself', async () => {
  const facts = voidReceipt();
  facts.audit.rows[0]!.row.reason = 'another';
  answer = { status: 200, body: facts };
  expect(await portal.call('GET', PATH)).toMatchObject({ status: 502, body: { code: 'receipt_not_signed' } });
  answer = { status: 200, body: { standing: 'void' } };
  expect(await portal.call('GET', PATH)).toMatchObject({ status: 502, body: { code: 'receipt_not_signed' } });
});

test('of somebody who still has access it says just that; a refusal of grants is passed on', async () => {
  answer = { status: 200, body: openReceipt() };
  expect((await portal.call('GET', PATH)).body.receipt).toEqual(openReceipt());
  answer = { status: 409, body: { code: 'audit_damaged', detail: 'Nothing can be proved.' } };
  expect(await portal.call('GET', PATH)).toMatchObject({ status: 409, body: { code: 'audit_damaged' } });
});

test('nobody gets one without a key; the public keys anybody gets', async () => {
  expect((await fetch(portal.url + PATH)).status).toBe(401);
  expect((await fetch(`${portal.url}/v1/signing-keys/rotate`, { method: 'POST' })).status).toBe(401);
  expect((await fetch(`${portal.url}/.well-known/jwks.json`)).status).toBe(200);
});
