import { randomBytes } from 'node:crypto';
import { IDENTITY_PROVIDER_TYPE, type IdentityProviderData } from '#contracts/identity-provider.js';
import { TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ensureTopics } from '#kafka/topics.js';
import { providerRecord } from '#testing/provider-record.js';
import { ProviderRegistry } from '../src/registry.js';

let client: KafkaClient;
let publisher: BatchPublisher;
let registry: ProviderRegistry;
beforeAll(async () => {
  client = new KafkaClient({
    brokers: process.env['KAFKA_BROKERS']!.split(','),
    clientId: 'test',
    topicPrefix: `t${randomBytes(5).toString('hex')}.`,
  });
  await ensureTopics(client, { partitions: 1, replicationFactor: 1 });
  publisher = new BatchPublisher(client);
  registry = new ProviderRegistry(client);
  await registry.start();
  await registry.ready;
});
afterAll(async () => {
  await registry.close();
  await publisher.close();
  await client.close();
});

async function publish(id: string, settings: Partial<IdentityProviderData> | null): Promise<void> {
  const data = providerRecord(id, { issuers: [`https://${id}.test`], ...settings });
  const record = {
    specversion: '1.0',
    id,
    source: '/test',
    type: IDENTITY_PROVIDER_TYPE,
    datacontenttype: 'application/json',
    data,
  };
  await publisher.publish(TOPICS.identityProviders, {
    key: id,
    value: settings === null ? null : Buffer.from(JSON.stringify(record)),
  });
}

const TIMEOUT_MS = 60_000;

test('settled: whatever was published before is known, and what is not known then is certain not to be there', async () => {
  for (let turn = 0; turn < 5; turn++) {
    const id = `idp_${turn}`;
    await publish(id, { mode: 'shadow' });
    await registry.settle([id, 'idp_of_nobody'], TIMEOUT_MS);
    expect(registry.get(id)).toMatchObject({ mode: 'shadow' });
    expect(registry.get('idp_of_nobody')).toBeUndefined();
  }
  await publish('idp_0', null);
  await registry.settle(['idp_of_nobody'], TIMEOUT_MS);
  await registry.settle(['idp_0'], TIMEOUT_MS);
  expect(registry.get('idp_0')).toBeUndefined();
});

test('without Kafka nothing is certain but what is known', async () => {
  const away = new ProviderRegistry(
    new KafkaClient({ brokers: ['127.0.0.1:1'], clientId: 'test', topicPrefix: 'away.' }),
  );
  await expect(away.settle(['idp_1'], 50)).rejects.toThrow();
  await registry.settle(['idp_1'], 0);
});
