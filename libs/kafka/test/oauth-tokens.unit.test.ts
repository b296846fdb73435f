import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OauthTokens } from '#kafka/oauth-tokens.js';
import { eventually } from '#testing/eventually.js';

let server: Server;
let answers: { status: number; body: string }[];
let asked: number;
let now: number;

beforeEach(async () => {
  [answers, asked, now] = [[], 0, 0];
  server = createServer((_request, response) => {
    const { status, body } = answers[Math.min(asked, answers.length - 1)]!;
    asked += 1;
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

const tokensOf = (): OauthTokens => {
  const tokenEndpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return new OauthTokens({ tokenEndpoint, clientId: 'client', clientSecret: 'hunter2' }, () => now);
};
const token = (value: string, expires_in?: number) => ({
  status: 200,
  body: JSON.stringify({ access_token: value, expires_in }),
});

test('one is fetched for many at once, kept for four fifths of its life, and then another is fetched beside it', async () => {
  answers = [token('a', 1_000), token('b', 1_000)];
  const tokens = tokensOf();
  expect(await Promise.all([tokens.get(), tokens.get(), tokens.get()])).toEqual([
    { value: 'a' },
    { value: 'a' },
    { value: 'a' },
  ]);
  now = 799_000;
  expect(await tokens.get()).toEqual({ value: 'a' });
  expect(asked).toBe(1);
  now = 800_000;
  expect(await tokens.get()).toEqual({ value: 'a' });
  await eventually(async () => (await tokens.get()).value === 'b', { what: 'the token fetched beside the old one' });
  expect(asked).toBe(2);
});

test('where no new one is to be had, the old one serves until it ends; then it is said', async () => {
  answers = [token('a', 100), { status: 503, body: '' }, { status: 503, body: '' }];
  const tokens = tokensOf();
  await tokens.get();
  now = 99_000;
  expect(await tokens.get()).toEqual({ value: 'a' });
  expect(asked).toBe(2);
  now = 100_000;
  await expect(tokens.get()).rejects.toThrow('gives no token: 503');
});

test('no connection is opened with a token that ends at once, where another can be had', async () => {
  answers = [token('a', 1_000), token('b', 1_000)];
  const tokens = tokensOf();
  await tokens.get();
  now = 980_000;
  expect(await tokens.get()).toEqual({ value: 'b' });
});

test('an endpoint that does not answer holds up nobody who has a good token, and the others for a bounded time', async () => {
  answers = [token('a', 1_000)];
  const tokens = tokensOf();
  await tokens.get();
  server.removeAllListeners('request'); // it takes the connection, and says nothing
  now = 900_000;
  expect(await tokens.get()).toEqual({ value: 'a' });
  now = 1_000_000;
  await expect(tokens.get()).rejects.toThrow('does not answer');
});

test.each([
  [{ status: 401, body: '{"error":"invalid_client","error_description":"hunter2"}' }, /401 invalid_client$/],
  [{ status: 200, body: '{"error":"<b>hunter2"}' }, /200 $/],
  [{ status: 200, body: '{"access_token":""}' }, /200 $/],
  [{ status: 200, body: 'hunter2' }, /200 $/],
])('%j is no token, and is not repeated', async (answer, said) => {
  answers = [answer];
  await expect(tokensOf().get()).rejects.toThrow(said);
});
