import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { IDENTITY_PROVIDER_TYPE, type IdentityProviderData } from '#contracts/identity-provider.js';
import { TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { loadConfig } from '#platform/config.js';
import { createLogger } from '#platform/logging.js';
import { createRegistry } from '#platform/metrics.js';
import { createService, listen } from '#platform/serve.js';
import { ProviderRegistry } from '#providers/registry.js';
import { type EncryptionKeys, seal, webhookSecretOwner } from '#providers/sealing.js';
import { eventually } from '#testing/eventually.js';
import { providerRecord } from '#testing/provider-record.js';
import { AppModule, serveOptions } from '../src/app.module.js';
import { ingressConfig } from '../src/config.js';

export const CURRENT = 'whsec_0FWAiVGkEfGBqqsJH4aNAGBJ4';
export const PREVIOUS = 'f'.repeat(64);

const newToken = (): string => randomBytes(32).toString('base64url');

/**
 * The service in this process, with one endpoint that it can open, one whose secrets are sealed with another key, and one of
 * a provider in shadow mode.
 */
export interface Ingress {
  app: NestFastifyApplication;
  base: string;
  client: KafkaClient;
  token: string;
  lockedToken: string;
  shadowToken: string;
  registry: ProviderRegistry;
  /** One more replica of the same installation. */
  another(
    settings?: Record<string, string>,
  ): Promise<{ app: NestFastifyApplication; base: string; close(): Promise<void> }>;
  close(): Promise<void>;
}

export async function startIngress(settings: Record<string, string | undefined>): Promise<Ingress> {
  const key = randomBytes(32);
  const [token, lockedToken, shadowToken] = [newToken(), newToken(), newToken()];
  const all = {
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'silent',
    KAFKA_TOPIC_PREFIX: `ingress-${randomBytes(4).toString('hex')}.`,
    KAFKA_PARTITIONS: '3',
    RESCIND_ENCRYPTION_KEYS: `k1:${key.toString('base64')}`,
    ...settings,
  };
  const { app, base, config } = await startReplica(all);
  const client = new KafkaClient(config.kafka);
  const publisher = new BatchPublisher(client);
  const registry = app.get(ProviderRegistry);
  await registry.ready;
  const known = new Promise<void>((resolve) =>
    registry.onChange(() => void (registry.all().length === 3 && resolve())),
  );
  await publisher.start();
  await publishProvider(publisher, 'idp_open', token, [{ id: 'k1', key }]);
  await publishProvider(publisher, 'idp_locked', lockedToken, [{ id: 'k2', key: randomBytes(32) }]);
  await publishProvider(publisher, 'idp_shadow', shadowToken, [{ id: 'k1', key }], 'shadow');
  await known;
  await publisher.close();
  return {
    app,
    base,
    client,
    token,
    lockedToken,
    shadowToken,
    registry,
    another: async (more = {}) => {
      const replica = await startReplica({ ...all, ...more });
      await eventually(async () => (await fetch(`${replica.base}/health/ready`)).status === 200);
      return { ...replica, close: () => replica.app.close() };
    },
    close: async () => {
      await app.close();
      await client.close();
    },
  };
}

/** @param onWarning what would be logged */
export async function startReplica(
  settings: Record<string, string | undefined>,
  onWarning?: (fields: { err?: Error }, message?: string) => void,
) {
  const config = loadConfig(ingressConfig, settings);
  const logger = createLogger('test', 'silent');
  if (onWarning) logger.warn = onWarning as typeof logger.warn;
  const options = serveOptions(config, logger);
  const app = await createService(AppModule.forRoot(config, logger, createRegistry('test')), options);
  return { app, config, base: await listen(app, options) };
}

async function publishProvider(
  publisher: BatchPublisher,
  id: string,
  token: string,
  keys: EncryptionKeys,
  mode: IdentityProviderData['mode'] = 'enforced',
): Promise<void> {
  const secret = (secretId: string, text: string) => ({
    id: secretId,
    sealed: seal(text, webhookSecretOwner(id, secretId), keys),
    origin: 'pasted' as const,
    created_at: '2026-01-01T00:00:00.000Z',
  });
  const data = providerRecord(id, {
    mode,
    webhook: {
      endpoint_token_sha256: createHash('sha256').update(token).digest('hex'),
      secrets: [secret('previous', PREVIOUS), secret('current', CURRENT)],
    },
  });
  const event = {
    specversion: '1.0',
    id: `${id}-1`,
    source: '/portal',
    type: IDENTITY_PROVIDER_TYPE,
    datacontenttype: 'application/json',
    data,
  };
  await publisher.publish(TOPICS.identityProviders, { key: id, value: Buffer.from(JSON.stringify(event)) });
}

let count = 0;

/** The body of an event of its own. */
export const userDeleted = (over: object = {}): string =>
  JSON.stringify({
    id: `event_${++count}`,
    object: 'event',
    event: 'user.deleted',
    data: { object: 'user', id: `user_${count}` },
    created_at: '2026-01-15T12:00:00.000Z',
    ...over,
  });

export const signatureOf = (body: string | Buffer, { secret = CURRENT, at = Date.now() } = {}): string =>
  `t=${at}, v1=${createHmac('sha256', secret)
    .update(Buffer.concat([Buffer.from(`${at}.`), Buffer.from(body)]))
    .digest('hex')}`;

export async function deliver(
  base: string,
  token: string,
  { body = userDeleted(), signature = signatureOf(body) as string, from = undefined as string | undefined } = {},
): Promise<Response> {
  return fetch(`${base}/webhooks/workos/${token}`, {
    method: 'POST',
    headers: { 'workos-signature': signature, ...(from === undefined ? {} : { 'x-forwarded-for': from }) },
    body,
  });
}

export async function expectProblem(answer: Response, status: number, code: string): Promise<void> {
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect({ status: answer.status, ...((await answer.json()) as object) }).toMatchObject({ status, code });
}
