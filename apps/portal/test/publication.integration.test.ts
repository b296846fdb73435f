import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { FencedProducer } from '#kafka/fenced-producer.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { encodeCloudEvent, identityProviderSource } from '#contracts/cloud-event.js';
import { CANARY_PROVIDER_ID, decodeIdentityProvider, IDENTITY_PROVIDER_TYPE } from '#contracts/identity-provider.js';
import { TOPICS } from '#contracts/topics.js';
import { Database } from '#platform/database.js';
import { ProviderRegistry } from '#providers/registry.js';
import { apiKeyOwner, sealingKeyOf, unseal } from '#providers/sealing.js';
import { eventually } from '#testing/eventually.js';
import { providerRecord } from '#testing/provider-record.js';
import { KEY, newPlace, type Place, type Portal, startPortal } from './portal.js';

const PROVIDERS = '/v1/identity-providers';
const wanted = { name: 'WorkOS', kind: 'workos', issuers: ['https://api.workos.com/user_management/client_01A'] };

let place: Place;
const open: { close(): Promise<unknown> }[] = [];
beforeEach(async () => {
  place = await newPlace();
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
  await place.leave();
});

async function portalHere(env: Record<string, string> = {}): Promise<Portal> {
  const portal = await startPortal(place, env);
  open.push(portal);
  return portal;
}
async function stop(portal: Portal): Promise<void> {
  open.splice(open.indexOf(portal), 1);
  await portal.close();
}
async function registryHere(): Promise<ProviderRegistry> {
  const registry = new ProviderRegistry(place.client);
  open.push(registry);
  await registry.start();
  await registry.ready;
  return registry;
}
async function create(portal: Portal, more: object = {}): Promise<string> {
  return (await portal.call('POST', PROVIDERS, { ...wanted, ...more })).body.id as string;
}
const settled = (portal: Portal) =>
  eventually(
    async () => {
      const [row] = await portal.app
        .get(Database)
        .source.query<{ waiting: number }[]>(
          'select count(*)::int as waiting from identity_providers where published_version < version',
        );
      return row!.waiting === 0;
    },
    { what: 'everything is published' },
  );

test('versions of one provider come in their order, however fast they are made', async () => {
  const portal = await portalHere();
  const id = await create(portal);
  await Promise.all(
    Array.from({ length: 30 }, (_, n) => portal.call('PATCH', `${PROVIDERS}/${id}`, { name: `Name ${n}` })),
  );
  await settled(portal);
  const versions: number[] = [];
  const reader = new TopicReader(place.client, {
    topics: [TOPICS.identityProviders],
    onRecords: (records) =>
      versions.push(...records.map(({ value }) => decodeIdentityProvider(value!).version)) as never,
  });
  open.push(reader);
  await reader.start();
  await reader.caughtUp;
  expect(versions).toEqual([...versions].sort((a, b) => a - b));
  expect(versions.at(-1)).toBe(31);
});

test('a change that was committed is published, whoever dies in between', async () => {
  const portal = await portalHere();
  const id = await create(portal);
  await settled(portal);
  await stop(portal);
  // What a portal leaves behind that dies after the commit and before Kafka has it.
  const client = new pg.Client({ connectionString: place.database.url });
  await client.connect();
  await client.query(
    `update portal.identity_providers
     set version = version + 1, settings = jsonb_set(settings, '{name}', '"Committed"') where id = $1`,
    [id],
  );
  await client.end();

  await portalHere();
  const registry = await registryHere();
  await eventually(() => registry.get(id)?.name === 'Committed', { what: 'it is published' });
});

test('without Kafka it takes changes, says that they wait, and publishes them later', async () => {
  const missing = async (url: string): Promise<Record<string, string>> => {
    const answer = await fetch(`${url}/health/ready`);
    const { missing } = (await answer.json()) as { missing?: Record<string, string> };
    return missing ?? {};
  };
  const alone = await startPortal(
    place,
    { KAFKA_BROKERS: '127.0.0.1:1' },
    async (url) => !('database' in (await missing(url))),
  );
  const made = await alone.call('POST', PROVIDERS, wanted);
  expect(made).toMatchObject({ status: 201, body: { version: 1, published: false } });
  expect(Object.keys(await missing(alone.url))).toEqual(['publication']);
  const metrics = await (await fetch(`${alone.url}/metrics`)).text();
  expect(metrics).toMatch(/rescind_publication_backlog_changes\{[^}]*\} 1/);
  await alone.close();

  const portal = await portalHere();
  const registry = await registryHere();
  await eventually(() => registry.get(made.body.id as string), { what: 'it is published' });
  // A new leader compares with what Kafka held a moment ago, and may publish the same version once more.
  const path = `${PROVIDERS}/${made.body.id}`;
  await eventually(async () => (await portal.call('GET', path)).body.published === true, { what: 'the API says so' });
});

test('two portals: each takes changes, one publishes, and another goes on when it ends', async () => {
  const first = await portalHere();
  const second = await portalHere();
  const registry = await registryHere();
  const a = await create(first);
  const b = await create(second);
  await eventually(() => registry.get(a) && registry.get(b), { what: 'both are seen' });
  await stop(first);
  await second.call('PATCH', `${PROVIDERS}/${a}`, { name: 'By the second' });
  await eventually(() => registry.get(a)?.name === 'By the second', { what: 'the change is seen' });
});

