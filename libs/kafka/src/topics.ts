import { TOPIC_SPECS, type TopicSpec } from '#contracts/topics.js';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import { backoffMs } from './backoff.js';
import type { KafkaClient } from './client.js';
import type { KafkaLogger } from './logger.js';

export interface TopicProblem {
  /** As it is called in the cluster. */
  topic: string;
  problem: string;
}

export interface TopicOptions {
  /** Where the contract promises no number. */
  partitions?: number;
  /** -1: what the cluster has as its default. */
  replicationFactor?: number;
  /** Left out: what the cluster has as its default. */
  minInsyncReplicas?: number;
  specs?: readonly TopicSpec[];
  /** Of {@link prepareTopics}: nothing goes on while a topic endangers a promise. */
  refuseProblems?: boolean;
}

/** Topics exist that are configured so that records may get lost, and that is not put up with. */
export class TopicsDangerous extends Error {
  override readonly name = 'TopicsDangerous';
}

const DAY_MS = 86_400_000;
/** Webhooks carry up to 1 MiB, and the envelope comes on top. */
const MAX_RECORD_BYTES = 2 * 1024 * 1024;

function configOf(spec: TopicSpec, minInsyncReplicas?: number): Record<string, string> {
  return {
    'max.message.bytes': String(MAX_RECORD_BYTES),
    ...(minInsyncReplicas !== undefined && { 'min.insync.replicas': String(minInsyncReplicas) }),
    ...(spec.compacted
      ? {
          'cleanup.policy': 'compact',
          'min.cleanable.dirty.ratio': '0.1',
          'segment.ms': String(DAY_MS / 4),
          'segment.bytes': String(64 * 1024 * 1024),
          // A reader that was away for less than this learns of every removed key.
          'delete.retention.ms': String(7 * DAY_MS),
        }
      : {
          'cleanup.policy': 'delete',
          'retention.ms': String(spec.retentionMs),
          'retention.bytes': '-1',
        }),
  };
}

/**
 * Creates the topics of the contract that are missing, with leaders when it resolves; several may do so at once. Topics
 * that exist are never changed: what about them endangers a promise is returned. Throws `BrokerUnavailable`.
 */
export async function ensureTopics(client: KafkaClient, options: TopicOptions = {}): Promise<TopicProblem[]> {
  const { partitions = 6, replicationFactor = -1, minInsyncReplicas, specs = TOPIC_SPECS } = options;
  return client.withAdmin(async (admin) => {
    const existing = new Set(await admin.listTopics());
    for (const spec of specs) {
      const topic = client.topic(spec.topic);
      if (existing.has(topic)) continue;
      await admin.createTopics({
        // Only where one is being elected; a broker that has not heard of the topic yet makes it throw.
        waitForLeaders: false,
        timeout: 10_000,
        topics: [
          {
            topic,
            numPartitions: spec.partitions ?? partitions,
            replicationFactor,
            configEntries: entries(configOf(spec, minInsyncReplicas)),
          },
        ],
      });
    }
    for (const spec of specs) await onceKnown(() => admin.fetchTopicOffsets(client.topic(spec.topic)));
    return onceKnown(() => problemsOf(admin, client, specs, minInsyncReplicas));
  });
}

/**
 * As {@link ensureTopics}, and logs each problem. Throws {@link TopicsDangerous} where problems are not put up with: a service
 * that waits for this is not ready, takes nothing, and goes on by itself once the topics are mended.
 */
export async function prepareTopics(
  client: KafkaClient,
  options: TopicOptions,
  logger: KafkaLogger,
): Promise<TopicProblem[]> {
  const problems = await ensureTopics(client, options);
  for (const problem of problems) logger.warn({ ...problem }, 'topic');
  if (options.refuseProblems && problems.length > 0) {
    const topics = [...new Set(problems.map(({ topic }) => topic))].join(', ');
    throw new TopicsDangerous(`records may get lost in ${topics}: mend them, or set KAFKA_TOPIC_PROBLEMS=warn`);
  }
  return problems;
}

const entries = (config: Record<string, string>) => Object.entries(config).map(([name, value]) => ({ name, value }));

const KNOWN_WITHIN_MS = 30_000;

/**
 * A topic that was created a moment ago, by us or by somebody else: not every broker knows of it yet, nor that it leads it.
 * kafkajs asks again in some of these cases, and throws what Kafka answered in the others.
 */
async function onceKnown<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + KNOWN_WITHIN_MS;
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(backoffMs(attempt, 50, 1_000));
    }
  }
}

async function problemsOf(
  admin: Admin,
  client: KafkaClient,
  specs: readonly TopicSpec[],
  minInsyncReplicas: number | undefined,
): Promise<TopicProblem[]> {
  const names = specs.map((spec) => client.topic(spec.topic));
  const { brokers } = await admin.describeCluster();
  const metadata = await admin.fetchTopicMetadata({ topics: names });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: names.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
  });

  const problems: TopicProblem[] = [];
  for (const spec of specs) {
    const topic = client.topic(spec.topic);
    const report = (problem: string) => problems.push({ topic, problem });
    const described = resources.find((resource) => resource.resourceName === topic)?.configEntries ?? [];
    const config = new Map(described.map((entry) => [entry.configName, entry.configValue]));
    const number = (name: string) => Number(config.get(name) ?? NaN);
    const policy = (config.get('cleanup.policy') ?? '').split(',');

    if (spec.compacted) {
      if (!policy.includes('compact')) report('not compacted: the topic grows without end');
      if (policy.includes('delete')) report('cleanup.policy has "delete": state that nobody repeats gets lost');
      if (number('delete.retention.ms') < DAY_MS) {
        report('delete.retention.ms is below one day: a reader that was away may miss that a key was removed');
      }
    } else {
      if (policy.includes('compact')) report('compacted: all but the newest record of a key get lost');
      const retentionMs = number('retention.ms');
      const asked = spec.retentionMs < 0 ? Infinity : spec.retentionMs;
      if ((retentionMs < 0 ? Infinity : retentionMs) < asked) {
        report(`retention.ms is ${retentionMs}, asked for is ${spec.retentionMs}`);
      }
      if (number('retention.bytes') > 0) report('retention.bytes is set: records may be lost before their time');
    }
    if (number('max.message.bytes') < MAX_RECORD_BYTES) {
      report(`max.message.bytes is below ${MAX_RECORD_BYTES}: the largest webhooks cannot be stored`);
    }
    if (config.get('unclean.leader.election.enable') === 'true') {
      report('unclean.leader.election.enable: acknowledged records may be lost');
    }

    const partitions = metadata.topics.find((entry) => entry.name === topic)?.partitions ?? [];
    const replicas = Math.min(...partitions.map((partition) => partition.replicas.length));
    const inSync = number('min.insync.replicas');
    if (replicas < 2 && brokers.length > 1) report('one replica: losing its broker loses the records');
    if (replicas > 2 && inSync < 2)
      report('min.insync.replicas is 1: an acknowledged record may be on one broker only');
    if (inSync > replicas) report(`min.insync.replicas is ${inSync} with ${replicas} replicas: nothing can be written`);
    else if (replicas > 1 && inSync === replicas)
      report('min.insync.replicas equals the replicas: losing one broker stops writing');
    if (minInsyncReplicas !== undefined && inSync < minInsyncReplicas && inSync <= replicas) {
      report(`min.insync.replicas is ${inSync}, asked for is ${minInsyncReplicas}`);
    }
    if (spec.partitions !== undefined && partitions.length !== spec.partitions) {
      report(`${partitions.length} partitions, the contract says ${spec.partitions}`);
    }
  }
  return problems;
}
