import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { CompactedView } from '#kafka/compacted-view.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ensureTopics } from '#kafka/topics.js';
import { clientOf, shared } from './kafka.js';
import { eventually } from '#testing/eventually.js';

let client: KafkaClient;
let publisher: BatchPublisher;
let view: CompactedView<{ name: string }>;

beforeEach(async () => {
  client = clientOf(shared());
  await ensureTopics(client);
  publisher = new BatchPublisher(client);
  view = new CompactedView(client, {
    topic: TOPICS.identityProviders,
    decode: (value) => JSON.parse(value.toString()) as { name: string },
  });
});

afterEach(async () => {
  await view.close();
  await publisher.close();
});

const put = (key: string, value: string | null) =>
  publisher.publish(TOPICS.identityProviders, { key, value: value === null ? null : Buffer.from(value) });

test('holds the newest value of each key, without the removed ones, when it is ready', async () => {
  await put('a', '{"name":"old"}');
  await put('a', '{"name":"new"}');
  await put('b', '{"name":"b"}');
  await put('gone', '{"name":"gone"}');
  await put('gone', null);
  await view.start();
  await view.ready;
  expect(view.isReady()).toBe(true);
  expect(view.isConnected()).toBe(true);
  expect([...view.entries()]).toEqual([
    ['a', { name: 'new' }],
    ['b', { name: 'b' }],
  ]);
  expect(view.size).toBe(2);
  expect(view.positions()).toEqual({ 0: '5' });
});

test('tells of each change, until told to stop; a listener that throws harms nobody', async () => {
  await view.start();
  const changes: [string, string | undefined][] = [];
  view.onChange(() => {
    throw new Error('bad listener');
  });
  const stop = view.onChange((key, value) => changes.push([key, value?.name]));
  await put('a', '{"name":"one"}');
  await put('a', null);
  await eventually(() => changes.length === 2);
  stop();
  await put('a', '{"name":"two"}');
  await eventually(() => view.get('a')?.name === 'two');
  expect(changes).toEqual([
    ['a', 'one'],
    ['a', undefined],
  ]);
});

test('skips and counts what cannot be read, and keeps the last value that could', async () => {
  await put('a', '{"name":"good"}');
  await put('a', '{ not json');
  await put('b', '{"name":"b"}');
  await view.start();
  await view.ready;
  expect(view.get('a')).toEqual({ name: 'good' });
  expect(view.get('b')).toEqual({ name: 'b' });
  expect(view.undecodable).toBe(1);
});
