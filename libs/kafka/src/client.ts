import type { ConnectionOptions } from 'node:tls';
import type { Topic } from '#contracts/topics.js';
import kafkajs, { type Admin, type Kafka, type KafkaConfig as KafkajsConfig, type logCreator } from 'kafkajs';
import { within } from './backoff.js';
import { Connections, GIVEN_UP } from './connections.js';
import { BrokerUnavailable, brokerUnavailable } from './errors.js';
import { correctKafkajs } from './kafkajs-corrections.js';
import { type KafkaLogger, SILENT } from './logger.js';
import { OauthTokens } from './oauth-tokens.js';
import type { KafkaConfig } from './settings.js';

const CONNECTION_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** About 2.5 s in all, jittered; who needs to go on for longer starts anew, with a back-off of its own. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, factor: 0.2, multiplier: 2, retries: 5 };

export interface OpenOptions {
  requestTimeoutMs?: number;
  retries?: number;
  /** Where its sockets are to be cut off one day. */
  connections?: Connections;
}

/** How to reach one Kafka cluster, and what its topics are called there. Opens nothing by itself. */
export class KafkaClient {
  /** The name that a topic of the contract has in this cluster. */
  readonly topic = (topic: Topic | (string & {})): string => this.config.topicPrefix + topic;
  private readonly admins = new Set<Admin>();
  /** For all connections, since each token serves for all of them. */
  private readonly sasl: KafkajsConfig['sasl'];

  constructor(
    readonly config: KafkaConfig,
    readonly logger: KafkaLogger = SILENT,
  ) {
    correctKafkajs();
    const { sasl } = config;
    // kafkajs puts something of its own into this object, password and all: it gets a copy.
    this.sasl =
      sasl?.mechanism === 'oauthbearer'
        ? { mechanism: sasl.mechanism, oauthBearerProvider: new OauthTokens(sasl).get }
        : sasl && ({ ...sasl } as KafkajsConfig['sasl']);
  }

  /** The inverse of {@link topic}. */
  contractName(topic: string): string {
    return topic.startsWith(this.config.topicPrefix) ? topic.slice(this.config.topicPrefix.length) : topic;
  }

  /** Throws `BrokerUnavailable` unless a broker answers within `timeoutMs`. */
  async ping(timeoutMs = 2_000): Promise<void> {
    const answer = await within(
      timeoutMs,
      this.withAdmin((admin) => admin.describeCluster(), { requestTimeoutMs: timeoutMs, retries: 0 }),
    );
    if (!answer) throw new BrokerUnavailable(`no broker answered within ${timeoutMs} ms`);
  }

  /** How far the group is behind the end of each partition of a topic. Throws `BrokerUnavailable`. */
  async lagOf(groupId: string, topics: string[]): Promise<Record<string, Record<number, bigint>>> {
    return this.withAdmin(async (admin) => {
      const group = this.config.topicPrefix + groupId;
      const committed = await admin.fetchOffsets({ groupId: group, topics: topics.map(this.topic) });
      const lag: Record<string, Record<number, bigint>> = {};
      for (const topic of topics) {
        const offsets = committed.find((entry) => entry.topic === this.topic(topic))?.partitions ?? [];
        const perPartition: Record<number, bigint> = {};
        for (const { partition, low, high } of await admin.fetchTopicOffsets(this.topic(topic))) {
          const offset = BigInt(offsets.find((entry) => entry.partition === partition)?.offset ?? -1);
          const next = offset < BigInt(low) ? BigInt(low) : offset;
          const behind = BigInt(high) - next;
          perPartition[partition] = behind > 0n ? behind : 0n;
        }
        lag[topic] = perPartition;
      }
      return lag;
    });
  }

  /** topic → partition → the next offset of the group as Kafka has it; -1 where it has none. Throws `BrokerUnavailable`. */
  async committedOffsets(groupId: string, topics: readonly Topic[]): Promise<Record<string, Record<number, bigint>>> {
    const committed = await this.withAdmin((admin) =>
      admin.fetchOffsets({ groupId: this.config.topicPrefix + groupId, topics: topics.map(this.topic) }),
    );
    return Object.fromEntries(
      committed.map(({ topic, partitions }) => [
        this.contractName(topic),
        Object.fromEntries(partitions.map(({ partition, offset }) => [partition, BigInt(offset)])),
      ]),
    );
  }

