import { TOPIC_SPECS, TOPICS } from '#contracts/topics.js';
import { BrokerUnavailable } from '#kafka/errors.js';
import { ensureTopics, prepareTopics, TopicsDangerous } from '#kafka/topics.js';
import { clientOf, shared } from './kafka.js';

test('creates what is missing, as the contract says, with leaders; also when several do at once', async () => {
  const client = clientOf(shared());
  const outcomes = await Promise.all(
    [1, 2, 3].map(() => ensureTopics(client, { partitions: 4, replicationFactor: 1 })),
  );
  expect(outcomes).toEqual([[], [], []]);

  await client.withAdmin(async (admin) => {
    for (const { topic, partitions = 4 } of TOPIC_SPECS) {
      expect(await admin.fetchTopicOffsets(client.topic(topic))).toHaveLength(partitions);
    }
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [
        { type: 2, name: client.topic(TOPICS.revocationState), configNames: ['cleanup.policy', 'delete.retention.ms'] },
      ],
    });
    const config = Object.fromEntries(
      resources[0]!.configEntries.map((entry) => [entry.configName, entry.configValue]),
    );
    expect(config['cleanup.policy']).toBe('compact');
    expect(Number(config['delete.retention.ms'])).toBeGreaterThanOrEqual(7 * 86_400_000);
  });
});

test('changes no topic that exists, and says what about it is dangerous', async () => {
  const client = clientOf(shared());
  const create = (topic: string, config: Record<string, string>) =>
    client.withAdmin((admin) =>
      admin.createTopics({
        waitForLeaders: false, // ensureTopics waits for them
        topics: [
          {
            topic: client.topic(topic),
            numPartitions: 2,
            replicationFactor: 1,
            configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
          },
        ],
      }),
    );
  await create(TOPICS.revocationState, { 'cleanup.policy': 'delete' });
  await create(TOPICS.workosEvents, { 'retention.ms': '60000', 'max.message.bytes': '1000000' });
  await create(TOPICS.revocations, { 'cleanup.policy': 'compact' });
  await create(TOPICS.identityProviders, { 'cleanup.policy': 'compact', 'delete.retention.ms': '1000' });

  const problems = await ensureTopics(client);
  const of = (topic: string) =>
    problems.filter((one) => one.topic === client.topic(topic)).map(({ problem }) => problem);
  expect(of(TOPICS.revocationState).join()).toMatch(/not compacted.*"delete"/);
  expect(of(TOPICS.workosEvents).join()).toMatch(/retention.ms is 60000.*max.message.bytes/);
  expect(of(TOPICS.revocations).join()).toMatch(/compacted: all but the newest/);
  expect(of(TOPICS.identityProviders).join()).toMatch(/delete.retention.ms.*2 partitions, the contract says 1/);
  expect(of(TOPICS.signIns)).toEqual([]);

  // As set it is said, or nothing goes on.
  const said: object[] = [];
  const logger = { info() {}, error() {}, warn: (fields: object) => said.push(fields) };
  await prepareTopics(client, {}, logger);
  expect(said).toEqual(problems);
  await expect(prepareTopics(client, { refuseProblems: true }, logger)).rejects.toThrow(TopicsDangerous);
  const sound = clientOf(shared());
  await prepareTopics(sound, { refuseProblems: true, replicationFactor: 1 }, logger);
  expect(said).toHaveLength(2 * problems.length);
});

test('without Kafka it throws BrokerUnavailable', async () => {
  const nobody = clientOf(['127.0.0.1:1']);
  await expect(nobody.ping()).rejects.toThrow(BrokerUnavailable);
  await expect(ensureTopics(nobody)).rejects.toThrow(BrokerUnavailable);
});
