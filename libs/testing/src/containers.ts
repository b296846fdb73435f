import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { CannotRun } from './cannot-run.js';
import { freePort } from './free-port.js';
import { KAFKA_VERSION } from './kafka-jars.js';

const run = promisify(execFile);
const POSTGRES = { user: 'rescind', password: 'rescind' };

export interface Container {
  /** `host:port` as seen from here. */
  address: string;
  stop(): Promise<void>;
}

/** Whether a Docker engine answers; the command alone is not one. */
export async function hasDocker(): Promise<boolean> {
  return run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeout: 3_000 }).then(
    ({ stdout }) => stdout.trim() !== '',
    () => false,
  );
}

/** Where `dir` is given, Kafka's data outlives the container, in a volume that is named after it. */
export async function kafkaContainer(dir?: string): Promise<Container> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const port = await freePort();
  const container = await new GenericContainer(`apache/kafka:${KAFKA_VERSION}`)
    .withExposedPorts({ container: 19_092, host: port })
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_LISTENERS: 'PLAINTEXT://0.0.0.0:19092,CONTROLLER://localhost:9093',
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
      KAFKA_LOG_DIRS: '/var/lib/kafka/data',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '3',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS: '3',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    })
    .withBindMounts(kept(dir, 'kafka', '/var/lib/kafka/data'))
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .start()
    .catch(cannotRun('Kafka'));
  return { address: `127.0.0.1:${port}`, stop: async () => void (await container.stop()) };
}

/** Where `dir` is given, PostgreSQL's data outlives the container, in a volume that is named after it. */
export async function postgresContainer(dir?: string): Promise<Container & { url: string }> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const port = await freePort();
  const container = await new GenericContainer('postgres:18')
    .withExposedPorts({ container: 5432, host: port })
    .withEnvironment({ POSTGRES_USER: POSTGRES.user, POSTGRES_PASSWORD: POSTGRES.password, POSTGRES_DB: 'postgres' })
    .withCommand(['postgres', '-c', 'max_connections=200', '-c', `fsync=${dir ? 'on' : 'off'}`])
    .withBindMounts(kept(dir, 'postgres', '/var/lib/postgresql'))
    .withWaitStrategy(Wait.forSuccessfulCommand(`pg_isready --host 127.0.0.1 --username ${POSTGRES.user}`))
    .start()
    .catch(cannotRun('PostgreSQL'));
  const address = `127.0.0.1:${port}`;
  const url = `postgres://${POSTGRES.user}:${POSTGRES.password}@${address}/postgres`;
  return { address, url, stop: async () => void (await container.stop()) };
}

/** Clears what the containers of this folder have kept. */
export async function clearVolumes(dir: string): Promise<void> {
  if (!(await hasDocker())) return;
  await run('docker', ['volume', 'rm', '--force', volumeOf(dir, 'kafka'), volumeOf(dir, 'postgres')]);
}

const kept = (dir: string | undefined, name: string, target: string) =>
  dir === undefined ? [] : [{ source: volumeOf(dir, name), target }];

const volumeOf = (dir: string, name: string): string =>
  `rescind-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}-${name}`;

const cannotRun =
  (name: string) =>
  (error: unknown): never => {
    const said = (error instanceof Error ? error.message : String(error)).split('\n')[0];
    throw new CannotRun(`${name} could not be started in Docker: ${said}`);
  };