  /** partition → the offset that the next record gets. Throws `BrokerUnavailable`. */
  async endOffsets(topic: Topic): Promise<Record<number, string>> {
    const offsets = await this.withAdmin((admin) => admin.fetchTopicOffsets(this.topic(topic)));
    return Object.fromEntries(offsets.map(({ partition, high }) => [partition, high]));
  }

  /** Runs `work` with an admin connection of its own. Whatever kafkajs throws becomes `BrokerUnavailable`. */
  async withAdmin<T>(work: (admin: Admin) => Promise<T>, options: OpenOptions = {}): Promise<T> {
    const admin = this.open(options).admin();
    this.admins.add(admin);
    try {
      await admin.connect();
      return await work(admin);
    } catch (error) {
      throw isKafkajsError(error) ? brokerUnavailable(error) : error;
    } finally {
      this.admins.delete(admin);
      await within(1_000, admin.disconnect());
    }
  }

  /** Ends what is still open. Publishers, readers and servers are closed by whoever made them. */
  async close(): Promise<void> {
    await Promise.all([...this.admins].map((admin) => within(1_000, admin.disconnect())));
  }

  /**
   * One instance for each producer and consumer: kafkajs keeps the committed offsets of a group in the instance, so two
   * consumers that shared one would overwrite each other's.
   */
  open({ requestTimeoutMs = REQUEST_TIMEOUT_MS, retries = RETRY.retries, connections }: OpenOptions = {}): Kafka {
    const { brokers, clientId, ssl } = this.config;
    return new kafkajs.Kafka({
      brokers,
      clientId,
      connectionTimeout: Math.min(CONNECTION_TIMEOUT_MS, requestTimeoutMs),
      authenticationTimeout: 5_000,
      requestTimeout: requestTimeoutMs,
      enforceRequestTimeout: true,
      retry: { ...RETRY, retries },
      logLevel: kafkajs.logLevel.WARN,
      logCreator: logTo(this.logger),
      socketFactory: (connections ?? new Connections()).socketFactory,
      ...(ssl && { ssl: ssl === true ? true : (ssl as ConnectionOptions) }),
      ...(this.sasl && { sasl: this.sasl }),
    });
  }
}

const isKafkajsError = (error: unknown): boolean => error instanceof Error && error.name.startsWith('KafkaJS');

/** While Kafka is away it says the same with each attempt. */
const REPEAT_AFTER_MS = 5_000;
/** Of what kafkajs says, the fields that name a place; never a payload. */
const LOGGED_FIELDS = [
  'broker',
  'groupId',
  'memberId',
  'topic',
  'partition',
  'offset',
  'error',
  'retryCount',
  'retryTime',
];
/** What belongs to normal work, and would only drown the rest. */
const EXPECTED = [
  // At every start; a producer that has failed once is never used again, see publisher.ts.
  'Limiting retries for the idempotent producer may invalidate EoS guarantees',
  // Comes after the line that names the reason.
  'Failed to connect to seed broker',
  GIVEN_UP.message,
  // Each transaction that follows closely on another, see fenced-producer.ts.
  'another concurrent operation on the same transaction',
];

/** What kafkajs calls an error it mostly retries by itself, so here it is a warning; our own lines say what came of it. */
function logTo(logger: KafkaLogger): logCreator {
  const lastSaid = new Map<string, number>();
  return () =>
    ({ namespace, level, log }) => {
      const said = `${log.message} ${String(log['error'] ?? '')}`;
      if (level > kafkajs.logLevel.WARN || EXPECTED.some((expected) => said.includes(expected))) return;
      const now = performance.now();
      if (now - (lastSaid.get(said) ?? -Infinity) < REPEAT_AFTER_MS) return;
      if (lastSaid.size > 1_000) lastSaid.clear();
      lastSaid.set(said, now);
      const fields: Record<string, unknown> = { component: `kafkajs ${namespace}` };
      for (const name of LOGGED_FIELDS) {
        const value: unknown = log[name];
        if (typeof value === 'string' || typeof value === 'number') fields[name] = value;
      }
      logger.warn(fields, log.message);
    };
}
