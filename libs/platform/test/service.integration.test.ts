import { connect } from 'node:net';
import { Body, Controller, Get, Inject, Module, Post } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { z } from 'zod';
import { Public } from '#platform/api-key.guard.js';
import type { ReadinessCheck } from '#platform/health.js';
import { createRegistry } from '#platform/metrics.js';
import { openApi } from '#platform/open-api.js';
import { Problem } from '#platform/problem.js';
import { createService, listen, type ServeOptions } from '#platform/serve.js';
import { LOGGER, ServiceModule } from '#platform/service.module.js';
import { valid } from '#platform/validation.js';

const SECRET = 'seeded-secret-in-an-error';
const body = z.object({ name: z.string().min(1), count: z.number() });
const lines: string[] = [];
const logger = pino({ level: 'info' }, { write: (line) => void lines.push(line) });
let missing: string | undefined;
const checks: ReadinessCheck[] = [
  { name: 'kafka', problem: () => missing },
  { name: 'slow', problem: async () => undefined },
];

@Controller()
class Routes {
  constructor(@Inject(LOGGER) readonly log: unknown) {}

  @Post('echo')
  echo(@Body(valid(body)) sent: z.infer<typeof body>): object {
    return sent;
  }

  @Get('problem')
  problem(): never {
    throw new Problem(409, 'principal_deprovisioned', 'Gone.', { headers: { 'x-why': 'rule' }, extra: { scope: 'k' } });
  }

  @Get('long/:part')
  long(): object {
    return {};
  }

  @Public()
  @Get('fault')
  fault(): never {
    throw new Error('the database said no');
  }
}

@Module({ controllers: [Routes] })
class RoutesModule {}

@Module({
  imports: [
    RoutesModule,
    ServiceModule.forRoot({
      logger,
      registry: createRegistry('test'),
      apiKeys: [{ name: 'ops', secret: SECRET }],
      openApi: openApi({ title: 'test', description: 'test' }, []),
      readiness: checks,
      facts: () => ({ view_age_ms: 7 }),
    }),
  ],
})
class TestModule {}

const options: ServeOptions = { logger, host: '127.0.0.1', port: 0, shutdownTimeoutMs: 1_000 };
let app: NestFastifyApplication;
let base: string;
beforeAll(async () => {
  app = await createService(TestModule, options);
  base = await listen(app, options);
});
afterAll(() => app.close());
beforeEach(() => void (lines.length = 0));

const call = (path: string, init: RequestInit = {}, key: string | null = SECRET): Promise<Response> =>
  fetch(base + path, {
    ...init,
    headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...init.headers },
  });
const post = (path: string, text: string): Promise<Response> =>
  call(path, { method: 'POST', body: text, headers: { 'content-type': 'application/json' } });
const problem = async (answer: Response): Promise<Record<string, unknown>> => {
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  return (await answer.json()) as Record<string, unknown>;
};

test('a problem is problem+json with its code, headers and members', async () => {
  const answer = await call('/problem');
  expect(answer.headers.get('x-why')).toBe('rule');
  expect(await problem(answer)).toEqual({
    type: 'about:blank',
    title: 'Conflict',
    status: 409,
    code: 'principal_deprovisioned',
    detail: 'Gone.',
    scope: 'k',
  });
});

test.each([
  ['no JSON', '{', 400, 'bad_request'],
  ['JSON of another shape', '{"name":7}', 400, 'request_invalid'],
  ['JSON whose length cannot be compared', '{"name":{"length":{"toString":1}},"count":1}', 400, 'request_invalid'],
])('a body that is %s is refused', async (_, text, status, code) => {
  expect(await problem(await post('/echo', text))).toMatchObject({ status, code });
});

test('every field that is wrong is named', async () => {
  const { errors } = await problem(await post('/echo', '{"name":7}'));
  expect((errors as { field: string }[]).map(({ field }) => field)).toEqual(['name', 'count']);
});

test('a request that names a type and has no body is one without a body', async () => {
  const answer = await call('/echo', { method: 'POST', headers: { 'content-type': 'application/json' } });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({
    code: 'request_invalid',
    errors: [{ field: 'name' }, { field: 'count' }],
  });
});

test.each([
  ['with a NUL', '{"name":"a\\u0000","count":1}', 'name'],
  ['with half of a character, further in', '{"name":"a","count":1,"more":[{"x":"\\ud800"}]}', 'more.0.x'],
])('a text %s is refused, since no database holds it', async (_, text, field) => {
  expect(await problem(await post('/echo', text))).toMatchObject({ code: 'request_invalid', errors: [{ field }] });
});

test.each([
  ['that there is not', '/nothing', 404, 'not_found'],
  ['that cannot be decoded', '/problem/%ff', 400, 'bad_request'],
  ['that is too long', `/long/${'x'.repeat(1_001)}`, 414, 'url_too_long'],
])('a path %s is a problem like any other, and is not repeated', async (_, path, status, code) => {
  const answer = await problem(await call(path));
  expect(answer).toMatchObject({ status, code });
  expect(JSON.stringify(answer)).not.toContain(path);
});

test('our own fault is 500 without detail; the log has it', async () => {
  const answer = await problem(await call('/fault'));
  expect(answer).toMatchObject({ status: 500, code: 'internal_error' });
  expect(JSON.stringify(answer)).not.toContain('database said no');
  expect(lines.join('')).toContain('the database said no');
});

test.each([
  ['no key', null],
  ['another key', 'x'.repeat(SECRET.length)],
  ['an empty key', ''],
])('401 with %s, and nothing of the key in the log', async (_, key) => {
  const answer = await call('/problem', {}, key);
  expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
  expect(await problem(answer)).toMatchObject({ status: 401, code: 'api_key_invalid' });
  expect(lines.join('')).not.toContain(SECRET);
});

test('ready says what is missing, and is 200 again when nothing is', async () => {
  expect((await call('/health/ready', {}, null)).status).toBe(200);
  missing = 'does not answer';
  const answer = await call('/health/ready', {}, null);
  expect(answer.status).toBe(503);
  expect(await answer.json()).toEqual({ status: 'not_ready', missing: { kafka: 'does not answer' }, view_age_ms: 7 });
  missing = undefined;
  expect((await call('/health/ready', {}, null)).status).toBe(200);
});

test('health, metrics and the API description need no key', async () => {
  for (const path of ['/health/live', '/metrics', '/openapi.json'])
    expect((await call(path, {}, null)).status).toBe(200);
});

test('a connection that nobody has used does not keep the service from ending', async () => {
  const other = await createService(TestModule, options);
  const port = Number(new URL(await listen(other, options)).port);
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const ended = new Promise((resolve) => socket.once('close', resolve));
  await other.close();
  await ended;
}, 45_000); // Node would wait for its request for a minute
