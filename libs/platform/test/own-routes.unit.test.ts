import { Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { ownRoutes } from '../src/own-routes.js';
import { createService, listen } from '../src/serve.js';

class Empty {}
Module({})(Empty);

let app: NestFastifyApplication;
let url: string;
let seen: unknown[] = [];

beforeAll(async () => {
  const logger = pino({ level: 'silent' });
  const options = { logger, host: '127.0.0.1', port: 0, shutdownTimeoutMs: 1_000, bodyLimit: 1_000 };
  const route = {
    method: 'POST' as const,
    url: '/it',
    usualJson: (body: Buffer) => (body.toString('latin1') === '{"usual":1}' ? 'usual' : undefined),
    handler: (request: { body: unknown }, reply: { send(text: string): unknown }) => {
      seen.push(request.body);
      reply.send('done');
      return undefined;
    },
  };
  const hook = {
    provide: 'a hook that comes after the route',
    inject: [HttpAdapterHost],
    useFactory: ({ httpAdapter }: HttpAdapterHost) => ({
      onModuleInit: () =>
        httpAdapter.getInstance<FastifyInstance>().addHook('onRequest', (_request, reply, done) => {
          void reply.header('x-hook', 'ran');
          done();
        }),
    }),
  };
  app = await createService({ module: Empty, providers: [ownRoutes([route], logger), hook] }, options);
  url = `${await listen(app, options)}/it`;
}, 60_000);
afterAll(() => app.close());
beforeEach(() => (seen = []));

const post = (body: string): Promise<Response> =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });

test.each([
  ['the usual body', '{"usual":1}', 'usual'],
  ['any other JSON', '{ "usual": 1 }', { usual: 1 }],
  ['no body', '', undefined],
])('%s is read, after every hook of the server', async (_, sent, read) => {
  const answer = await post(sent);
  expect([answer.status, answer.headers.get('x-hook')]).toEqual([200, 'ran']);
  expect(seen).toEqual([read]);
});

test.each([
  ['no JSON', '{"usual":', 400, 'bad_request'],
  ['a prototype', '{"__proto__":{"a":1}}', 400, 'bad_request'],
  ['more than the limit', JSON.stringify('x'.repeat(2_000)), 413, 'body_too_large'],
])('%s is a problem', async (_, sent, status, code) => {
  const answer = await post(sent);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(await answer.json()).toMatchObject({ status, code });
  expect(seen).toEqual([]);
});
