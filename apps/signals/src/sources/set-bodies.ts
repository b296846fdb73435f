import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** SETs are handed over as the text that came in (RFC 8935, section 2.1). */
export function takeSets(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addContentTypeParser('application/secevent+jwt', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );
}
