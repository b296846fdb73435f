import { randomUUID } from 'node:crypto';
import { TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import { ensureTopics } from '#kafka/topics.js';
import { createLogger } from '#platform/logging.js';
import { eventually } from '#testing/eventually.js';
import { Feed } from '../src/feed/feed.js';

let client: KafkaClient;
let feed: Feed;
/** How long each rest was to be; here it lasts until it is ended. */
let rests: number[];

beforeEach(async () => {
  const brokers = process.env['KAFKA_BROKERS']!.split(',');
  client = new KafkaClient({ brokers, clientId: 'test', topicPrefix: `${randomUUID()}.` });
  await ensureTopics(client, { partitions: 2 });
  rests = [];
  feed = new Feed(client, createLogger('test', 'silent'), (ms, ended) => {
    rests.push(ms);
    return new Promise((resolve) => ended.addEventListener('abort', () => resolve()));
  });
  await feed.start();
});

afterEach(async () => {
  await feed.close();
  await client.close();
});

/** Revocations as one piece in one partition. */
async function revoked(partition: number, ...people: string[]): Promise<void> {
  const producer = client.open().producer();
  await producer.connect();
  const messages = people.map((person) => ({ partition, key: person, value: JSON.stringify(revocationOf(person)) }));
  await producer.send({ topic: client.topic(TOPICS.revocations), messages });
  await producer.disconnect();
}

const revocationOf = (person: string): object => ({
  specversion: '1.0',
  id: `revocation_${person}`,
  source: '/grants',
  type: 'io.rescind.revocation.v1',
  time: '2026-11-28T10:00:00.250Z',
  datacontenttype: 'application/json',
  data: {
    scope: `idp_1/user:${person}`,
    provider_id: 'idp_1',
    user_id: person,
    closed_at: 'infinity',
    opened_at: null,
    tokens_before: null,
    reason: 'user_deprovisioned',
    source_event_id: `event_${person}`,
    occurred_at: '2026-11-28T09:59:59.000Z',
    revoked_grant_ids: [],
  },
});

/** Whom the feed speaks of from now on, and at once of what it has kept. */
function follow(): { told: string[]; end(): void } {
  const told: string[] = [];
  const end = feed.follow(
    undefined,
    ({ data }) => told.push(data.user_id!),
    () => undefined,
  );
  return { told, end };
}

test('while nobody watches it rests after a few records; whoever comes ends that, and no rest follows', async () => {
  await revoked(0, 'anna');
  await eventually(() => rests.length === 1);
  expect(rests).toEqual([100]);
  await revoked(0, 'ben');
  await revoked(1, 'carl');
  const { told } = follow();
  expect(told).toEqual(['anna']);
  await eventually(() => told.length === 3);
  await revoked(1, 'dora');
  await eventually(() => told.includes('dora'));
  expect(rests).toHaveLength(1);
});

test('after many records it goes on at once', async () => {
  const many = Array.from({ length: 100 }, (_, index) => `many_${index}`);
  await revoked(0, ...many);
  await eventually(() => {
    const { told, end } = follow(); // and goes away before anything else can happen
    end();
    return told.length === 100;
  });
  expect(rests).toEqual([]);
});
