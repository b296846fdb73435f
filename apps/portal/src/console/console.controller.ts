import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';
import type { ConsoleFile } from './console-files.js';

/** {@link readConsole}, or undefined where the console was not built. */
export const CONSOLE_FILES = Symbol('files of the console');

const HEADERS = {
  'content-security-policy': [
    "default-src 'self'",
    "style-src 'self' 'unsafe-inline'", // the component library sets styles on elements
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

const WITHOUT_CONSOLE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Rescind portal</title>
<body style="font-family: system-ui; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; line-height: 1.5">
<h1>Rescind portal</h1>
<p>The console was not built here. The API is at <code>/v1/identity-providers</code>, described by
<a href="/openapi.json">/openapi.json</a>; its health is at <a href="/health/ready">/health/ready</a>.</p>
</body></html>
`;

/** The page that people look at. It holds no secret, so it asks for no key; what it shows comes from the API, which does. */
@Public()
@Controller()
export class ConsoleController {
  constructor(@Inject(CONSOLE_FILES) private readonly files: ReadonlyMap<string, ConsoleFile> | undefined) {}

  @Get(['/', '*'])
  get(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const [path = '/'] = request.url.split('?', 1);
    const file = this.files?.get(path === '/' ? '/index.html' : path);
    if (file) return send(request, reply, file, path.startsWith('/assets/'));
    // A place within the page is a path without an extension; anything else is a mistake, and is told so.
    const isPlace = !/^\/(v1|api|auth|assets)(\/|$)/.test(path) && !/\.[a-z0-9]+$/i.test(path);
    if (!isPlace) throw new Problem(404, 'not_found', 'There is nothing at this path.');
    const page = this.files?.get('/index.html');
    if (page) return send(request, reply, page, false);
    void reply.headers(HEADERS).type('text/html; charset=utf-8').send(WITHOUT_CONSOLE);
  }
}

/** Assets carry the digest of their content in their names, so they never change. */
function send(request: FastifyRequest, reply: FastifyReply, file: ConsoleFile, isAsset: boolean): void {
  void reply.headers({
    ...HEADERS,
    etag: file.etag,
    vary: 'accept-encoding',
    'cache-control': isAsset ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
  if (request.headers['if-none-match'] === file.etag) return void reply.status(304).send();
  const brotli = /\bbr\b/.test(String(request.headers['accept-encoding'] ?? '')) ? file.brotli : undefined;
  if (brotli) void reply.header('content-encoding', 'br');
  void reply.type(file.type).send(brotli ?? file.body);
}
