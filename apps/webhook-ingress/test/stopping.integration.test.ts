import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { eventually } from '#testing/eventually.js';

const MAIN = join(import.meta.dirname, '../../../dist/apps/webhook-ingress/src/main.js');

test('a stop ends what is under way, also when it is asked for twice, and exits with 0', async () => {
  const env = {
    PORT: '0',
    HOST: '127.0.0.1',
    KAFKA_BROKERS: '127.0.0.1:1',
    RESCIND_ENCRYPTION_KEYS: `k:${'A'.repeat(43)}=`,
  };
  const service = spawn(process.execPath, [MAIN], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(service, 'exit');
  try {
    let log = '';
    service.stdout.on('data', (chunk: Buffer) => void (log += chunk));
    const said = (message: string) => log.split('\n').find((line) => line.includes(`"msg":"${message}"`));
    const { port } = JSON.parse(await eventually(() => said('listening'))) as { port: number };

    const socket = connect(port, '127.0.0.1');
    const answer = text(socket);
    const head = 'POST /webhooks/workos/nobody HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n';
    await new Promise((resolve) => socket.write(`${head}{`, resolve));
    // Whoever asks behind it is answered, so it has been seen.
    await eventually(async () => (await fetch(`http://127.0.0.1:${port}/health/live`)).ok);
    service.kill('SIGTERM');
    await eventually(() => said('stopping'));
    service.kill('SIGTERM');
    // Had it ended by the second signal, nobody would answer any more.
    socket.write('}');
    expect(await answer).toMatch(/^HTTP\/1\.1 503/);
    expect(await exited).toEqual([0, null]);
  } finally {
    service.kill('SIGKILL');
  }
});
