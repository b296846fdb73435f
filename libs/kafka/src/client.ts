import type { Topic } from '#contracts/topics.js';
import { z } from 'zod';
import type { KafkaLogger } from './logger.js';

export interface KafkaConfig {
  brokers: string[];
  clientId: string;
  /** Put before the name of each topic and group, so that several installations can share a cluster. */
  topicPrefix: string;
  ssl?: boolean | { ca?: string; cert?: string; key?: string };
  sasl?: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string };
}

/** To be spread into an app's own `z.object({ ...kafkaSettings })`. */
export const kafkaSettings = {
  KAFKA_BROKERS: z.string(),
  KAFKA_TOPIC_PREFIX: z.string().default(''),
  KAFKA_SSL: z.enum(['true', 'false']).default('false'),
  KAFKA_SSL_CA_FILE: z.string().optional(),
  KAFKA_SSL_CERT_FILE: z.string().optional(),
  KAFKA_SSL_KEY_FILE: z.string().optional(),
  KAFKA_SASL_MECHANISM: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().optional(),
};

const settings = z.object(kafkaSettings);
export type KafkaSettings = z.infer<typeof settings>;

/** Reads the files that the settings name; throws where one cannot be read. */
export declare function kafkaConfigFrom(env: KafkaSettings, clientId: string): KafkaConfig;

export declare class KafkaClient {
  constructor(config: KafkaConfig, logger?: KafkaLogger);
  readonly config: KafkaConfig;
  readonly topic: (topic: Topic | (string & {})) => string;
  /** Throws `BrokerUnavailable` unless a broker answers within `timeoutMs`. */
  ping(timeoutMs?: number): Promise<void>;
  close(): Promise<void>;
}
