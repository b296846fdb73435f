import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { choosePorts, nextFreePort } from '../src/ports.js';

let taker: Server;
let taken: number;
beforeEach(async () => {
  taker = createServer().listen(0, '127.0.0.1');
  await once(taker, 'listening');
  taken = (taker.address() as AddressInfo).port;
});
afterEach(() => taker.close());

test('a port that somebody listens on is passed over', async () => {
  expect(await nextFreePort(taken, new Set())).toBeGreaterThan(taken);
});

test('a port that is left is taken again', async () => {
  taker.close();
  await once(taker, 'close');

  expect(await nextFreePort(taken, new Set())).toBe(taken);
});

test('one that has to move does not take what another wants', async () => {
  const ports = await choosePorts({ portal: taken, grants: taken + 1, sandbox: taken + 2 });

  expect(ports.portal).toBeGreaterThan(taken + 2);
  expect(new Set(Object.values(ports)).size).toBe(3);
});

test('no free port is a sentence', async () => {
  const all = new Set(Array.from({ length: 200 }, (_, index) => 40_000 + index));

  await expect(nextFreePort(40_000, all)).rejects.toThrow(/All ports from 40000 to 40199 of 127.0.0.1 are taken: end/);
});
