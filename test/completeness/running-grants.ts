import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { IDENTITY_PROVIDER_TYPE, type IdentityProviderData } from '#contracts/identity-provider.js';
import { type Topic, TOPICS } from '#contracts/topics.js';
import { encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import { KafkaBatchServer } from '#kafka/batch-server.js';
import type { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { loadConfig } from '#platform/config.js';
import { createService, listen } from '#platform/serve.js';
import { apiKeyOwner, encryptionKeys, seal } from '#providers/sealing.js';
import { eventually } from '#testing/eventually.js';
import { providerRecord } from '#testing/provider-record.js';
import { AppModule } from '../../apps/grants/src/app.module.js';
import { grantsConfig } from '../../apps/grants/src/config.js';
import { Lifetime } from '../../apps/grants/src/lifetime.js';
import type { Sandbox } from '../../tools/workos-sandbox/src/sandbox.js';

export const KEYS = `k1:${Buffer.alloc(32, 7).toString('base64')}`;

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the service says
export type Body = any;
export interface Answer {
  status: number;
  body: Body;
}

export interface RunningGrants {
  url: string;
  call(method: string, path: string, body?: object): Promise<Answer>;
  close(): Promise<void>;
}

/** grants, in this process, as `main.ts` starts it; quick to read the Events API. */
export async function startGrants(
  databaseUrl: string,
  client: KafkaClient,
  env: Record<string, string> = {},
): Promise<RunningGrants> {
  const config = loadConfig(grantsConfig, {
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'silent',
    KAFKA_BROKERS: client.config.brokers.join(),
    KAFKA_TOPIC_PREFIX: client.config.topicPrefix,
    KAFKA_PARTITIONS: '2',
    KAFKA_REPLICATION_FACTOR: '1',
    DATABASE_URL: databaseUrl,
    RESCIND_API_KEYS: 'tester:secret',
    RESCIND_ENCRYPTION_KEYS: KEYS,
    TAIL_INTERVAL_MS: '200',
    TAIL_FAST_INTERVAL_MS: '100',
    TAIL_HOLD_BACK_MS: '0',
    TAIL_OVERLAP_MS: '1000',
    ...env,
  });
  const options = { ...config, logger: pino({ level: process.env['TEST_LOG'] ?? 'silent' }) };
  const app: NestFastifyApplication = await createService(
    AppModule.forRoot(config, options.logger, new Registry()),
    options,
  );
  app.connectMicroservice({ strategy: app.get(KafkaBatchServer) });
  const url = await listen(app, options);
  app.get(Lifetime).start(async () => {
    await app.startAllMicroservices();
  });
  await eventually(async () => (await fetch(`${url}/health/ready`)).status === 200, { what: 'grants is ready' });
  return {
    url,
    call: async (method, path, body) => {
      const response = await fetch(url + path, {
        method,
        headers: { authorization: 'Bearer secret', ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
    },
    close: () => app.close(),
  };
}

/** A provider whose WorkOS is the sandbox. */
export function providerOf(sandbox: Pick<Sandbox, 'url' | 'apiKey'>, id: string): IdentityProviderData {
  return providerRecord(id, {
    api_base_url: sandbox.url,
    api_key: seal(sandbox.apiKey, apiKeyOwner(id), encryptionKeys.parse(KEYS)),
  });
}

export function publishProvider(publisher: BatchPublisher, data: IdentityProviderData): Promise<void> {
  return publish(publisher, TOPICS.identityProviders, data.id, {
    specversion: '1.0',
    id: `${data.id}-${data.version}`,
    source: '/test',
    type: IDENTITY_PROVIDER_TYPE,
    datacontenttype: 'application/json',
    data,
  });
}

const publish = (publisher: BatchPublisher, topic: Topic, key: string, value: object): Promise<void> =>
  publisher.publish(topic, { key, value: Buffer.from(JSON.stringify(value)) });

/** As webhook-ingress does with what WorkOS has posted. */
export function publishWebhook(publisher: BatchPublisher, providerId: string, body: string): Promise<void> {
  const bytes = Buffer.from(body);
  const envelope = readWorkOSEnvelope(bytes);
  const value = encodeWorkOSRecord(bytes, envelope, { id: providerId, mode: 'enforced' }, new Date());
  return publisher.publish(TOPICS.workosEvents, { key: envelope.key, value });
}
