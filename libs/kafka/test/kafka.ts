import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KafkaClient } from '#kafka/client.js';
import { kafkaJars } from '#testing/kafka-jars.js';
import { LocalKafka } from '#testing/local-kafka.js';

/** A broker of a test's own, which it may kill and pause. */
export interface Broker {
  brokers: string[];
  start(): Promise<void>;
  kill(): Promise<void>;
  pause(): Promise<void>;
  resume(): void;
  stop(): Promise<void>;
}

export async function ownBroker(): Promise<Broker> {
  const dir = await mkdtemp(join(tmpdir(), 'rescind-kafka-'));
  const kafka = await LocalKafka.create({ jars: await kafkaJars(join(process.cwd(), '.local/cache')), dir });
  await kafka.start();
  return {
    brokers: kafka.brokers.split(','),
    start: () => kafka.start(),
    kill: () => kafka.kill(),
    pause: () => kafka.pause(),
    resume: () => kafka.resume(),
    stop: async () => {
      await kafka.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export const clientOf = (brokers: string[], topicPrefix = `${randomUUID()}.`): KafkaClient =>
  new KafkaClient({ brokers, clientId: 'test', topicPrefix });

/** The broker that all integration tests share; a prefix of its own keeps each test apart. */
export const shared = (): string[] => process.env['KAFKA_BROKERS']!.split(',');
