import { createRescind, fastifyGuard, streamSource } from '@rescind/client';
import Fastify from 'fastify';

const { RESCIND_URL, RESCIND_API_KEY, PORT = '8080' } = process.env;

const rescind = createRescind({
  source: streamSource({ url: RESCIND_URL, apiKey: RESCIND_API_KEY }),
  onProblem: (error) => console.warn(error.message),
});

const app = Fastify();
app.get('/health', (request, reply) => reply.code(rescind.isFresh() ? 200 : 503).send());
app.register(async (guarded) => {
  guarded.addHook('onRequest', fastifyGuard(rescind));
  guarded.get('/me', async (request) => ({ user: request.rescind.userId }));
});

await app.listen({ port: Number(PORT) });
console.log(`listening on ${app.server.address().port}`);
