import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { eventually } from '#testing/eventually.js';
import { claimsOf, makeIssuer, providerOf, token } from './issuer.js';
import { findNginx, startNginx } from './nginx.js';
import { RunningService } from './running-service.js';

const binary = findNginx();
const SKIPPED = ' [skipped: no nginx with auth_request on this machine; Debian has it in nginx-light]';

/** The example of deploy/examples/nginx, in real nginx, between a client and a real application. */
(binary === undefined ? describe.skip : describe)(
  `nginx asks forward-auth${binary === undefined ? SKIPPED : ''}`,
  () => {
    const ours = makeIssuer('client_01OURS', 'key_1');
    const unreachable = makeIssuer('client_01AWAY', 'key_2');
    const provider = providerOf(ours);
    const seen: { url: string; headers: IncomingHttpHeaders; body: string }[] = [];
    let application: Server;
    let service: RunningService;
    let nginx: { url: string; stop(): Promise<void> };

    beforeAll(async () => {
      application = createServer((request, response) => {
        let body = '';
        request.on('data', (chunk: Buffer) => (body += chunk.toString()));
        request.on('end', () => {
          seen.push({ url: request.url!, headers: request.headers, body });
          response.writeHead(Number(request.headers['x-answer'] ?? 200)).end('the application');
        });
      });
      await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
      service = await RunningService.start({
        keys: { ours: [ours.jwk] },
        providers: (keysUrl) => [
          providerOf(ours, { jwks_uri: `${keysUrl}/ours` }),
          providerOf(unreachable, { jwks_uri: 'http://127.0.0.1:9/jwks' }),
        ],
        env: { MAX_STALENESS_MS: '2000' },
      });
      nginx = await startNginx(binary!, {
        verifier: service.url,
        application: `http://127.0.0.1:${(application.address() as AddressInfo).port}`,
      });
      service.startBeating();
      await service.becomes(signed(), { active: true });
    });

    afterAll(async () => {
      await nginx.stop();
      await service.close();
      application.closeAllConnections();
      application.close();
    });

    beforeEach(() => (seen.length = 0));

    const signed = (over: Record<string, unknown> = {}): string => token(ours, claimsOf(ours, Date.now(), over));
    const get = (jwt: string | undefined, headers: Record<string, string> = {}, init: RequestInit = {}) =>
      fetch(`${nginx.url}/a/path?with=query`, {
        ...init,
        headers: { ...(jwt === undefined ? {} : { authorization: `Bearer ${jwt}` }), ...headers },
      });
    const identity = (): object =>
      Object.fromEntries(
        Object.entries(seen[0]!.headers).filter(([name]) => name.replaceAll('_', '-').startsWith('x-auth')),
      );

    test('a good token: the application is told whose it is', async () => {
      const answer = await get(signed());
      expect([answer.status, await answer.text()]).toEqual([200, 'the application']);
      expect(identity()).toEqual({
        'x-auth-user': 'user_01ALICE',
        'x-auth-organization': 'org_01ACME',
        'x-auth-session': 'session_01A',
        'x-auth-provider': provider.id,
      });
      expect(seen[0]!.url).toBe('/a/path?with=query');
    });

    test('what a client says of itself never arrives, not even where the verifier says nothing of it', async () => {
      const lies = {
        'X-Auth-User': 'root',
        'x-auth-organization': 'org_01ROOT',
        'X-AUTH-SESSION': 'session_01ROOT',
        'X-Auth-Provider': 'idp_root',
        X_Auth_User: 'root',
        X_Auth_Organization: 'org_01ROOT',
      };
      await get(signed({ org_id: undefined }), lies);
      expect(identity()).toEqual({
        'x-auth-user': 'user_01ALICE',
        'x-auth-session': 'session_01A',
        'x-auth-provider': provider.id,
      });
    });

    test('a body goes to the application whole, and answers of its own come back as they are', async () => {
      const body = 'x'.repeat(300_000);
      const posted = await get(signed(), { 'content-type': 'text/plain' }, { method: 'POST', body });
      expect([posted.status, seen[0]!.body === body]).toEqual([200, true]);
      for (const status of [401, 403, 404, 500, 503]) {
        const answer = await get(signed(), { 'x-answer': String(status) });
        expect([answer.status, await answer.text()]).toEqual([status, 'the application']);
      }
    });

    test.each([
      ['no token', () => get(undefined), 'Bearer realm="rescind"'],
      ['an expired one', () => get(signed({ exp: 1 })), 'error="invalid_token", error_description="expired"'],
      ['no JWT', () => get('rubbish'), 'error="invalid_token", error_description="malformed"'],
      ['another scheme', () => get(undefined, { authorization: 'Basic YTpi' }), 'Bearer realm="rescind"'],
    ])('%s: 401 with the challenge of RFC 6750, and the application is not asked', async (_, ask, challenge) => {
      const answer = await ask();
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toContain(challenge);
      expect(seen).toEqual([]);
    });

    test('two tokens at once are refused: nginx and the verifier cannot look at different ones', async () => {
      const { host, port } = new URL(nginx.url);
      const answer = await raw(Number(port), [
        'GET / HTTP/1.1',
        `Host: ${host}`,
        `Authorization: Bearer ${signed()}`,
        'Authorization: Bearer rubbish',
        'Connection: close',
      ]);
      expect(answer).toMatch(/^HTTP\/1\.1 40[01] /);
      expect(seen).toEqual([]);
    });

    test('a person who is deleted: 401 at the next request', async () => {
      const jwt = signed({ sub: 'user_01BOB' });
      expect((await get(jwt)).status).toBe(200);
      await service.happens(provider.id, 'user.deleted', { id: 'user_01BOB' });
      const refused = await eventually(async () => {
        const answer = await get(jwt);
        return answer.status === 401 && answer;
      });
      expect(refused.headers.get('www-authenticate')).toContain('error_description="user_deprovisioned"');
      expect((await get(signed())).status).toBe(200);
    });

    test('keys that cannot be had: 503', async () => {
      await expectUnknown(await get(token(unreachable, claimsOf(unreachable, Date.now()))));
    });

    test('a view that is too old: 503, and 200 again when it is young', async () => {
      const jwt = signed();
      service.stopBeating();
      await service.becomes(jwt, { code: 'view_stale' });
      await expectUnknown(await get(jwt));
      service.startBeating();
      await service.becomes(jwt, { active: true });
      expect((await get(jwt)).status).toBe(200);
    });

    test('a verifier that is away, or never answers: 503', async () => {
      const port = Number(new URL(service.url).port);
      await service.stopService();
      await expectUnknown(await get(signed()));

      const sockets: Socket[] = [];
      const silent = createTcpServer((socket) => void sockets.push(socket));
      await new Promise<void>((resolve) => silent.listen(port, '127.0.0.1', resolve));
      try {
        // nginx leaves a server that has just failed alone for a while; then it asks it, in vain.
        await expectUnknown(await get(signed()));
        await eventually(async () => {
          await expectUnknown(await get(signed()));
          return sockets.length > 0;
        });
      } finally {
        for (const socket of sockets) socket.destroy();
        silent.close();
      }
    });

    async function expectUnknown(answer: Response): Promise<void> {
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      expect(await answer.json()).toMatchObject({ code: 'authorization_unknown' });
      expect(seen).toEqual([]);
    }
  },
);

function raw(port: number, lines: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\n\r\n`));
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}
