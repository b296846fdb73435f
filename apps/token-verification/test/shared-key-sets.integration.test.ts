import { randomUUID } from 'node:crypto';
import { encodeCloudEvent } from '#contracts/cloud-event.js';
import { KEY_SET_TYPE } from '#contracts/key-set.js';
import { TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ensureTopics } from '#kafka/topics.js';
import { createLogger } from '#platform/logging.js';
import { eventually } from '#testing/eventually.js';
import { SharedKeySets } from '../src/keys/shared-key-sets.js';
import { makeIssuer } from './issuer.js';

const URL_A = 'https://keys.test/a';
const URL_B = 'https://keys.test/b';
const { jwk } = makeIssuer('client', 'key_1', 'ed25519');
const { jwk: other } = makeIssuer('client', 'key_2', 'ed25519');
const logger = createLogger('test', 'silent');
const clientOf = (brokers: string[]) => new KafkaClient({ brokers, clientId: 'test', topicPrefix: `${randomUUID()}.` });

let client: KafkaClient;
let publisher: BatchPublisher;
let opened: SharedKeySets[];

/** One replica of token-verification. */
async function open(): Promise<SharedKeySets> {
  const sets = new SharedKeySets(client, publisher, logger);
  opened.push(sets);
  await sets.start();
  return sets;
}
const records = async (): Promise<number> => Number((await client.endOffsets(TOPICS.keySets))[0]);

beforeEach(async () => {
  client = clientOf(process.env['KAFKA_BROKERS']!.split(','));
  publisher = new BatchPublisher(client);
  opened = [];
  await ensureTopics(client);
});

afterEach(async () => {
  await Promise.all(opened.map((sets) => sets.close()));
  await publisher.close();
  await client.close();
});

test('what one was told all know, also one that comes later; by address', async () => {
  const [one, two] = [await open(), await open()];
  one.share(URL_A, { fetchedAt: 1_000, keys: [jwk] });
  one.share(URL_B, { fetchedAt: 2_000, keys: [other] });
  await eventually(async () => (await two.of(URL_B)) !== undefined);
  for (const sets of [one, two, await open()]) {
    await eventually(async () => (await sets.of(URL_B)) !== undefined);
    expect(await sets.of(URL_A)).toEqual({ fetchedAt: 1_000, keys: [jwk] });
    expect(await sets.of(URL_B)).toEqual({ fetchedAt: 2_000, keys: [other] });
    expect(await sets.of('https://keys.test/c')).toBeUndefined();
  }
});

test('what all know is told again after a minute, and at once where it has changed', async () => {
  const [one, two] = [await open(), await open()];
  const known = (at: number) => eventually(async () => (await two.of(URL_A))?.fetchedAt === at);
  one.share(URL_A, { fetchedAt: 0, keys: [jwk] });
  await known(0);
  two.share(URL_A, { fetchedAt: 59_999, keys: [jwk] });
  two.share(URL_A, { fetchedAt: 60_000, keys: [jwk] });
  await known(60_000);
  two.share(URL_A, { fetchedAt: 60_001, keys: [jwk, other] });
  await known(60_001);
  expect(await records()).toBe(3);
});

test('a record that speaks of another address, or is none, changes nothing', async () => {
  const sets = await open();
  const put = (key: string, data: object) =>
    publisher.publish(TOPICS.keySets, {
      key,
      ...encodeCloudEvent({ id: randomUUID(), source: '/token-verification', type: KEY_SET_TYPE, data }),
    });
  const said = { jwks_uri: URL_A, fetched_at: '2026-01-01T00:00:00.000Z', keys: [jwk] };
  await put(URL_A, said);
  await put(URL_A, { ...said, jwks_uri: URL_B, keys: [other] });
  await put(URL_A, { ...said, fetched_at: 'tomorrow', keys: [other] });
  await put(URL_A, { ...said, keys: Array.from({ length: 201 }, () => other) });
  await put(URL_B, { ...said, jwks_uri: URL_B });
  await eventually(async () => (await sets.of(URL_B)) !== undefined);
  expect(await sets.of(URL_A)).toEqual({ fetchedAt: Date.parse(said.fetched_at), keys: [jwk] });
});

test('nobody waits long for a topic that cannot be read, nor for one that cannot be written', async () => {
  const away = clientOf(['127.0.0.1:1']);
  const nobody = new BatchPublisher(away);
  const sets = new SharedKeySets(away, nobody, logger);
  void sets.start();
  sets.share(URL_A, { fetchedAt: 1_000, keys: [jwk] });
  expect(await sets.of(URL_A)).toBeUndefined();
  await Promise.all([sets.close(), nobody.close()]);
  await away.close();
});
