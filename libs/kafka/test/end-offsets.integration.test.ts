import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { EndOffsets } from '#kafka/end-offsets.js';
import { ensureTopics } from '#kafka/topics.js';
import { clientOf, ownBroker, shared } from './kafka.js';
import { eventually } from '#testing/eventually.js';

const PATIENCE_MS = 60_000;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function endOffsetsOf(client: KafkaClient): Promise<EndOffsets> {
  await ensureTopics(client);
  const endOffsets = new EndOffsets(client, TOPICS.workosEvents);
  closers.push(() => endOffsets.close());
  return endOffsets;
}

test('a topic ends behind everything that Kafka has acknowledged, also what is not committed yet', async () => {
  const client = clientOf(shared());
  const endOffsets = await endOffsetsOf(client);
  const producer = client.open().producer({ transactionalId: `open-${Date.now()}`, maxInFlightRequests: 1 });
  closers.push(() => producer.disconnect());
  await producer.connect();
  const before = await endOffsets.newest(PATIENCE_MS);
  const transaction = await producer.transaction();
  const topic = client.topic(TOPICS.workosEvents);
  const [stored] = await transaction.send({ topic, messages: [{ partition: 0, value: 'a' }] });
  expect((await endOffsets.newest(PATIENCE_MS))!.offsets[0]).toBe(String(BigInt(stored!.baseOffset!) + 1n));
  expect(before!.offsets[0]).toBe(stored!.baseOffset);
  await transaction.abort();
});

test('while Kafka does not answer, what it said last stands, with its moment; then it is asked again', async () => {
  const broker = await ownBroker();
  closers.push(() => broker.stop());
  const endOffsets = await endOffsetsOf(clientOf(broker.brokers));
  const said = await endOffsets.newest(PATIENCE_MS);
  await broker.kill();
  expect(await endOffsets.newest(PATIENCE_MS)).toEqual(said);
  await broker.start();
  await eventually(async () => (await endOffsets.newest(PATIENCE_MS))!.at > said!.at);
});
