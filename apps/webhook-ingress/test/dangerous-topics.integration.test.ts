import { randomBytes } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import { TopicsDangerous } from '#kafka/topics.js';
import { eventually } from '#testing/eventually.js';
import { WebhookActivityReport } from '../src/webhook-activity.js';
import { startReplica } from './ingress.js';

const topicPrefix = `dangerous-${randomBytes(4).toString('hex')}.`;
const settings = {
  HOST: '127.0.0.1',
  PORT: '0',
  LOG_LEVEL: 'silent',
  KAFKA_BROKERS: process.env['KAFKA_BROKERS'],
  KAFKA_TOPIC_PREFIX: topicPrefix,
  KAFKA_PARTITIONS: '2',
  KAFKA_REPLICATION_FACTOR: '1',
  RESCIND_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
};
const client = new KafkaClient({ brokers: process.env['KAFKA_BROKERS']!.split(','), clientId: 'test', topicPrefix });
const events = client.topic(TOPICS.workosEvents);

/** A compacted topic drops all but the newest event of a user. */
const setCleanupPolicy = (value: string): Promise<unknown> =>
  client.withAdmin((admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: 2, // a topic
          name: events,
          configEntries: [
            { name: 'cleanup.policy', value },
            { name: 'retention.ms', value: '-1' },
            { name: 'max.message.bytes', value: String(2 * 1024 * 1024) },
          ],
        },
      ],
    }),
  );
/** Once everything reads: kafkajs does not let go of a reader that is closed while it joins. */
const close = async (app: NestFastifyApplication): Promise<void> => {
  await app.get(WebhookActivityReport).ready;
  await app.close();
};
const readiness = async (base: string): Promise<number> => (await fetch(`${base}/health/ready`)).status;

beforeAll(async () => {
  await client.withAdmin((admin) => admin.createTopics({ topics: [{ topic: events, numPartitions: 2 }] }));
  await setCleanupPolicy('compact');
});
afterAll(() => client.close());

test('events on a topic that drops some: by default it is said, and webhooks are taken', async () => {
  const said: object[] = [];
  const { app, base } = await startReplica(settings, (fields) => said.push(fields));
  await eventually(async () => (await readiness(base)) === 200);
  expect(said).toContainEqual({ topic: events, problem: expect.stringMatching(/^compacted/) as string });
  await close(app);
});

test('KAFKA_TOPIC_PROBLEMS=refuse: nothing is taken, it is said which topic, and once that is mended it goes on by itself', async () => {
  const refusals: Error[] = [];
  const { app, base } = await startReplica({ ...settings, KAFKA_TOPIC_PROBLEMS: 'refuse' }, ({ err }) => {
    if (err instanceof TopicsDangerous) refusals.push(err);
  });
  await eventually(() => refusals.length >= 2, { what: 'a second look at the topics' });
  expect(refusals[0]!.message).toContain(events);
  expect(await readiness(base)).toBe(503);
  await setCleanupPolicy('delete');
  await eventually(async () => (await readiness(base)) === 200);
  await close(app);
});
