import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import {
  FetchRefused,
  guardedFetch,
  type GuardedFetchOptions,
  type HostAddress,
  kindOf,
} from '../src/guarded-fetch.js';

const servers: { close(): unknown }[] = [];
afterAll(() => servers.forEach((server) => server.close()));

async function serve(handler: RequestListener, host = '127.0.0.1'): Promise<string> {
  const server: Server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return `http://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
}

const LOCAL: GuardedFetchOptions = { allowLocalHosts: true };
const STRICT: GuardedFetchOptions = { allowLocalHosts: false };
const at = (...addresses: string[]) => ({
  resolve: async (): Promise<HostAddress[]> =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
});
const codeOf = (url: string, options: GuardedFetchOptions): Promise<string> =>
  guardedFetch(url, options).then(
    ({ status }) => `answered ${status}`,
    (error: unknown) => (error instanceof FetchRefused ? error.code : `threw ${String(error)}`),
  );

test.each([
  ['8.8.8.8', 'public'],
  ['93.184.216.34', 'public'],
  ['172.15.255.255', 'public'],
  ['172.32.0.0', 'public'],
  ['100.63.255.255', 'public'],
  ['100.128.0.0', 'public'],
  ['2606:4700::1111', 'public'],
  ['2a00:1450:4001::1', 'public'],
  ['127.0.0.1', 'local'],
  ['127.255.255.254', 'local'],
  ['10.0.0.1', 'local'],
  ['172.16.0.1', 'local'],
  ['172.31.255.255', 'local'],
  ['192.168.1.1', 'local'],
  ['::1', 'local'],
  ['fc00::1', 'local'],
  ['fd00:ec2::254', 'local'], // AWS metadata over IPv6 is within ULA: out of reach unless development allows it
  ['0.0.0.0', 'special'],
  ['0.1.2.3', 'special'],
  ['100.64.0.1', 'special'],
  ['100.100.100.200', 'special'], // metadata of Alibaba Cloud
  ['169.254.169.254', 'special'],
  ['169.254.170.2', 'special'],
  ['192.0.0.192', 'special'], // metadata of Oracle Cloud
  ['192.0.2.1', 'special'],
  ['192.88.99.1', 'special'],
  ['198.18.0.1', 'special'],
  ['198.51.100.7', 'special'],
  ['203.0.113.7', 'special'],
  ['224.0.0.1', 'special'],
  ['239.255.255.255', 'special'],
  ['240.0.0.1', 'special'],
  ['255.255.255.255', 'special'],
  ['::', 'special'],
  ['::127.0.0.1', 'special'],
  ['::ffff:127.0.0.1', 'special'],
  ['::ffff:7f00:1', 'special'],
  ['::ffff:8.8.8.8', 'special'],
  ['::ffff:0:127.0.0.1', 'special'],
  ['64:ff9b::7f00:1', 'special'],
  ['64:ff9b::8.8.8.8', 'special'],
  ['64:ff9b:1::1', 'special'],
  ['100::1', 'special'],
  ['2001::1', 'special'], // Teredo
  ['2001:db8::1', 'special'],
  ['2002:7f00:1::', 'special'], // 6to4 of 127.0.0.1
  ['3fff::1', 'special'],
  ['5f00::1', 'special'],
  ['fe80::1', 'special'],
  ['fe80::1%eth0', 'special'],
  ['febf::1', 'special'],
  ['fec0::1', 'special'],
  ['ff02::1', 'special'],
  ['nonsense', 'special'],
  ['', 'special'],
])('%s is %s', (address, kind) => {
  expect(kindOf(address)).toBe(kind);
});

test.each([
  ['not a url', 'url_invalid'],
  ['http://api.workos.com/', 'scheme_not_allowed'],
  ['ftp://api.workos.com/', 'scheme_not_allowed'],
  ['file:///etc/passwd', 'scheme_not_allowed'],
  ['gopher://127.0.0.1:6379/', 'scheme_not_allowed'],
  ['data:application/json,{}', 'scheme_not_allowed'],
  ['https://user@example.com/', 'credentials_in_url'],
  ['https://user:password@example.com/', 'credentials_in_url'],
  ['https://8.8.8.8@127.0.0.1/', 'credentials_in_url'],
  ['https://127.0.0.1/', 'address_not_allowed'],
  ['https://127.0.0.1:8443/x', 'address_not_allowed'],
  ['https://[::1]/', 'address_not_allowed'],
  ['https://[::ffff:127.0.0.1]/', 'address_not_allowed'],
  ['https://[::ffff:a9fe:a9fe]/', 'address_not_allowed'],
  ['https://[64:ff9b::a9fe:a9fe]/', 'address_not_allowed'],
  ['https://169.254.169.254/latest/meta-data/', 'address_not_allowed'],
  ['https://10.0.0.1/', 'address_not_allowed'],
  ['https://[fd00::1]/', 'address_not_allowed'],
  ['https://[fe80::1]/', 'address_not_allowed'],
  ['https://0.0.0.0/', 'address_not_allowed'],
  ['https://2130706433/', 'host_disguised'],
  ['https://0x7f000001/', 'host_disguised'],
  ['https://0x7f.1/', 'host_disguised'],
  ['https://0177.0.0.1/', 'host_disguised'],
  ['https://127.1/', 'host_disguised'],
  ['https://127.0.0.1./', 'host_disguised'],
  ['https://134744072/', 'host_disguised'], // 8.8.8.8
  ['https://①②⑦.⓪.⓪.①/', 'host_disguised'],
  ['https:127.0.0.1', 'host_disguised'],
  ['https://localhost/', 'address_not_allowed'],
  ['https://localhost./', 'address_not_allowed'],
])('%s is refused: %s', async (url, code) => {
  expect(await codeOf(url, { ...STRICT, ...(url.includes('localhost') ? at('127.0.0.1', '::1') : {}) })).toBe(code);
});

test.each([['127.0.0.1'], ['169.254.169.254'], ['10.1.2.3'], ['::1'], ['fd12::1'], ['::ffff:10.0.0.1'], ['0.0.0.0']])(
  'a public name that points to %s is refused',
  async (address) => {
    expect(await codeOf('https://rebound.example.com/', { ...STRICT, ...at(address) })).toBe('address_not_allowed');
  },
);

test.each(['169.254.169.254', '100.64.0.1', '0.0.0.0', 'fe80::1', '::ffff:127.0.0.1'])(
  '%s is out of reach even where local hosts are allowed',
  async (address) => {
    expect(await codeOf('http://local.example.com/', { ...LOCAL, ...at(address) })).toBe('address_not_allowed');
  },
);

test('http to a public address is refused even where local hosts are allowed', async () => {
  expect(await codeOf('http://example.com/', { ...LOCAL, ...at('8.8.8.8') })).toBe('scheme_not_allowed');
});

test('the host is resolved once, and the connection goes to the address that was checked', async () => {
  const base = await serve((request, response) => response.end(request.headers.host));
  const { port } = new URL(base);
  let asked = 0;
  const resolve = async (): Promise<HostAddress[]> => {
    asked += 1;
    return [{ address: asked === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }];
  };
  // The name does not exist: only the address that we were told of can have been used.
  const { body } = await guardedFetch(`http://rebinding.invalid:${port}/`, { ...LOCAL, resolve });
  expect(body.toString()).toBe(`rebinding.invalid:${port}`);
  expect(asked).toBe(1);
});

