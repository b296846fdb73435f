import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { Webhook } from 'standardwebhooks';
import { eventually } from '#testing/eventually.js';
import { revocationOf, USERS_ISSUER } from './records.js';
import { ISSUER, newPlace, type Place, publishRevocation, Signals } from './signals.js';

interface Request {
  headers: IncomingHttpHeaders;
  body: string;
}

let place: Place;
let signals: Signals;
const servers: Server[] = [];

beforeAll(async () => {
  place = await newPlace();
  signals = new Signals(place);
  await signals.start();
}, 180_000);

afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await signals.stop();
  await place.leave();
});

/** An application that is told; answers with `status()`. */
async function application(status: () => number): Promise<{ url: string; requests: Request[] }> {
  const requests: Request[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      requests.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
      response.writeHead(status()).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/told`, requests };
}

test('webhooks as Standard Webhooks has them: its own library verifies each, and each try has the same id', async () => {
  let status = 503;
  const { url, requests } = await application(() => status);
  const created = await signals.call('POST', '/v1/streams', { kind: 'webhook', url });
  expect(created.status).toBe(201);
  const { id, secret } = created.body;
  const revocation = revocationOf({ organization_id: 'org_a' }, 10, 'event_webhook', {
    revoked_grant_ids: ['grant_1'],
  });
  await publishRevocation(place, revocation);
  await eventually(() => requests.length >= 2, { what: 'a second try' });
  status = 200;
  const deliveryOf = async () => (await signals.call('GET', `/v1/deliveries?stream_id=${id}`)).body.data[0];
  const delivery = await eventually(async () => (await deliveryOf()).state === 'delivered' && (await deliveryOf()));

  for (const { headers, body } of requests) {
    const verified = new Webhook(secret).verify(body, headers as Record<string, string>);
    expect(verified).toEqual({ type: 'access.revoked', timestamp: revocation.occurred_at, data: revocation });
    expect(headers['webhook-id']).toBe(delivery.message_id);
  }
  const [{ headers, body }] = requests as [Request];
  expect(() => new Webhook(secret).verify(`${body} `, headers as Record<string, string>)).toThrow();
  expect(delivery).toMatchObject({ type: 'access.revoked', txn: 'event_webhook', attempts: requests.length });
  const { body: detail } = await signals.call('GET', `/v1/deliveries/${delivery.id}`);
  expect(detail.attempt_log.at(0)).toMatchObject({ status: 503, error: 'answered 503' });
  expect(detail.attempt_log.at(-1)).toMatchObject({ status: 200, error: null });

  const tries = requests.length;
  expect((await signals.call('POST', `/v1/deliveries/${delivery.id}/redeliver`)).status).toBe(202);
  await eventually(() => requests.length > tries, { what: 'it comes again' });
  expect(requests.at(-1)!.headers['webhook-id']).toBe(delivery.message_id);
  expect(JSON.stringify((await signals.call('GET', '/v1/streams')).body)).not.toContain(secret);

  // 410: it wants no more; until somebody enables it again.
  status = 410;
  await publishRevocation(place, revocationOf({ organization_id: 'org_a' }, 20, 'event_webhook_2'));
  const streamOf = async () =>
    (await signals.call('GET', '/v1/streams')).body.data.find((stream: { id: string }) => stream.id === id);
  await eventually(async () => (await streamOf()).status === 'disabled', { what: 'disabled by 410' });
  status = 200;
  expect((await signals.call('PATCH', `/v1/streams/${id}`, { status: 'enabled' })).body.status).toBe('enabled');
  await publishRevocation(place, revocationOf({ organization_id: 'org_a' }, 30, 'event_webhook_3'));
  await eventually(() => requests.at(-1)!.body.includes('event_webhook_3'), { what: 'told again' });
  expect((await signals.call('DELETE', `/v1/streams/${id}`)).status).toBe(204);
});

test('a webhook is told of what it has asked for', async () => {
  const { url } = await application(() => 200);
  const unknown = await signals.call('POST', '/v1/streams', { kind: 'webhook', url, events: ['access.granted'] });
  expect([unknown.status, unknown.body.code]).toEqual([400, 'request_invalid']);
  const { body } = await signals.call('POST', '/v1/streams', { kind: 'webhook', url, events: ['account.reopened'] });
  expect(body.events).toEqual(['account.reopened']);
  const all = (await signals.call('POST', '/v1/streams', { kind: 'webhook', url })).body;
  await publishRevocation(place, revocationOf({ user_id: 'user_w' }, 10, 'event_w'));
  const deliveriesOf = async (id: string) => (await signals.call('GET', `/v1/deliveries?stream_id=${id}`)).body.data;
  await eventually(async () => (await deliveriesOf(all.id)).length === 1);
  expect(await deliveriesOf(body.id)).toEqual([]);
});

test('OIDC Back-Channel Logout: a token of the user or the session, in a form', async () => {
  const { url, requests } = await application(() => 200);
  const { body } = await signals.call('POST', '/v1/streams', { kind: 'backchannel_logout', url, audience: 'client_1' });
  expect(body.secret).toBeUndefined();
  await publishRevocation(place, revocationOf({ user_id: 'user_l' }, 10, 'event_l1'));
  await publishRevocation(place, revocationOf({ session_id: 'session_l' }, 10, 'event_l2'));
  await publishRevocation(place, revocationOf({ organization_id: 'org_l' }, 10, 'event_l3'));
  await eventually(() => requests.length === 2, { what: 'two logouts' });
  const keys = createLocalJWKSet((await (await fetch(`${signals.url}/.well-known/jwks.json`)).json()) as JSONWebKeySet);
  const claims = await Promise.all(
    requests.map(async (request) => {
      expect(request.headers['content-type']).toBe('application/x-www-form-urlencoded');
      const token = new URLSearchParams(request.body).get('logout_token')!;
      const options = { issuer: ISSUER, audience: 'client_1', typ: 'logout+jwt', maxTokenAge: '2 minutes' };
      const { payload } = await jwtVerify(token, keys, { ...options, requiredClaims: ['iat', 'exp', 'jti', 'events'] });
      expect(payload['events']).toEqual({ 'http://schemas.openid.net/event/backchannel-logout': {} });
      expect(payload['nonce']).toBeUndefined();
      return { sub: payload.sub, sid: payload['sid'] };
    }),
  );
  expect(claims).toEqual(expect.arrayContaining([{ sub: 'user_l' }, { sid: 'session_l' }]));
});

test('Global Token Revocation: of whom, to an authorization server that knows us', async () => {
  const { url, requests } = await application(() => 204);
  const stream = { kind: 'token_revocation', url, authorization_header: 'Bearer of-the-server' };
  expect((await signals.call('POST', '/v1/streams', stream)).status).toBe(201);
  await publishRevocation(place, revocationOf({ user_id: 'user_g' }, 10, 'event_g1'));
  await publishRevocation(place, revocationOf({ user_id: 'user_h', organization_id: 'org_h' }, 10, 'event_g2'));
  await eventually(() => requests.length === 2, { what: 'two revocations' });
  expect(requests.map(({ headers }) => [headers['authorization'], headers['content-type']])).toEqual(
    requests.map(() => ['Bearer of-the-server', 'application/json']),
  );
  const of = (sub: string) => ({ sub_id: { format: 'iss_sub', iss: USERS_ISSUER, sub } });
  expect(requests.map(({ body }) => JSON.parse(body))).toEqual(expect.arrayContaining([of('user_g'), of('user_h')]));
});
