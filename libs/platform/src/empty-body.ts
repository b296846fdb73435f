import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * For `onRequest`. Many clients name a type whether or not they send a body; JSON that is not there is no mistake, though Fastify
 * would answer it with 400.
 */
export function forgetTypeOfNothing({ headers }: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers;
  if ((length === undefined || length === '0') && encoding === undefined) delete headers['content-type'];
  done();
}
