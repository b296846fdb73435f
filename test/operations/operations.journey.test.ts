import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StackFile } from '#testing/stack-file.js';
import { metricsIn } from '../../tools/deploy-check/src/manifests.js';
import { Browser } from '../journey/browser.js';
import { Client, untilAnswer, type Json } from '../journey/client.js';
import { TestStack } from '../journey/stack.js';
import { Collector, type CollectedSpan } from './collector.js';

const ROOT = join(import.meta.dirname, '../..');
const SERVICES = ['portal', 'webhookIngress', 'grants', 'tokenVerification'] as const;

const children: ChildProcess[] = [];
let collector: Collector;
let running: TestStack;
let stack: StackFile;
let client: Client;

beforeAll(async () => {
  collector = await Collector.start();
  running = await TestStack.create();
  stack = await running.start({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, LOG_LEVEL: 'trace' } });
  client = new Client(stack);
}, 300_000);

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await running.stop();
  await running.remove();
  collector.stop();
}, 300_000);

const becomes = (token: string, verdict: string) =>
  untilAnswer(
    () => client.verdict(token),
    (answer) => answer === verdict,
  );

test('each metric that an alert or the dashboard asks for is told by a running service', async () => {
  const chart = join(ROOT, 'deploy/helm/rescind');
  const asked = await Promise.all(
    ['rules/alerts.yaml', 'dashboards/rescind.json'].map((file) => readFile(join(chart, file), 'utf8')),
  );
  const told = await Promise.all(
    [...SERVICES, 'signals' as const].map(async (service) => (await fetch(`${stack[service]}/metrics`)).text()),
  );
  const names = new Set(told.flatMap((text) => [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!)));
  expect(names.size).toBeGreaterThan(30);
  expect([...new Set(metricsIn(asked.join('\n')))].filter((name) => !names.has(name))).toEqual([]);
});

test('one trace leads from the webhook over Kafka and the outbox to the first token that is refused', async () => {
  const person = await client.person();
  await becomes(person.token, 'active');
  await client.makeGrant({ user_id: person.userId, organization_id: person.organizationId });
  const membership = `/user_management/organization_memberships/${person.membershipId}`;
  await client.workos('PUT', `${membership}/deactivate`);
  await becomes(person.token, 'membership_inactive');

  const refusal = await untilAnswer(
    async () => collector.spans.find(({ name }) => name === 'refuse token')!,
    (span) => span !== undefined,
  );
  const inTrace = () => collector.spans.filter(({ traceId }) => traceId === refusal.traceId);
  const stations = [
    'webhook-ingress: receive webhook',
    'webhook-ingress: publish workos.events',
    'grants: apply event',
    'grants: publish access.revocation-state',
    'grants: publish access.revocations',
    'token-verification: take into view', // from workos.events
    'token-verification: take into view', // from access.revocation-state
    'token-verification: refuse token',
  ];
  const spans = await untilAnswer(
    async () => inTrace(),
    (all) => all.length >= stations.length,
  );
  const saidOf = ({ service, name }: CollectedSpan): string => `${service}: ${name}`;
  expect(spans.map(saidOf).sort()).toEqual([...stations].sort());
  const roots = spans.filter(({ parentSpanId }) => !parentSpanId);
  expect(roots.map(({ name, attributes }) => ({ name, attributes }))).toEqual([
    {
      name: 'receive webhook',
      attributes: {
        'rescind.provider_id': stack.provider.id,
        'rescind.event_id': expect.stringMatching(/^event_/),
        'rescind.event_type': 'organization_membership.updated',
        'rescind.outcome': 'stored',
      },
    },
  ]);
  // And each of the others follows one of the same trace.
  const ids = new Set(spans.map(({ spanId }) => spanId));
  expect(spans.filter((span) => span !== roots[0] && !ids.has(span.parentSpanId!))).toEqual([]);
  expect(refusal.attributes['rescind.reason']).toBe('membership_inactive');
  expect(await running.logs('webhookIngress')).toContain(`"trace_id":"${refusal.traceId}"`);
});

