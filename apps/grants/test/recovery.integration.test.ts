import { pino } from 'pino';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { eventually } from '#testing/eventually.js';
import { movePosition, readPosition, readProgress } from '../src/outbox/outbox.sql.js';
import { recover } from '../src/outbox/recovery.js';
import { rowsOf } from '#platform/sql.js';
import { ownTopics } from './kafka.js';
import { ownDatabase } from './support.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
let client: KafkaClient;
beforeAll(async () => {
  own = await ownDatabase();
  client = await ownTopics();
  // A broker that has just come up is still loading what it knows of groups.
  await eventually(() => client.committedOffsets('grants', [TOPICS.workosEvents]), {
    what: 'the coordinator of the group answers',
  });
});
afterAll(async () => {
  await client.close();
  await own.drop();
});

const position = (partition: number): Promise<string> =>
  own.database.read((tx) => readPosition(tx, TOPICS.workosEvents, partition));
/** What heartbeats claim: verifiers that start now read on from there. */
const claimed = async (): Promise<Record<string, string>> => {
  const query = async (text: string, parameters?: unknown[]) => ({
    rows: await own.database.read((tx) => rowsOf(tx, text, parameters)),
  });
  return (await readProgress({ query }, TOPICS.workosEvents)).applied;
};

test('a partition that ends before what was applied is read from its beginning, and nothing is claimed of it', async () => {
  const publisher = new BatchPublisher(client);
  const sent = { key: 'user_1', value: Buffer.from('{}') };
  for (let i = 0; i < 3; i++) await publisher.publish(TOPICS.workosEvents, sent);
  await publisher.close();
  const ends = await client.endOffsets(TOPICS.workosEvents);
  const [full] = Object.entries(ends).find(([, end]) => end === '3')!;
  const [empty] = Object.entries(ends).find(([, end]) => end === '0')!;
  await own.database.transaction(async (tx) => {
    await movePosition(tx, TOPICS.workosEvents, Number(full), '3'); // all of it, and no more than there is
    await movePosition(tx, TOPICS.workosEvents, Number(empty), '42'); // of a Kafka that is gone
  });

  const parts = { database: own.database, client, groupId: 'grants', limits: { inline: 10 } };
  const found = await recover({ ...parts, logger: pino({ level: 'silent' }) });

  expect(found.shortened).toMatchObject([{ topic: TOPICS.workosEvents, partition: Number(empty) }]);
  expect([await position(Number(full)), await position(Number(empty))]).toEqual(['3', '0']);
  expect(await claimed()).toEqual({ [full]: '3' });
});
