import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { authenticate, type AuthenticateOptions, forget, type Identity } from '../src/authenticate.js';

// The stand-in speaks the protocol of libsecret's secret-tool. With TEST_KEYRING=real the system's own is called instead, within
//   dbus-run-session -- sh -c 'printf pw | gnome-keyring-daemon --unlock --components=secrets && npm test -- libs/client'
const isReal = process.env['TEST_KEYRING'] === 'real';
const STAND_IN = `#!${process.execPath}
const { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const [verb, ...args] = process.argv.slice(2);
const file = process.env.STAND_IN_DIR + '/' + encodeURIComponent(args.slice(-4).join(' '));
appendFileSync(process.env.STAND_IN_DIR + '/argv.log', process.argv.slice(2).join(' ') + '\\n');
if (existsSync(process.env.STAND_IN_DIR + '/locked')) process.exit(1);
if (verb === 'store') writeFileSync(file, readFileSync(0));
else if (!existsSync(file)) process.exit(1);
else if (verb === 'lookup') process.stdout.write(readFileSync(file));
else if (verb === 'clear') rmSync(file);
`;

let dir: string;
let portal: Server;
let url: string;
let asked: string[];
let lifetimeMs: number;
let issued = 0;
const before = { ...process.env };

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rescind-authenticate-'));
  await mkdir(join(dir, 'bin'));
  await mkdir(join(dir, 'ring'));
  await writeFile(join(dir, 'bin', 'secret-tool'), STAND_IN);
  await chmod(join(dir, 'bin', 'secret-tool'), 0o755);
  if (!isReal) {
    process.env['PATH'] = join(dir, 'bin') + delimiter + before['PATH'];
    process.env['DBUS_SESSION_BUS_ADDRESS'] = 'unix:path=/nowhere';
  }
  process.env['STAND_IN_DIR'] = join(dir, 'ring');
  process.env['XDG_CONFIG_HOME'] = join(dir, 'config');
  asked = [];
  lifetimeMs = 3_600_000;
  portal = createServer((request, response) => {
    const what = request.url!.split('/').at(-1)!;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      asked.push(what);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answerTo(what)));
    });
  });
  portal.listen(0, '127.0.0.1');
  await once(portal, 'listening');
  url = `http://127.0.0.1:${(portal.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await forget(options());
  process.env = { ...before };
  portal.closeAllConnections();
  portal.close();
  await rm(dir, { recursive: true });
});

function answerTo(what: string): object {
  if (what === 'authorize') {
    const page = `${url}/auth/idp_1/device?user_code=ABCD-EFGH`;
    return {
      device_code: 'd',
      user_code: 'ABCD-EFGH',
      verification_uri_complete: page,
      expires_in: 600,
      interval: 0.01,
    };
  }
  issued++;
  return {
    provider_id: 'idp_1',
    user: { id: 'user_1', email: 'ada@example.com', first_name: null, last_name: null },
    organization_id: null,
    session_id: null,
    access_token: `access-token-${issued}`,
    refresh_token: `refresh-token-${issued}`,
    expires_at: new Date(Date.now() + lifetimeMs).toISOString(),
  };
}

const options = (): AuthenticateOptions => ({
  portal: url,
  provider: 'idp_1',
  clientName: 'test',
  openBrowser: false,
  tell: () => undefined,
});
const signIn = (more: Partial<AuthenticateOptions> = {}): Promise<Identity> => authenticate({ ...options(), ...more });
const filesOfOurs = async (): Promise<string[]> => readdir(join(dir, 'config', 'rescind')).catch(() => []);
const onLinux = process.platform === 'linux' ? test : test.skip;
const withStandIn = process.platform === 'linux' && !isReal ? test : test.skip;

onLinux('the keyring keeps it, and no file does; the next one asks nobody', async () => {
  const { accessToken } = await signIn();
  expect(asked).toEqual(['authorize', 'token']);
  expect(await filesOfOurs()).toEqual([]);
  expect((await signIn({ interactive: false })).accessToken).toBe(accessToken);
  expect(asked).toEqual(['authorize', 'token']);
});

onLinux('what ends soon is renewed with what the keyring keeps, and what comes for it is kept there', async () => {
  lifetimeMs = 1_000;
  const first = await signIn();
  lifetimeMs = 3_600_000;
  const second = await signIn({ interactive: false });
  expect(asked).toEqual(['authorize', 'token', 'refresh']);
  expect(second.accessToken).not.toBe(first.accessToken);
  expect((await signIn({ interactive: false })).accessToken).toBe(second.accessToken);
  expect(await filesOfOurs()).toEqual([]);
});

onLinux('what is forgotten is gone from the keyring', async () => {
  await signIn();
  await forget(options());
  await expect(signIn({ interactive: false })).rejects.toMatchObject({ code: 'not_signed_in' });
});

withStandIn('no argument of a command, which everybody could read, holds a token', async () => {
  const { accessToken } = await signIn();
  await signIn();
  const argv = await readFile(join(dir, 'ring', 'argv.log'), 'utf8');
  expect(argv).toContain('store');
  expect(argv).toContain('lookup');
  expect(argv).not.toContain('-token-');
  const kept = (await readdir(join(dir, 'ring'))).find((name) => name !== 'argv.log')!;
  expect(await readFile(join(dir, 'ring', kept), 'utf8')).toContain(accessToken);
});

withStandIn('a keyring that stays locked: a file that nobody else can read, until it opens', async () => {
  await writeFile(join(dir, 'ring', 'locked'), '');
  lifetimeMs = 30_000; // to be renewed with the next
  await signIn();
  const [file] = await filesOfOurs();
  expect((await stat(join(dir, 'config', 'rescind', file!))).mode & 0o777).toBe(0o600);
  await rm(join(dir, 'ring', 'locked'));
  lifetimeMs = 3_600_000;
  await signIn({ interactive: false });
  expect(asked.at(-1)).toBe('refresh');
  expect(await filesOfOurs()).toEqual([]);
});

withStandIn('of the keyring and the file, what ends last counts', async () => {
  lifetimeMs = 90_000;
  await signIn();
  // Meanwhile, without the session's bus, somebody signed in again.
  delete process.env['DBUS_SESSION_BUS_ADDRESS'];
  lifetimeMs = 3_600_000;
  const newer = await signIn();
  process.env['DBUS_SESSION_BUS_ADDRESS'] = 'unix:path=/nowhere';
  expect((await signIn({ interactive: false })).accessToken).toBe(newer.accessToken);
});

test('a file that is named is the one: no keyring is asked', async () => {
  const file = join(dir, 'mine.json');
  const { accessToken } = await signIn({ file });
  expect((await signIn({ file, interactive: false })).accessToken).toBe(accessToken);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(dir, 'ring'))).toEqual([]);
  await chmod(file, 0o644);
  await expect(signIn({ file, interactive: false })).rejects.toMatchObject({ code: 'not_signed_in' });
});
