import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CANARY_PROVIDER_ID } from '#contracts/identity-provider.js';
import { encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ProviderRegistry } from '#providers/registry.js';
import { encryptionKeys, unseal, webhookSecretOwner } from '#providers/sealing.js';
import { eventually } from '#testing/eventually.js';
import { verifySignature } from '#workos/signature.js';
import { summary } from '../../apps/grants/src/canary/canary.controller.js';
import { ownTopics } from '../../apps/grants/test/kafka.js';
import { ownDatabase } from '../../apps/grants/test/support.js';
import { KEYS, providerOf, publishProvider, type RunningGrants, startGrants } from './running-grants.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
let client: KafkaClient;
let publisher: BatchPublisher;
let providers: ProviderRegistry;
let grants: RunningGrants;
/** webhook-ingress and token-verification, as far as the canary sees of them. */
let others: Server;
const closings: string[] = [];

beforeAll(async () => {
  own = await ownDatabase();
  client = await ownTopics();
  publisher = new BatchPublisher(client);
  const real = providerOf({ url: 'http://127.0.0.1:9', apiKey: 'sk_unused' }, 'idp');
  await publishProvider(publisher, { ...real, api_key: null });
  providers = new ProviderRegistry(client);
  await providers.start();
  others = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const url = new URL(request.url!, 'http://here');
      if (request.method === 'POST') return void receive(url, Buffer.concat(chunks), request.headers, response);
      response.writeHead(request.headers.authorization === 'Bearer key-of-grants' ? 200 : 401);
      response.end(JSON.stringify({ closed_at: closings.at(-1) ?? null }));
    });
  });
  await new Promise<void>((resolve) => others.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(others.address() as AddressInfo).port}`;
  grants = await startGrants(own.url, client, {
    CANARY_INTERVAL_MS: '100',
    WEBHOOK_INGRESS_URL: url,
    TOKEN_VERIFICATION_URL: url,
    TOKEN_VERIFICATION_API_KEY: 'key-of-grants',
  });
});
afterAll(async () => {
  await grants?.close();
  others.closeAllConnections();
  others.close();
  await providers.close();
  await publisher.close();
  await client.close();
  await own.drop();
});

/** Takes in what is signed by the secret of the provider to whose endpoint it was sent, and publishes it. */
async function receive(
  url: URL,
  body: Buffer,
  headers: Record<string, string | string[] | undefined>,
  response: { writeHead(status: number): { end(): void } },
): Promise<void> {
  const provider = providers.byEndpointToken(url.pathname.split('/').at(-1)!);
  if (!provider) return response.writeHead(404).end();
  const secrets = provider.webhook!.secrets.map(({ id, sealed }) => ({
    id,
    secret: unseal(sealed, webhookSecretOwner(provider.id, id), encryptionKeys.parse(KEYS)),
  }));
  verifySignature(body, String(headers['workos-signature']), secrets, new Date());
  const envelope = readWorkOSEnvelope(body);
  const value = encodeWorkOSRecord(body, envelope, provider, new Date());
  await publisher.publish(TOPICS.workosEvents, { key: envelope.key, value });
  closings.push(envelope.createdAt!);
  response.writeHead(200).end();
}

const canary = async () => (await grants.call('GET', '/v1/canary')).body;

test('a synthetic revocation goes all the way, again and again, and touches nobody', async () => {
  const said = await eventually(async () => {
    const now = await canary();
    return now.last_hour.runs >= 3 && now;
  });
  expect(said).toMatchObject({ status: 'refused', last_hour: { failed: 0 } });
  expect(said.last_hour.p50_ms).toBeGreaterThan(0);
  await eventually(
    async () => (await grants.call('GET', `/v1/events?provider_id=${CANARY_PROVIDER_ID}`)).body.data.length >= 3,
  );
  // Whoever looks at what has happened sees it only where they ask for it.
  for (const list of ['/v1/events', '/v1/revocations', '/v1/audit']) {
    const all = (await grants.call('GET', `${list}?limit=500`)).body.data as { provider_id: string | null }[];
    expect(all.filter(({ provider_id }) => provider_id === CANARY_PROVIDER_ID)).toEqual([]);
    await eventually(
      async () => (await grants.call('GET', `${list}?provider_id=${CANARY_PROVIDER_ID}`)).body.data.length > 0,
    );
  }
  // It is no provider of anybody: whoever leaves the provider out still means the only one there is.
  const grant = { user_id: 'user_1', resource: 'vault', scopes: ['read'] };
  expect((await grants.call('POST', '/v1/grants', grant)).body.provider_id).toBe('idp');
  expect(
    (await grants.call('GET', '/v1/completeness')).body.data.map((one: { provider_id: string }) => one.provider_id),
  ).toEqual(['idp']);
});

test('what nobody refuses is not called refused', () => {
  const now = Date.now();
  const run = (ageMs: number, refusedMs: number | null) => ({
    startedAt: new Date(now - ageMs),
    acceptedMs: 1,
    refusedMs,
    problem: refusedMs === null ? 'not refused within 30 s' : null,
  });
  expect(summary([run(0, null), run(60_000, 5)], 60_000, now)).toMatchObject({
    status: 'failing',
    last_hour: { runs: 2, failed: 1, p50_ms: 5, worst_ms: 5 },
  });
  expect(summary([run(600_000, 5)], 60_000, now).status).toBe('unknown');
  expect(summary([], 60_000, now).status).toBe('unknown');
  expect(summary([], undefined, now).status).toBe('not_configured');
});
