import { Client } from '../journey/client.js';
import { type Stack, TestStack } from '../journey/stack.js';
import { breaches, type Credentials, type Document } from './contract.js';

/** More with `CONTRACT_REQUESTS`, other ones with `CONTRACT_SEED`. */
const REQUESTS = Number(process.env['CONTRACT_REQUESTS'] ?? 20);
const SEED = Number(process.env['CONTRACT_SEED'] ?? 1);

let running: TestStack;
let stack: Stack;
let known: Record<string, string>;
let receiverKey: string;

beforeAll(async () => {
  running = await TestStack.create();
  // The limits have tests of their own; here they would stand in for every other answer.
  stack = await running.start({ env: { BAD_CREDENTIALS_PER_MINUTE: '0' } });
  const client = new Client(stack);
  const person = await client.person();
  const grant = await client.makeGrant({ user_id: person.userId });
  receiverKey = await newReceiver();
  known = {
    provider_id: stack.provider.id,
    provider: stack.provider.id,
    user_id: person.userId,
    organization_id: person.organizationId,
    session_id: person.sessionId,
    grant_id: String(grant.body['id']),
    token: person.token,
    client_id: stack.introspection.clientId,
  };
}, 300_000);
afterAll(async () => {
  await running?.stop();
  await running?.remove();
}, 300_000);

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function newReceiver(): Promise<string> {
  const answer = await fetch(`${stack.signals}/v1/receivers`, {
    method: 'POST',
    headers: { ...bearer(stack.adminApiKey), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'contract' }),
  });
  return ((await answer.json()) as { key: string }).key;
}

/** As the page signs in. */
async function session(): Promise<Record<string, string>> {
  const signedIn = await fetch(`${stack.portal}/auth/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ api_key: stack.adminApiKey }),
  });
  const cookie = signedIn.headers.getSetCookie().map((line) => line.split(';')[0]!)[0]!;
  const { csrf_token } = (await (await fetch(`${stack.portal}/auth/session`, { headers: { cookie } })).json()) as {
    csrf_token: string;
  };
  return { cookie, 'X-CSRF-Token': csrf_token };
}

const SERVICES = ['webhookIngress', 'grants', 'tokenVerification', 'signals', 'portal'] as const;

test.each(SERVICES)('what %s answers is as its OpenAPI document says', async (service) => {
  const credentials: Credentials = {
    apiKey: () => Promise.resolve(bearer(stack.adminApiKey)),
    session,
    basic: () => {
      const { clientId, clientSecret } = stack.introspection;
      return Promise.resolve({
        authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
      });
    },
    bearer_token: () => Promise.resolve(bearer(service === 'signals' ? receiverKey : known['token']!)),
  };
  const ofIngress = { ...known, token: stack.webhook.url.split('/').at(-1)! };
  const document = (await (await fetch(`${stack[service]}/openapi.json`)).json()) as Document;
  const result = await breaches({
    url: stack[service],
    document,
    credentials,
    known: service === 'webhookIngress' ? ofIngress : known,
    webhookSecret: stack.webhook.secret,
    seed: SEED,
    requests: REQUESTS,
  });
  expect(result.breaches).toEqual([]);
  expect(result.sent).toBe(REQUESTS * Object.values(document.paths).flatMap(Object.keys).length);
});
