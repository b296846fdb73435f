import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { eventually } from '#testing/eventually.js';
import { freePort } from '#testing/free-port.js';

/** An nginx of this machine that can ask before it lets a request through; undefined where there is none. */
export function findNginx(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  const found = folders.map((folder) => join(folder, 'nginx')).find((file) => existsSync(file));
  if (found === undefined) return undefined;
  const { status, stderr } = spawnSync(found, ['-V'], { encoding: 'utf8' });
  return status === 0 && stderr.includes('http_auth_request_module') ? found : undefined;
}

const EXAMPLE = join(rootAbove(import.meta.dirname), 'deploy/examples/nginx/rescind.conf');

function rootAbove(dir: string): string {
  return existsSync(join(dir, 'package-lock.json')) ? dir : rootAbove(dirname(dir));
}

/** nginx with the example of deploy/examples, of which nothing is changed but the three addresses. */
export async function startNginx(
  binary: string,
  addresses: { verifier: string; application: string },
): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'rescind-nginx-'));
  await chmod(folder, 0o755);
  await mkdir(join(folder, 'tmp'));
  const port = await freePort();
  let example = await readFile(EXAMPLE, 'utf8');
  for (const [written, here] of [
    ['listen 8080;', `listen 127.0.0.1:${port};`],
    ['server token-verification:3003;', `server ${new URL(addresses.verifier).host};`],
    ['server application:8080;', `server ${new URL(addresses.application).host};`],
  ] as const) {
    if (example.split(written).length !== 2) throw new Error(`the example no longer says just once: ${written}`);
    example = example.replace(written, here);
  }
  await writeFile(join(folder, 'rescind.conf'), example);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path tmp/${name};`,
  );
  await writeFile(
    join(folder, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root root;' : ''} worker_processes 1; daemon off; pid nginx.pid; error_log error.log;
     events {} http { access_log off; ${temporary.join(' ')} include rescind.conf; }`,
  );
  const nginx = spawn(binary, ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log'], { stdio: 'ignore' });
  const ended = once(nginx, 'exit');
  const stop = async (): Promise<void> => {
    nginx.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await eventually(() => listens(port), { what: 'nginx listens' });
  } catch (error) {
    const log = await readFile(join(folder, 'error.log'), 'utf8').catch(() => '');
    await stop();
    throw new Error(`nginx did not start:\n${log}`, { cause: error });
  }
  return { url: `http://127.0.0.1:${port}`, stop };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