test('no secret, token or body is in anything that the services say', async () => {
  const secrets = new Map<string, string>();
  const seed = (what: string, value: string | undefined): string => {
    if (!value || value.length < 8) throw new Error(`${what} is no secret to look for: ${value}`);
    secrets.set(what, value);
    return value;
  };
  const settings = JSON.parse(await readFile(join(running.dir, 'settings.json'), 'utf8')) as Record<string, string>;
  for (const name of ['adminApiKey', 'portalApiKey', 'encryptionKey', 'introspectionSecret', 'sandboxApiKey']) {
    seed(name, settings[name]);
  }
  seed('the signing secret of the webhook', stack.webhook.secret);
  seed('the token of the webhook endpoint', new URL(stack.webhook.url).pathname.split('/').at(-1));

  // Somebody with a token, whose name comes in the body of a webhook.
  const person = await client.person();
  seed('an access token', person.token);
  seed('the signature of an access token', person.token.split('.')[2]);
  const name = seed('what stands in a body', `Marker${randomBytes(8).toString('hex')}`);
  await client.workos('PUT', `/user_management/users/${person.userId}`, { first_name: name });
  await becomes(person.token, 'active');
  await untilAnswer(
    () => client.api('grants', 'GET', `/v1/users/${person.userId}`),
    ({ body }) => JSON.stringify(body).includes(name),
  );

  // Everything that is asked with a secret, rightly and wrongly.
  const wrongKey = seed('a wrong API key', `rsk_${randomBytes(24).toString('base64url')}`);
  for (const url of SERVICES.map((service) => stack[service])) {
    for (const key of [stack.adminApiKey, wrongKey]) {
      const headers = { authorization: `Bearer ${key}` };
      for (const path of ['/v1/identity-providers', '/v1/users', '/v1/nothing', '/metrics', '/health/ready']) {
        await (await fetch(url + path, { headers })).text();
      }
    }
  }
  const broken = seed('a token that is none', `${person.token.slice(0, -9)}AAAAAAAAA`);
  for (const token of [person.token, broken]) {
    await client.verdict(token);
    await (
      await fetch(`${stack.tokenVerification}/v1/forward-auth`, { headers: { authorization: `Bearer ${token}` } })
    ).text();
    const wrongSecret = seed('a wrong client secret', randomBytes(24).toString('base64url'));
    for (const client_secret of [stack.introspection.clientSecret, wrongSecret]) {
      const form = new URLSearchParams({ token, client_id: stack.introspection.clientId, client_secret });
      await (await fetch(`${stack.tokenVerification}/oauth2/introspect`, { method: 'POST', body: form })).text();
    }
  }
  const wrongSigning = seed('a wrong signing secret', randomBytes(32).toString('hex'));
  const event = { id: 'event_operations', event: 'user.created', data: { id: 'user_operations', first_name: name } };
  expect(await client.deliver(event, { secret: wrongSigning })).toBe(401);
  expect(await client.deliver({ first_name: name })).toBe(400);
  const guessed = seed('a guessed endpoint', randomBytes(24).toString('base64url'));
  expect(await client.deliver(event, { url: `${stack.webhookIngress}/webhooks/workos/${guessed}` })).toBe(404);

  // What the portal hands out, and what is given to it.
  const key = await client.api('portal', 'POST', '/v1/api-keys', { name: 'operations', scopes: ['administrator'] });
  expect(key.status).toBe(201);
  const issued = seed(
    'an issued API key',
    Object.values(key.body).find((value) => /^rsk_/.test(String(value))) as string,
  );
  await (await fetch(`${stack.grants}/v1/users`, { headers: { authorization: `Bearer ${issued}` } })).text();
  const pasted = seed('a pasted signing secret', randomBytes(32).toString('hex'));
  const webhook = `/v1/identity-providers/${stack.provider.id}/webhook`;
  expect((await client.api('portal', 'POST', `${webhook}/secrets`, { secret: pasted })).status).toBeLessThan(300);
  const providerKey = seed('the API key of a provider', `sk_test_${randomBytes(16).toString('hex')}`);
  await client.api('portal', 'PATCH', `/v1/identity-providers/${stack.provider.id}`, { api_key: providerKey, kind: 7 });
  const browser = new Browser(stack.portal);
  expect((await browser.signIn(stack.provider.id, person.email)).status).toBe(303);
  for (const [cookie, value] of browser.cookies()) seed(`the cookie ${cookie}`, value);
  seed('the CSRF token', browser.csrf);

  await client.workos('DELETE', `/user_management/users/${person.userId}`);
  await becomes(person.token, 'user_deprovisioned');

  // A service whose database and Kafka are not there says what it waits for, and one with wrong settings what is wrong.
  const password = seed('the password of the database', randomBytes(12).toString('hex'));
  const saslPassword = seed('the password for Kafka', randomBytes(12).toString('hex'));
  const lost = {
    ...{ HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'trace', RESCIND_API_KEYS: `admin:${stack.adminApiKey}` },
    RESCIND_ENCRYPTION_KEYS: `k1:${settings['encryptionKey']}`,
    ...{ DATABASE_URL: `postgres://rescind:${password}@127.0.0.1:1/rescind`, KAFKA_BROKERS: '127.0.0.1:1' },
    ...{ KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'rescind', KAFKA_SASL_PASSWORD: saslPassword },
  };
  const waiting = service('grants', lost);
  const sending = service('webhook-ingress', lost);
  await untilAnswer(
    async () =>
      waiting.said().includes('could not prepare the database') && sending.said().includes('could not connect'),
    (both) => both,
  );
  const badKey = seed('an encryption key that is none', `k1:${randomBytes(9).toString('hex')}`);
  const refused = service('grants', { ...lost, RESCIND_ENCRYPTION_KEYS: badKey, DATABASE_URL: `nothing:${password}` });
  expect(await refused.ended).toBe(78);
  expect(refused.said()).toContain('RESCIND_ENCRYPTION_KEYS');

  const { output } = await running.stop(); // with what they say as they stop
  const everything: Record<string, string> = {
    'npm start': output,
    'the traces': collector.said,
    'a service without its database': waiting.said(),
    'a service without Kafka': sending.said(),
    'a service with wrong settings': refused.said(),
  };
  const logs = join(running.dir, 'logs');
  for (const file of await readdir(logs)) {
    // The sandbox is WorkOS, and prints its keys for whoever plays with it.
    if (file.endsWith('.log') && file !== 'sandbox.log') everything[file] = await readFile(join(logs, file), 'utf8');
  }
  const deliveries = (everything['webhookIngress.log'] ?? '').split('\n').filter((line) => line.includes('"delivery"'));
  expect(deliveries.length).toBeGreaterThan(5); // the logs are these
  const found = Object.entries(everything).flatMap(([where, said]) =>
    [...secrets].filter(([, value]) => said.includes(value)).map(([what]) => `${what} in ${where}`),
  );
  expect(found).toEqual([]);
}, 300_000);

/** A service by itself, with these settings alone. */
function service(name: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [join(ROOT, `dist/apps/${name}/src/main.js`)], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk));
  return {
    said: () => said,
    ended: once(child, 'exit').then(([code]: Json[]) => code as unknown as number | null),
  };
}
