import { fastify, type FastifyInstance, type FastifyRequest } from 'fastify';
import type { AddressInfo } from 'node:net';
import { forgetTypeOfNothing } from '#platform/empty-body.js';
import { ApiError, refused } from './api-error.js';
import { addControls } from './controls.js';
import { addDirectoryRoutes } from './directory-routes.js';
import { completeOptions, type GivenOptions } from './options.js';
import { addSignInRoutes } from './sign-in-routes.js';
import { createWorld, type World } from './world.js';

export interface Sandbox {
  url: string;
  apiKey: string;
  clientId: string;
  issuer: string;
  jwksUri: string;
  world: World;
  close(): Promise<void>;
}

/** A small WorkOS of this process, listening. Its state lives as long as it does. */
export async function startSandbox(given: GivenOptions = {}): Promise<Sandbox> {
  const options = completeOptions(given);
  const world = await createWorld(options);
  const app = fastify({ bodyLimit: 2_097_152, forceCloseConnections: true, exposeHeadRoutes: false });
  app.addHook('onRequest', forgetTypeOfNothing);
  app.addHook('onRequest', async (request, reply) => {
    const refusal = interruption(world, request);
    if (refusal === 'reset') return void request.raw.socket.destroy();
    if (refusal === 'hang') return reply.hijack();
    if (refusal) throw refusal;
    if (needsKey(request) && request.headers.authorization !== `Bearer ${options.apiKey}`) {
      throw new ApiError(401, { message: 'Unauthorized' });
    }
  });
  // By the sandbox's own clock, as everything else.
  app.addHook(
    'onSend',
    async (_request, reply) => void reply.header('date', new Date(world.clock.now()).toUTCString()),
  );
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof ApiError) {
      const retry = world.switches.rateLimit;
      if (error.status === 429 && retry) void reply.header('retry-after', retry.retry_after_seconds);
      return reply.status(error.status).send(error.body);
    }
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    if (status >= 500) console.error(request.method, request.url, error);
    return reply.status(status).send({ message: status >= 500 ? 'Internal Server Error' : (error as Error).message });
  });
  app.setNotFoundHandler((_request, reply) => reply.status(404).send({ message: 'Not Found' }));
  app.get('/health/live', async () => ({ status: 'live' }));
  app.get('/health/ready', async () => ({ status: 'ready' }));
  addDirectoryRoutes(app, world);
  addSignInRoutes(app, world);
  addControls(app, world);
  return listen(app, world);
}

async function listen(app: FastifyInstance, world: World): Promise<Sandbox> {
  const { host, port, publicUrl, apiKey, clientId } = world.options;
  await app.listen({ host, port });
  const url = publicUrl ?? `http://${host}:${(app.server.address() as AddressInfo).port}`;
  world.baseUrl = url.replace(/\/$/, '');
  return {
    url: world.baseUrl,
    apiKey,
    clientId,
    issuer: `${world.baseUrl}/user_management/${clientId}`,
    jwksUri: `${world.baseUrl}/sso/jwks/${clientId}`,
    world,
    close: async () => {
      world.deliveries.close();
      await app.close();
    },
  };
}

const OPEN = [
  /^\/health\//,
  /^\/_sandbox\//,
  /^\/sso\/jwks\//,
  /\/\.well-known\//,
  /^\/user_management\/(authorize|authenticate|sessions\/logout)/,
];
const needsKey = (request: FastifyRequest): boolean => !OPEN.some((path) => path.test(request.url));

function interruption(world: World, { url }: FastifyRequest): ApiError | 'hang' | 'reset' | undefined {
  if (url.startsWith('/_sandbox/') || url.startsWith('/health/')) return undefined;
  const { outages, rateLimit } = world.switches;
  const outage = url.startsWith('/sso/jwks/')
    ? outages.jwks
    : url.includes('/.well-known/')
      ? outages.discovery
      : outages.api;
  if (outage === 'error') return new ApiError(503, { message: 'Service Unavailable' });
  if (outage !== 'none') return outage;
  if (rateLimit && url.startsWith(rateLimit.path) && rateLimit.remaining !== 0) {
    if (rateLimit.remaining !== null) rateLimit.remaining -= 1;
    return refused(429, 'too_many_requests', 'Too many requests.');
  }
  return undefined;
}
