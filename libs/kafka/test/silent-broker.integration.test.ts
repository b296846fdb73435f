import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { clientOf, shared } from './kafka.js';
import { eventually } from '#testing/eventually.js';

let proxy: Server;
let silent: boolean;

/** Stands before the broker, takes each connection, and answers nothing while it is silent. */
beforeEach(async () => {
  const [host, port] = shared()[0]!.split(':');
  silent = true;
  proxy = createServer((socket) => {
    socket.on('error', () => undefined);
    if (silent) return void socket.resume();
    const broker = connect(Number(port), host);
    broker.on('error', () => socket.destroy());
    socket.on('close', () => broker.destroy());
    socket.pipe(broker).pipe(socket);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
});

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  proxy.close();
});

test('a broker that was too slow to answer the first question is asked again on another connection', async () => {
  const client = clientOf([`127.0.0.1:${(proxy.address() as AddressInfo).port}`]);
  const admin = client.open({ requestTimeoutMs: 300, retries: 0 }).admin();
  closers.push(() => admin.disconnect());
  await expect(admin.connect()).rejects.toThrow(/timed out|timeout/i);
  silent = false;
  // The same instance, as everything that kafkajs retries by itself uses it.
  const answers = async (): Promise<boolean> => {
    await admin.connect();
    return (await admin.describeCluster()).brokers.length > 0;
  };
  await eventually(() => answers().catch(() => false));
});