test('a former leader can write no more', async () => {
  const former = new FencedProducer(place.client, {
    transactionalId: 'portal-publication',
    topics: [TOPICS.identityProviders],
  });
  const portal = await portalHere();
  await settled(portal);
  // One that is sending just then is fenced before we hold the id, and takes it back: then nobody has acquired, and it is asked once more.
  await eventually(async () => {
    await former.acquire();
    return true;
  });
  const id = await create(portal);
  const registry = await registryHere();
  // The portal was fenced by us, stands again, and fences us in its turn.
  await eventually(() => registry.get(id), { what: 'it is published all the same' });
  const old = { topic: TOPICS.identityProviders, key: id, value: null };
  await expect(former.sendAll([old])).rejects.toThrow('newer holder');
  expect(registry.get(id)).toBeDefined();
  await former.close();
});

test('a topic that was made anew is filled again', async () => {
  const portal = await portalHere();
  const kept = await create(portal);
  const deleted = await create(portal);
  await portal.call('DELETE', `${PROVIDERS}/${deleted}`);
  await settled(portal);
  await stop(portal);
  place.topicPrefix = `portal-${randomBytes(4).toString('hex')}.`;
  const { KafkaClient } = await import('#kafka/client.js');
  place.client = new KafkaClient({ ...place.client.config, topicPrefix: place.topicPrefix });

  await portalHere();
  const registry = await registryHere();
  await eventually(() => registry.get(kept), { what: 'it is there again' });
  expect(registry.all()).toHaveLength(1);
});

test('after a restored database, its state stands on the topic as a newer version, and a deletion is made good', async () => {
  const portal = await portalHere();
  const id = await create(portal);
  const gone = await create(portal);
  for (let n = 0; n < 3; n++) await portal.call('PATCH', `${PROVIDERS}/${id}`, { name: `Name ${n}` });
  await settled(portal);
  await stop(portal);
  const client = new pg.Client({ connectionString: place.database.url });
  await client.connect();
  await client.query(`
    alter table portal.identity_providers disable trigger versions_only_grow;
    update portal.identity_providers
      set published_version = 1, version = 1, settings = jsonb_set(settings, '{name}', '"Restored"') where id = '${id}';
    update portal.identity_providers set deleted_at = now() where id = '${gone}';
    alter table portal.identity_providers enable trigger versions_only_grow;`);
  await client.end();

  const restored = await portalHere();
  const registry = await registryHere();
  await eventually(() => registry.get(id)?.name === 'Restored', { what: 'the restored state is seen' });
  expect(registry.get(id)!.version).toBe(5);
  await eventually(() => registry.get(gone) === undefined, { what: 'the deletion is seen' });
  expect((await restored.call('PATCH', `${PROVIDERS}/${id}`, { name: 'After' })).body.version).toBe(6);
});

test('an empty database leaves alone what it does not know', async () => {
  const portal = await portalHere();
  const id = await create(portal);
  await settled(portal);
  await stop(portal);
  const client = new pg.Client({ connectionString: place.database.url });
  await client.connect();
  await client.query('drop schema portal cascade');
  await client.end();
  const publisher = new BatchPublisher(place.client);
  open.push(publisher);
  const canary = encodeCloudEvent({
    id: 'canary/1',
    source: identityProviderSource(CANARY_PROVIDER_ID),
    type: IDENTITY_PROVIDER_TYPE,
    providerid: CANARY_PROVIDER_ID,
    data: providerRecord(CANARY_PROVIDER_ID),
  });
  await publisher.publish(TOPICS.identityProviders, { key: CANARY_PROVIDER_ID, ...canary });

  const empty = await portalHere();
  await eventually(() => empty.log().includes('does not know'), { what: 'it has compared' });
  const warning = empty
    .log()
    .split('\n')
    .find((line) => line.includes('does not know'));
  expect((JSON.parse(warning!) as { providers: string[] }).providers).toEqual([id]);
  const registry = await registryHere();
  expect(registry.get(id)).toBeDefined();
});

test('with a new first key everything is sealed again, so that the old key can go', async () => {
  const portal = await portalHere();
  const id = await create(portal, { api_key: 'sk_test_sealed_twice' });
  const { secret, url } = (await portal.call('POST', `${PROVIDERS}/${id}/webhook`)).body as Record<string, string>;
  await settled(portal);
  await stop(portal);

  const newKey = randomBytes(32).toString('base64');
  await stop(await portalHere({ RESCIND_ENCRYPTION_KEYS: `k2:${newKey},k1:${KEY}` }));
  const rotated = await portalHere({ RESCIND_ENCRYPTION_KEYS: `k2:${newKey}` });
  const registry = await registryHere();
  const data = await eventually(
    () => {
      const found = registry.get(id);
      return found && sealingKeyOf(found.api_key!) === 'k2' ? found : undefined;
    },
    { what: 'it is sealed again' },
  );
  const keys = [{ id: 'k2', key: Buffer.from(newKey, 'base64') }];
  expect(unseal(data.api_key!, apiKeyOwner(id), keys)).toBe('sk_test_sealed_twice');
  expect(data.webhook!.secrets.map(({ sealed }) => sealingKeyOf(sealed))).toEqual(['k2']);
  expect((await rotated.call('GET', `${PROVIDERS}/${id}/webhook`)).body.url).toBe(url);
  expect(rotated.log()).not.toContain(secret);
});
