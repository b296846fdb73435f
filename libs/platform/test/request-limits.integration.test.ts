import { Controller, Get, HttpCode, Module, Post, Res } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply } from 'fastify';
import { pino } from 'pino';
import { Public } from '../src/api-key.guard.js';
import { createRegistry } from '../src/metrics.js';
import { openApi } from '../src/open-api.js';
import { Problem } from '../src/problem.js';
import { createService, listen } from '../src/serve.js';
import { ServiceModule } from '../src/service.module.js';

@Controller()
class Routes {
  @Get('mine')
  mine(): object {
    return { mine: true };
  }

  /** As introspection answers a client that it does not know (RFC 6749, section 5.2). */
  @Public()
  @Post('oauth2/introspect')
  @HttpCode(401)
  introspect(@Res({ passthrough: true }) reply: FastifyReply): object {
    void reply.header('www-authenticate', 'Basic realm="rescind"');
    return { error: 'invalid_client' };
  }

  @Public()
  @Get('v1/forward-auth/*')
  ask(): never {
    throw new Problem(401, 'token_refused');
  }
}

const registry = createRegistry('test');

@Module({
  controllers: [Routes],
  imports: [
    ServiceModule.forRoot({
      logger: pino({ level: 'silent' }),
      registry,
      apiKeys: [
        { name: 'ops', secret: 'the-right-key' },
        { name: 'busy', secret: 'the-busy-key' },
      ],
      openApi: openApi({ title: 'test', description: 'test' }, []),
      readiness: [],
      limits: { badCredentialsPerMinute: 3, apiKeyRequestsPerSecond: 20, publicRoutes: ['/v1/forward-auth'] },
    }),
  ],
})
class AppModule {}

let app: NestFastifyApplication;
let base: string;
beforeAll(async () => {
  const options = {
    logger: pino({ level: 'silent' }),
    host: '127.0.0.1',
    port: 0,
    shutdownTimeoutMs: 1_000,
    trustProxy: ['127.0.0.1'],
  };
  app = await createService(AppModule, options);
  base = await listen(app, options);
});
afterAll(() => app.close());

const ask = (from: string, key: string, path = '/mine', method = 'GET'): Promise<Response> =>
  fetch(base + path, { method, headers: { authorization: `Bearer ${key}`, 'x-forwarded-for': from } });

/** Wrong credentials until one is not answered with 401. A limit of 3 a minute is reached before 50 are through. */
async function untilNot401(from: string, path?: string, method?: string): Promise<Response> {
  for (let count = 0; count < 50; count++) {
    const answer = await ask(from, `wrong-${count}`, path, method);
    if (answer.status !== 401) return answer;
  }
  throw new Error('always 401');
}

test.each([
  ['API keys', '192.0.2.1', '/mine', 'GET'],
  ['introspection clients', '192.0.2.2', '/oauth2/introspect', 'POST'],
])('wrong %s: 429 with Retry-After beyond the limit of the source', async (_, from, path, method) => {
  const limited = await untilNot401(from, path, method);
  expect(limited.status).toBe(429);
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(limited.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(limited.headers.get('www-authenticate')).toBeNull();
  expect(await limited.json()).toMatchObject({ status: 429, code: 'rate_limited' });
});

test('a right key is let in, from that source and from any other one', async () => {
  await untilNot401('192.0.2.10');
  for (const from of ['192.0.2.10', '192.0.2.11', '2001:db8::1']) {
    expect((await ask(from, 'the-right-key')).status).toBe(200);
  }
  expect((await ask('192.0.2.11', 'wrong')).status).toBe(401);
});

test('all addresses of one IPv6 network are one source', async () => {
  for (let host = 1; ; host++) {
    const { status } = await ask(`2001:db8:0:7::${host.toString(16)}`, 'wrong');
    if (status === 429) break;
    expect(host).toBeLessThan(50);
  }
});

test('what a proxy asks about other people’s tokens is no wrong credential of the proxy', async () => {
  for (let count = 0; count < 20; count++) {
    expect((await ask('192.0.2.20', `token-${count}`, '/v1/forward-auth/path')).status).toBe(401);
  }
});

test('one key has a total, and costs another one nothing', async () => {
  const answers = await Promise.all(Array.from({ length: 200 }, () => ask('192.0.2.30', 'the-busy-key')));
  const limited = answers.find(({ status }) => status === 429);
  expect(limited?.headers.get('retry-after')).toBe('1');
  expect((await ask('192.0.2.30', 'the-right-key')).status).toBe(200);
});

test('it is counted by limit', async () => {
  const metrics = await registry.metrics();
  for (const limit of ['bad_credentials', 'credential']) {
    expect(metrics).toMatch(new RegExp(`rescind_rate_limited_total\\{limit="${limit}"[^}]*\\} [1-9]`));
  }
});
