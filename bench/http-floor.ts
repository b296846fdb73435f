import { parse } from 'node:querystring';
import { fastify } from 'fastify';

// The floor of everything over HTTP: a Fastify route that reads its body and answers a constant.
const app = fastify();
app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
  done(null, parse(body as string)),
);
for (const path of ['/v1/tokens/verify', '/oauth2/introspect']) app.post(path, async () => ({ active: true }));
console.log(await app.listen({ port: 0, host: '127.0.0.1' }));
