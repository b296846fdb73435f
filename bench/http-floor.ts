import { fastify } from 'fastify';

// The floor of everything over HTTP: a Fastify route that reads its body and answers a constant.
const app = fastify();
app.post('/v1/tokens/verify', async () => ({ active: true }));
console.log(await app.listen({ port: 0, host: '127.0.0.1' }));
