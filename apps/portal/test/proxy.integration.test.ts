import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Browser } from './browser.js';
import { newPlace, type Place, type Portal, startPortal } from './portal.js';

/** A service behind the portal that writes down what it is asked. */
interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}
let service: Server;
let seen: Seen[] = [];
let answer: (response: ServerResponse) => void;
let place: Place;
let portal: Portal;
let administrator: Browser;

beforeAll(async () => {
  service = createServer((request, response) => {
    if (request.url === '/metrics') return void response.end(); // what the health page is drawn from
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      seen.push({ method: request.method!, url: request.url!, headers: request.headers, body });
      answer(response);
    });
  });
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  place = await newPlace();
  portal = await startPortal(place, {
    PUBLIC_URL: 'http://127.0.0.1',
    GRANTS_URL: url,
    GRANTS_API_KEY: 'rsk_of_the_portal',
    SIGNALS_URL: url,
    SIGNALS_API_KEY: 'rsk_of_the_portal_at_signals',
    UPSTREAM_TIMEOUT_MS: '300',
  });
  administrator = new Browser(portal.url);
  await administrator.signIn();
});
beforeEach(() => {
  seen = [];
  answer = (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'set-cookie': 'theirs=1', 'x-internal': 'secret' });
    response.end('{"data":[]}');
  };
});
afterAll(async () => {
  await portal.close();
  await place.leave();
  service.closeAllConnections();
  await new Promise((resolve) => service.close(resolve));
});

test('a request is handed on with the portal’s key and the name of who asks, and nothing of the browser’s', async () => {
  const got = await administrator.call(
    'POST',
    '/api/grants/v1/grants?x=1',
    { user_id: 'user_1' },
    {
      'idempotency-key': 'once',
      'x-rescind-actor': 'somebody-else',
      'x-forwarded-for': '1.2.3.4',
      'x-anything': 'more',
    },
  );
  expect(got).toMatchObject({ status: 200, body: { data: [] } });
  expect(got.headers.get('x-internal')).toBeNull();
  expect(got.setCookie).toBeUndefined();
  expect(seen).toMatchObject([{ method: 'POST', url: '/v1/grants?x=1', body: '{"user_id":"user_1"}' }]);
  const { headers } = seen[0]!;
  expect(headers).toMatchObject({
    authorization: 'Bearer rsk_of_the_portal',
    'x-rescind-actor': 'admin',
    'idempotency-key': 'once',
  });
  for (const name of ['cookie', 'x-csrf-token', 'x-forwarded-for', 'x-anything']) expect(headers[name]).toBeUndefined();
});

test('signals is reached alike, under its own key', async () => {
  await administrator.call('POST', '/api/signals/v1/deliveries/1/redeliver');
  expect(seen).toMatchObject([{ method: 'POST', url: '/v1/deliveries/1/redeliver' }]);
  expect(seen[0]!.headers).toMatchObject({
    authorization: 'Bearer rsk_of_the_portal_at_signals',
    'x-rescind-actor': 'admin',
  });
});

test.each(['/api/grants/metrics', '/api/grants/v1/..%2fmetrics', '/api/grants//evil.example/v1/x', '/api/grants/v2/x'])(
  '%s is not handed on',
  async (path) => {
    expect((await administrator.call('GET', path)).status).toBe(404);
    expect(seen).toEqual([]);
  },
);

test('nobody comes through who is not signed in, nor without the CSRF token', async () => {
  expect((await new Browser(portal.url).call('GET', '/api/grants/v1/grants')).status).toBe(401);
  const answered = await administrator.call('POST', '/api/grants/v1/grants', {}, { 'x-csrf-token': 'guess' });
  expect(answered).toMatchObject({ status: 403, body: { code: 'csrf_token_invalid' } });
  expect(seen).toEqual([]);
});

test('a refusal comes back as it is, but not that the portal’s own key is refused', async () => {
  answer = (response) => {
    response.writeHead(409, { 'content-type': 'application/problem+json', 'retry-after': '7' });
    response.end('{"code":"principal_deprovisioned"}');
  };
  const refused = await administrator.call('POST', '/api/grants/v1/grants', {});
  expect(refused).toMatchObject({ status: 409, body: { code: 'principal_deprovisioned' } });
  expect(refused.headers.get('content-type')).toBe('application/problem+json');
  expect(refused.headers.get('retry-after')).toBe('7');
  answer = (response) => response.writeHead(401).end();
  expect(await administrator.call('GET', '/api/grants/v1/grants')).toMatchObject({
    status: 502,
    body: { code: 'grants_refused_portal' },
  });
});

test.each([
  ['does not answer in time', () => undefined],
  ['hangs up', (response: ServerResponse) => void response.destroy()],
  ['sends elsewhere', (response: ServerResponse) => void response.writeHead(302, { location: 'http://x.test' }).end()],
])('a service that %s is told as a problem', async (_, how) => {
  answer = how;
  const answered = await administrator.call('GET', '/api/grants/v1/grants');
  expect(answered).toMatchObject({ status: 503, body: { code: 'grants_unavailable' } });
  expect(answered.headers.get('retry-after')).toBe('1');
});

test('a service that the portal was not told of is told as a problem', async () => {
  expect(await administrator.call('POST', '/api/token-verification/v1/tokens/verify', { token: 'x' })).toMatchObject({
    status: 503,
    body: { code: 'token_verification_not_configured' },
  });
});
