import type { StackFile } from '#testing/stack-file.js';
import { Client } from '../journey/client.js';
import { TestStack } from '../journey/stack.js';
import { breaches, type Credentials, type Document } from './contract.js';

/** More with `CONTRACT_REQUESTS`, other ones with `CONTRACT_SEED`. */
const REQUESTS = Number(process.env['CONTRACT_REQUESTS'] ?? 20);
const SEED = Number(process.env['CONTRACT_SEED'] ?? 1);

let running: TestStack;
let stack: StackFile;
let known: Record<string, string>;
let receiver: { id: string; key: string };
let ofPage: Record<string, string>;

beforeAll(async () => {
  running = await TestStack.create();
  // The limits have tests of their own; here they would stand in for every other answer.
  stack = await running.start({ env: { BAD_CREDENTIALS_PER_MINUTE: '0', LONG_POLL_MS: '20' } });
  const client = new Client(stack);
  const person = await client.person();
  const grant = await client.makeGrant({ user_id: person.userId });
  receiver = (await client.api('signals', 'POST', '/v1/receivers', { name: 'contract' })).body as typeof receiver;
  const stream = await post(`${stack.signals}/ssf/streams`, {}, bearer(receiver.key));
  ofPage = await session();
  known = {
    provider_id: stack.provider.id,
    provider: stack.provider.id,
    user_id: person.userId,
    organization_id: person.organizationId,
    session_id: person.sessionId,
    grant_id: String(grant.body['id']),
    token: person.token,
    client_id: stack.introspection.clientId,
    stream_id: String(stream['stream_id']),
    api_key: stack.adminApiKey,
  };
}, 600_000);
afterAll(async () => {
  await running?.stop();
  await running?.remove();
}, 600_000);

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function post(url: string, body: object, headers: Record<string, string>): Promise<Record<string, unknown>> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return (await answer.json()) as Record<string, unknown>;
}

/** What chance alone does not come to. */
function bodies(): Record<string, unknown> {
  const { issuer, clientId } = stack.provider;
  return {
    createGrant: { user_id: known['user_id'], resource: 'vault:contract', scopes: ['read'] },
    createOwnStream: { kind: 'webhook', url: 'http://127.0.0.1:9/contract', description: 'nobody listens there' },
    createSource: { name: 'contract', issuer: 'https://transmitter.example.com', provider_id: stack.provider.id },
    createIdentityProvider: {
      name: 'Contract',
      kind: 'oidc',
      issuers: ['https://contract.example.com'],
      jwks_uri: `${stack.sandbox}/sso/jwks/${clientId}`,
      audience: 'contract',
    },
    discoverIssuer: { issuer },
    pasteWebhookSecret: { secret: 'a_secret_that_nobody_signs_with' },
    changeIdentityProvider: { name: 'Renamed' },
    updateOwnStream: { status: 'paused' },
    assignRole: {
      role: 'auditor',
      provider_id: stack.provider.id,
      kind: 'email',
      value: 'nobody@example.com',
    },
  };
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

test.each(SERVICES)(
  'what %s answers is as its OpenAPI document says',
  async (service) => {
    const credentials: Credentials = {
      apiKey: () => Promise.resolve(bearer(stack.adminApiKey)),
      session: () => Promise.resolve(ofPage),
      basic: () => {
        const { clientId, clientSecret } = stack.introspection;
        const pair = service === 'signals' ? `${receiver.id}:${receiver.key}` : `${clientId}:${clientSecret}`;
        return Promise.resolve({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` });
      },
      bearer_token: () => Promise.resolve(bearer(service === 'signals' ? receiver.key : known['token']!)),
    };
    const ofIngress = { ...known, token: stack.webhook.url.split('/').at(-1)! };
    const document = (await (await fetch(`${stack[service]}/openapi.json`)).json()) as Document;
    const result = await breaches({
      url: stack[service],
      document,
      credentials,
      known: service === 'webhookIngress' ? ofIngress : known,
      bodies: bodies(),
      webhookSecret: stack.webhook.secret,
      seed: SEED,
      requests: REQUESTS,
    });
    console.info(
      `${service}: ${result.sent} requests, CONTRACT_SEED=${SEED}; always refused: ${result.refused.join(', ') || 'none'}`,
    );
    // What stands behind a 500 is in the log alone.
    const isFailure = (line: string): boolean => line.includes('"msg":"request failed"');
    const failures = result.breaches.length === 0 ? [] : (await running.logs(service)).split('\n').filter(isFailure);
    expect({ breaches: result.breaches, failures: failures.slice(0, 5) }).toEqual({ breaches: [], failures: [] });
    expect(result.sent).toBe(REQUESTS * Object.values(document.paths).flatMap(Object.keys).length);
  },
  600_000,
);
