import { createRescind, expressGuard, streamSource } from '@rescind/client';
import express from 'express';

const { RESCIND_URL, RESCIND_API_KEY, PORT = '8080' } = process.env;

const rescind = createRescind({
  source: streamSource({ url: RESCIND_URL, apiKey: RESCIND_API_KEY }),
  onProblem: (error) => console.warn(error.message),
});

const app = express();
app.get('/health', (request, response) => response.sendStatus(rescind.isFresh() ? 200 : 503));
app.use(expressGuard(rescind));
app.get('/me', (request, response) => response.json({ user: request.rescind.userId }));

const server = app.listen(Number(PORT), () => console.log(`listening on ${server.address().port}`));
