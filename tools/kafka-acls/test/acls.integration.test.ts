import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// eslint-disable-next-line no-restricted-imports -- ACLs are nothing that a service does, so libs/kafka has no words for them
import kafkajs, { type AclEntry } from 'kafkajs';
import { TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ensureTopics } from '#kafka/topics.js';
import { type TestDatabase, testDatabase } from '#testing/database.js';
import { eventually } from '#testing/eventually.js';
import { freePort } from '#testing/free-port.js';
import { kafkaJars } from '#testing/kafka-jars.js';
import { LocalKafka } from '#testing/local-kafka.js';
import { type Acl, aclsOf } from '../src/acls.js';
// eslint-disable-next-line no-restricted-imports -- no library, but the issuer of the fault runs
import { Issuer } from '../../../test/faults/issuer.js';

const root = join(import.meta.dirname, '../../..');
const SERVICES = ['portal', 'webhook-ingress', 'grants', 'token-verification', 'signals'] as const;
type Service = (typeof SERVICES)[number];
const API_KEY = 'rsk_of_the_test';
const password = randomBytes(12).toString('hex');

let dir: string;
let kafka: LocalKafka;
let client: KafkaClient;
let database: TestDatabase;
let acls: Acl[];
const issuer = new Issuer();
const urls = {} as Record<Service, string>;
const processes: ChildProcess[] = [];
/** What an application is told by its webhook. */
const told: string[] = [];
let application: Server;
let output = '';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rescind-acls-'));
  const users = Object.fromEntries(SERVICES.map((service) => [service, password]));
  kafka = await LocalKafka.create({ jars: await kafkaJars(join(root, '.local/cache')), dir, users });
  await kafka.start();
  client = new KafkaClient({ brokers: kafka.brokers.split(','), clientId: 'admin', topicPrefix: '' });
  await ensureTopics(client, { partitions: 3 });
  acls = aclsOf(await readFile(join(root, 'deploy/kafka/acls.yaml'), 'utf8'));
  await client.withAdmin((admin) => admin.createAcls({ acl: acls.map(entryOf) }));
  database = await testDatabase();
  await issuer.start();
  application = createServer((request, response) => {
    void text(request).then((body) => {
      told.push(body);
      response.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  await once(application, 'listening');
  for (const service of SERVICES) await startService(service);
  await eventually(
    async () => {
      const answers = await Promise.all(SERVICES.map((service) => fetch(`${urls[service]}/health/ready`)));
      return answers.every(({ status }) => status === 200);
    },
    { timeoutMs: 120_000, everyMs: 200, what: 'every service ready, with the rights that the file gives' },
  ).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}\n${output.slice(-4_000)}`);
  });
}, 300_000);

afterAll(async () => {
  for (const child of processes) {
    child.kill();
    if (child.exitCode === null) await once(child, 'exit');
  }
  issuer.stop();
  application?.closeAllConnections();
  application?.close();
  await client?.close();
  await kafka?.stop();
  await database?.drop();
  await rm(dir, { recursive: true, force: true });
}, 120_000);

const RESOURCES = {
  topic: kafkajs.AclResourceTypes.TOPIC,
  group: kafkajs.AclResourceTypes.GROUP,
  'transactional-id': kafkajs.AclResourceTypes.TRANSACTIONAL_ID,
};
const OPERATIONS = {
  Read: kafkajs.AclOperationTypes.READ,
  Write: kafkajs.AclOperationTypes.WRITE,
  Describe: kafkajs.AclOperationTypes.DESCRIBE,
  DescribeConfigs: kafkajs.AclOperationTypes.DESCRIBE_CONFIGS,
};
const entryOf = ({ principal, resource, name, prefixed, operation }: Acl): AclEntry => ({
  principal,
  host: '*',
  resourceType: RESOURCES[resource],
  resourceName: name,
  resourcePatternType: prefixed ? kafkajs.ResourcePatternTypes.PREFIXED : kafkajs.ResourcePatternTypes.LITERAL,
  operation: OPERATIONS[operation],
  permissionType: kafkajs.AclPermissionTypes.ALLOW,
});

const guarded = (service: Service) => ({
  brokers: [kafka.authenticated!],
  clientId: service,
  topicPrefix: '',
  sasl: { mechanism: 'plain' as const, username: service, password },
});

async function startService(service: Service): Promise<void> {
  const port = await freePort();
  urls[service] = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [join(root, `dist/apps/${service}/src/main.js`)], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOST: '127.0.0.1',
      PORT: String(port),
      KAFKA_BROKERS: kafka.authenticated,
      KAFKA_SASL_MECHANISM: 'plain',
      KAFKA_SASL_USERNAME: service,
      KAFKA_SASL_PASSWORD: password,
      DATABASE_URL: database.url,
      RESCIND_API_KEYS: `admin:${API_KEY}`,
      RESCIND_ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
      RESCIND_ALLOW_LOCAL_HOSTS: 'true',
      WEBHOOK_BASE_URL: urls['webhook-ingress'] ?? 'http://127.0.0.1:1',
      WEBHOOK_ACTIVITY_INTERVAL_MS: '200',
      MAX_STALENESS_MS: '30000',
      SIGNALS_ISSUER: 'https://signals.example.com',
      RETRY_FIRST_MS: '200',
      RETRY_LONGEST_MS: '1000',
    },
  });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk));
  processes.push(child);
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the service says
async function call(service: Service, method: string, path: string, body?: object): Promise<any> {
  const answer = await fetch(urls[service] + path, {
    method,
    headers: { authorization: `Bearer ${API_KEY}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const said = await answer.text();
  return said === '' ? {} : JSON.parse(said);
}

test('the services do all their work with exactly the rights of deploy/kafka/acls.yaml', async () => {
  const iss = `${issuer.base}/issuer`;
  const provider = await call('portal', 'POST', '/v1/identity-providers', {
    name: 'of the test',
    kind: 'workos',
    issuers: [iss],
    jwks_uri: `${issuer.base}/jwks.json`,
    client_id: 'client_1',
    claim_mappings: { organization_id: 'org_id' },
  });
  const { url, secret } = await call('portal', 'POST', `/v1/identity-providers/${provider.id}/webhook`);
  const endpoint = `${urls['webhook-ingress']}/webhooks/workos/${(url as string).split('/').at(-1)}`;
  const iat = Math.floor(Date.now() / 1_000) - 60;
  const token = issuer.mint(iss, { sub: 'user_1', sid: 'session_1', org_id: 'org_1', client_id: 'client_1', iat });
  const verdict = () => call('token-verification', 'POST', '/v1/tokens/verify', { token });

  // token-verification reads providers and states, and tells of who signs in; grants reads that.
  await eventually(async () => (await verdict()).active === true, { what: 'the token is active' });
  await eventually(async () => (await call('grants', 'GET', '/v1/users/user_1')).id === 'user_1', {
    what: 'the sign-in',
  });

  const appUrl = `http://127.0.0.1:${(application.address() as AddressInfo).port}/told`;
  const stream = await call('signals', 'POST', '/v1/streams', { kind: 'webhook', url: appUrl });
  expect(stream).toHaveProperty('id');

  // webhook-ingress stores; token-verification and grants read; the relay publishes.
  const event = {
    id: 'event_1',
    event: 'user.deleted',
    data: { id: 'user_1' },
    created_at: new Date().toISOString(),
  };
  const deliver = async (): Promise<number> => {
    const body = JSON.stringify(event);
    const t = Date.now();
    const v1 = createHmac('sha256', secret as string)
      .update(`${t}.${body}`)
      .digest('hex');
    const headers = { 'workos-signature': `t=${t}, v1=${v1}` };
    return (await fetch(endpoint, { method: 'POST', headers, body })).status;
  };
  await eventually(async () => (await deliver()) === 200, { what: 'the delivery is stored' });
  await eventually(async () => (await verdict()).reason === 'user_deprovisioned', { what: 'the token is refused' });
  const announced = async () => (await call('grants', 'GET', '/v1/revocations')).data as { user_id: string }[];
  await eventually(async () => (await announced()).some(({ user_id }) => user_id === 'user_1'));
  // signals reads what is announced, and tells it.
  await eventually(() => told.some((body) => body.includes('user_1')), { what: 'the application is told' });
  await eventually(async () => (await client.lagOf('grants', [TOPICS.workosEvents])) !== undefined);

  // What happened at the webhook goes to the portal; so does who would be affected by another mapping.
  const webhook = () => call('portal', 'GET', `/v1/identity-providers/${provider.id}/webhook`);
  await eventually(async () => (await webhook()).last_delivery_at !== null, { what: 'the activity is shown' });
  const preview = await call('portal', 'POST', `/v1/identity-providers/${provider.id}/claim-mappings/preview`, {
    claim_mappings: { organization_id: 'tenant' },
  });
  expect(preview).toMatchObject({ complete: true, affected: { users: 1 } });

  // What cannot be read is set aside, and sent again.
  const publisher = new BatchPublisher(client);
  await publisher.publish(TOPICS.workosEvents, { key: 'x', value: Buffer.from('{') });
  await publisher.close();
  const aside = () => call('grants', 'GET', '/v1/set-aside?status=waiting');
  const [record] = await eventually(
    async () => ((await aside()).data as { id: string }[]).length > 0 && (await aside()).data,
  );
  expect(await call('grants', 'POST', `/v1/set-aside/${record.id}/redrive`)).not.toHaveProperty('code');
  await eventually(async () => (await endOf(TOPICS.workosEventsDlq)) >= 2n, {
    what: 'set aside, sent again, set aside',
  });
}, 300_000);

async function endOf(topic: string): Promise<bigint> {
  const offsets = await client.withAdmin((admin) => admin.fetchTopicOffsets(topic));
  return offsets.reduce((sum, { high }) => sum + BigInt(high), 0n);
}

test('and nobody can write what the file does not let them write', async () => {
  const written: string[] = [];
  for (const service of SERVICES) {
    const producer = new kafkajs.Kafka({
      ...guarded(service),
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { retries: 0 },
    }).producer({ allowAutoTopicCreation: false });
    await producer.connect();
    for (const topic of Object.values(TOPICS)) {
      const mayWrite = acls.some(
        (acl) => acl.principal === `User:${service}` && acl.name === topic && acl.operation === 'Write',
      );
      if (mayWrite) continue;
      const refusal = await producer.send({ topic, messages: [{ value: 'x' }] }).then(
        () => 'stored',
        (error: unknown) => (error as { type?: string }).type,
      );
      if (refusal !== 'TOPIC_AUTHORIZATION_FAILED') written.push(`${service} → ${topic}: ${refusal}`);
    }
    await producer.disconnect();
  }
  expect(written).toEqual([]);
}, 120_000);
