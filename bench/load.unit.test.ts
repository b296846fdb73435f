import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { httpRequest, load } from './load.js';

let server: Server;
let url: string;
const asked: Record<string, number> = {};

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url!;
    asked[path] = (asked[path] ?? 0) + 1;
    const body = JSON.stringify({ active: path !== '/refused' });
    response.writeHead(path === '/busy' ? 503 : 200, { 'content-length': body.length });
    // In two pieces, as it may come over a network.
    response.write(body.slice(0, 3));
    setImmediate(() => response.end(body.slice(3)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test('every answer is counted, and those that are not what a figure may be made of are odd', async () => {
  const paths = ['/good', '/refused', '/busy', '/good'];
  const { statuses, odd, latencies } = await load(
    url,
    (index) => httpRequest('POST', `${url}${paths[index % 4]!}`, {}, 'body'),
    { connections: 4, durationMs: 100, expected: '"active":true' },
  );
  expect(asked['/refused']).toBeGreaterThan(0);
  expect(statuses).toEqual({ 200: asked['/good']! + asked['/refused']!, 503: asked['/busy'] });
  expect(odd).toBe(asked['/refused']! + asked['/busy']!);
  expect(latencies).toHaveLength(asked['/good']! + asked['/refused']! + asked['/busy']!);
});

test('no more are sent than the rate allows, over all connections together', async () => {
  const durationMs = 200;
  const ratePerSecond = 50;
  const { rate, latencies } = await load(url, () => httpRequest('POST', `${url}/steady`, {}), {
    connections: 8,
    durationMs,
    ratePerSecond,
    expected: '"active":true',
  });
  // As many as are due by then, one on each connection that was waiting for its time, and room for clocks that are a little off.
  // Without a rate it would be hundreds.
  const due = (durationMs * ratePerSecond) / 1_000;
  expect(asked['/steady']).toBe(latencies.length);
  expect(latencies.length).toBeLessThanOrEqual(2 * due + 8);
  expect(rate).toBeLessThanOrEqual((latencies.length * 1_000) / durationMs);
});