test('of several addresses, one that is allowed is used', async () => {
  const { port } = new URL(await serve((_, response) => response.end('{}')));
  const options = { ...LOCAL, ...at('169.254.169.254', '127.0.0.1') };
  expect(await codeOf(`http://both.invalid:${port}/`, options)).toBe('answered 200');
});

test('redirects are not followed', async () => {
  let reached = false;
  const inside = await serve((_, response) => {
    reached = true;
    response.end('{}');
  });
  for (const status of [301, 302, 303, 307, 308]) {
    const base = await serve((_, response) => response.writeHead(status, { location: inside }).end());
    expect(await codeOf(base, LOCAL)).toBe('redirected');
  }
  expect(reached).toBe(false);
});

test.each([
  ['announced', (length: number) => ({ 'content-length': String(length) })],
  ['not announced', () => ({})],
])('what is too large is not read: %s', async (_, headers) => {
  const base = await serve((_request, response) => {
    response.writeHead(200, headers(2_000));
    response.end('x'.repeat(2_000));
  });
  expect(await codeOf(base, { ...LOCAL, maxBytes: 1_999 })).toBe('too_large');
  expect(await codeOf(base, { ...LOCAL, maxBytes: 2_000 })).toBe('answered 200');
});

test('a body without end is cut off', async () => {
  const base = await serve((_, response) => {
    const more = (): void => void (response.destroyed || response.write('x'.repeat(10_000), () => setImmediate(more)));
    more();
  });
  expect(await codeOf(base, LOCAL)).toBe('too_large');
});

test.each<[string, RequestListener]>([
  ['never answers', () => undefined],
  ['never ends', (_, response) => void response.write('{')],
])('a server that %s is left after the time', async (_, handler) => {
  expect(await codeOf(await serve(handler), { ...LOCAL, timeoutMs: 100 })).toBe('timeout');
});

test('a resolver that never answers is left after the time', async () => {
  const resolve = (): Promise<HostAddress[]> => new Promise(() => undefined);
  expect(await codeOf('https://slow.example.com', { ...STRICT, resolve, timeoutMs: 50 })).toBe('timeout');
});

test('a name that nobody knows, a port where nobody listens, a server without TLS', async () => {
  const resolve = async (): Promise<HostAddress[]> => {
    throw Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
  };
  expect(await codeOf('https://nobody.invalid', { ...STRICT, resolve })).toBe('host_unknown');
  expect(await codeOf('https://nobody.invalid', { ...STRICT, ...at() })).toBe('host_unknown');

  const closed = createTcpServer();
  await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
  const { port } = closed.address() as AddressInfo;
  await new Promise((done) => closed.close(done));
  expect(await codeOf(`http://127.0.0.1:${port}`, LOCAL)).toBe('unreachable');

  const plain = await serve((_, response) => response.end());
  expect(await codeOf(plain.replace('http:', 'https:'), LOCAL)).toBe('tls_failed');
});

test('IPv6 literals are fetched', async () => {
  let base: string;
  try {
    base = await serve((_, response) => response.end('{}'), '::1');
  } catch {
    return; // a machine without IPv6
  }
  expect(await codeOf(base, LOCAL)).toBe('answered 200');
});

test('an answer comes with its status and type', async () => {
  const base = await serve((_, response) =>
    response.writeHead(404, { 'content-type': 'Application/JSON; charset=utf-8' }).end('{"a":1}'),
  );
  const { status, contentType, body } = await guardedFetch(base, LOCAL);
  expect({ status, contentType, body: body.toString() }).toEqual({
    status: 404,
    contentType: 'application/json',
    body: '{"a":1}',
  });
});
