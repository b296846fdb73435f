import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '#testing/eventually.js';
import { KeysUnavailable, SourceKeys } from '../src/sources/source-keys.js';

let server: Server;
let waiting: ServerResponse[];
let source: { id: string; issuer: string; jwks_uri: string };
const keys = new SourceKeys({ allowLocalHosts: true, timeoutMs: 60_000 });

beforeEach(async () => {
  waiting = [];
  server = createServer((_, response) => void waiting.push(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  source = { id: url, issuer: url, jwks_uri: `${url}/jwks` };
});
afterEach(() => void server.close());

const asked = (times: number) => eventually(() => waiting.length === times);
const answer = (status: number) => waiting.at(-1)!.writeHead(status).end('{"keys":[]}');

test('of several that want the same keys one asks', async () => {
  const all = Array.from({ length: 20 }, () => keys.of(source));
  await asked(1);
  answer(200);
  expect(new Set(await Promise.all(all)).size).toBe(1);
  expect(waiting).toHaveLength(1);
});

test('whoever wants newer keys than are being read waits for these, and asks once more', async () => {
  const first = keys.of(source);
  await asked(1);
  const newer = keys.of(source, 0);
  answer(200);
  await first;
  await asked(2);
  answer(200);
  expect(await newer).not.toBe(await first);
});

test('where newer keys cannot be had nobody gets the old ones for them, and whom these are enough for does', async () => {
  const first = keys.of(source);
  await asked(1);
  answer(200);
  const old = await first;
  const one = keys.of(source, 0);
  await asked(2);
  const two = keys.of(source, 0);
  answer(503);
  const ended = await Promise.allSettled([one, two]);
  expect(ended.map((result) => result.status === 'rejected' && result.reason instanceof KeysUnavailable)).toEqual([
    true,
    true,
  ]);
  expect(await keys.of(source)).toBe(old);
});
