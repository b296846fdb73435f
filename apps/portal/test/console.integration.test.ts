import { type IncomingMessage, request } from 'node:http';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newPlace, type Place, type Portal, startPortal } from './portal.js';

let place: Place;
let parent: string;
let dir: string;
let portal: Portal;
beforeAll(async () => {
  place = await newPlace();
  parent = await mkdtemp(join(tmpdir(), 'rescind-console-'));
  dir = join(parent, 'console');
  await mkdir(join(dir, 'assets'), { recursive: true });
  await writeFile(join(dir, 'index.html'), '<!doctype html><title>Console</title>');
  await writeFile(join(dir, 'assets/main-abc123.js'), `console.log(${'1;'.repeat(1_000)})`);
  await writeFile(join(parent, 'outside.txt'), 'not served');
  portal = await startPortal(place, { CONSOLE_DIR: dir });
});
afterAll(async () => {
  await portal.close();
  await place.leave();
  await rm(parent, { recursive: true });
});

const get = (path: string, headers: Record<string, string> = {}) => fetch(portal.url + path, { headers });

test.each(['/', '/index.html', '/users', '/users/user_01ABC?tab=grants'])('%s is the page', async (path) => {
  const answer = await get(path);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toContain('text/html');
  expect(answer.headers.get('cache-control')).toBe('no-cache');
  expect(answer.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  expect(await answer.text()).toContain('Console');
});

test('a path that starts with two slashes is one of the page', async () => {
  const answer = await new Promise<IncomingMessage>((resolve) => request(portal.url, { path: '//' }, resolve).end());
  answer.resume();
  expect(answer.statusCode).toBe(200);
});

test('assets are kept for ever, compressed, and not sent twice', async () => {
  const answer = await get('/assets/main-abc123.js', { 'accept-encoding': 'br' });
  expect(answer.headers.get('cache-control')).toContain('immutable');
  expect(answer.headers.get('content-encoding')).toBe('br');
  expect(await answer.text()).toMatch(/^console\.log/);
  const again = await get('/assets/main-abc123.js', { 'if-none-match': answer.headers.get('etag')! });
  expect(again.status).toBe(304);
});

test.each([
  '/v1/nothing',
  '/v1',
  '/assets/gone.js',
  '/favicon.ico',
  '/../outside.txt',
  '/%2e%2e/outside.txt',
  '/..%2foutside.txt',
  '/assets/..%2f..%2foutside.txt',
])('%s is not there', async (path) => {
  const answer = await get(path);
  expect(answer.status).toBe(404);
  expect(await answer.json()).toMatchObject({ code: 'not_found' });
});

test('the API still asks for its key', async () => {
  expect((await get('/v1/identity-providers')).status).toBe(401);
  expect((await get('/health/live')).status).toBe(200);
});

test('how the services are is told to whoever may look; one that does not answer is away, one that nobody named is so', async () => {
  expect((await get('/api/health')).status).toBe(401);
  const other = await startPortal(place, {
    CONSOLE_DIR: dir,
    GRANTS_URL: 'http://127.0.0.1:9',
    WEBHOOK_INGRESS_URL: portal.url,
  });
  try {
    const { status, body } = await other.call('GET', '/api/health');
    expect(status).toBe(200);
    expect(body.services).toMatchObject([
      { name: 'webhook-ingress', status: 'ready', missing: {} },
      { name: 'grants', status: 'away' },
      { name: 'token-verification', status: 'not_configured' },
    ]);
    expect(body.series.at).toEqual([]);
  } finally {
    await other.close();
  }
});

test('without a console a page says where the API is', async () => {
  const plain = await startPortal(place, { CONSOLE_DIR: join(dir, 'nowhere') });
  try {
    const answer = await fetch(plain.url);
    expect(answer.headers.get('content-type')).toContain('text/html');
    expect(await answer.text()).toContain('/v1/identity-providers');
  } finally {
    await plain.close();
  }
});
