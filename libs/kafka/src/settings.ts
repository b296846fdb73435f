import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { OauthClient } from './oauth-tokens.js';

/** How to reach one Kafka cluster. */
export interface KafkaConfig {
  /** `host:port` of some of the brokers; the others are found through them. */
  brokers: string[];
  clientId: string;
  /** Put before the name of each topic, group and transactional id, so that installations can share a cluster. */
  topicPrefix: string;
  ssl?: boolean | { ca?: string; cert?: string; key?: string };
  sasl?:
    { mechanism: PasswordMechanism; username: string; password: string } | ({ mechanism: 'oauthbearer' } & OauthClient);
}

const PASSWORD_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
export type PasswordMechanism = (typeof PASSWORD_MECHANISMS)[number];

const brokerList = z
  .string()
  .transform((text) => text.split(',').map((broker) => broker.trim()))
  .pipe(z.array(z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):\d{1,5}$/, 'host:port, host:port, …')).min(1));

/** The settings of Kafka, to be spread into an app's own `z.object({ ...kafkaSettings })`. */
export const kafkaSettings = {
  /** Some of the brokers, `host:port,…`; the others are found through them. */
  KAFKA_BROKERS: brokerList,
  /** Before the name of each topic, group and transactional id, so that installations can share a cluster. */
  KAFKA_TOPIC_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,100}$/, 'letters, digits, dot, underscore, hyphen')
    .default(''),
  /** TLS to the brokers; also on where one of the files is named. */
  KAFKA_SSL: z.enum(['true', 'false']).default('false'),
  /** Certificates of the authorities that brokers are believed by; without it those of the system. */
  KAFKA_SSL_CA_FILE: z.string().optional(),
  /** A certificate of the service's own (mutual TLS). */
  KAFKA_SSL_CERT_FILE: z.string().optional(),
  /** The key of that certificate. */
  KAFKA_SSL_KEY_FILE: z.string().optional(),
  /** How it authenticates; not set: not by SASL. */
  KAFKA_SASL_MECHANISM: z.enum([...PASSWORD_MECHANISMS, 'oauthbearer']).optional(),
  /** The user; with `oauthbearer` the id of the client. */
  KAFKA_SASL_USERNAME: z.string().optional(),
  /** Its password; with `oauthbearer` the secret of the client. */
  KAFKA_SASL_PASSWORD: z.string().optional(),
  /** Of `oauthbearer`: where tokens are had (RFC 6749, section 4.4). */
  KAFKA_SASL_TOKEN_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .refine(isConfidential, 'https, since the secret of the client is sent there')
    .optional(),
  /** Of `oauthbearer`: what for. */
  KAFKA_SASL_SCOPE: z.string().optional(),
  /** `name=value,…`, for brokers that ask for them: `logicalCluster=lkc-1,identityPoolId=pool-1`. */
  KAFKA_SASL_EXTENSIONS: z
    .string()
    .regex(/^[A-Za-z]+=[^,\s]+(,[A-Za-z]+=[^,\s]+)*$/, 'name=value, comma-separated')
    .optional(),
};

function isConfidential(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}

export type KafkaSettings = z.infer<z.ZodObject<typeof kafkaSettings>>;

/** Reads the files that the settings name. Throws one error that lists everything wrong. */
export function kafkaConfigFrom(env: KafkaSettings, clientId: string): KafkaConfig {
  const problems: string[] = [];
  const file = (name: 'KAFKA_SSL_CA_FILE' | 'KAFKA_SSL_CERT_FILE' | 'KAFKA_SSL_KEY_FILE'): string | undefined => {
    const path = env[name];
    if (path === undefined || path === '') return undefined;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      problems.push(`${name}: ${(error as NodeJS.ErrnoException).code ?? 'cannot be read'}`);
      return undefined;
    }
  };

  const ca = file('KAFKA_SSL_CA_FILE');
  const cert = file('KAFKA_SSL_CERT_FILE');
  const key = file('KAFKA_SSL_KEY_FILE');
  const mechanism = env.KAFKA_SASL_MECHANISM;
  const username = env.KAFKA_SASL_USERNAME;
  const password = env.KAFKA_SASL_PASSWORD;
  if (mechanism && !username) problems.push('KAFKA_SASL_USERNAME: required with KAFKA_SASL_MECHANISM');
  if (mechanism && !password) problems.push('KAFKA_SASL_PASSWORD: required with KAFKA_SASL_MECHANISM');
  const endpoint = env.KAFKA_SASL_TOKEN_ENDPOINT;
  if (mechanism === 'oauthbearer' && !endpoint) {
    problems.push('KAFKA_SASL_TOKEN_ENDPOINT: required with KAFKA_SASL_MECHANISM=oauthbearer');
  }
  if (mechanism !== 'oauthbearer' && (endpoint || env.KAFKA_SASL_SCOPE || env.KAFKA_SASL_EXTENSIONS)) {
    problems.push('KAFKA_SASL_TOKEN_ENDPOINT, _SCOPE and _EXTENSIONS: with KAFKA_SASL_MECHANISM=oauthbearer alone');
  }
  if (!mechanism && (username || password)) problems.push('KAFKA_SASL_MECHANISM: required with a username or password');
  if (!cert !== !key) problems.push('KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE: both or neither');
  if (problems.length > 0) throw new Error(problems.join('; '));

  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  const ssl = Object.keys(files).length > 0 ? files : env.KAFKA_SSL === 'true';
  return {
    brokers: env.KAFKA_BROKERS,
    clientId,
    topicPrefix: env.KAFKA_TOPIC_PREFIX,
    ...(ssl && { ssl }),
    ...(mechanism && username && password && { sasl: saslFrom(env, mechanism, username, password) }),
  };
}

function saslFrom(
  env: KafkaSettings,
  mechanism: PasswordMechanism | 'oauthbearer',
  username: string,
  password: string,
): NonNullable<KafkaConfig['sasl']> {
  if (mechanism !== 'oauthbearer') return { mechanism, username, password };
  const { KAFKA_SASL_TOKEN_ENDPOINT: tokenEndpoint = '', KAFKA_SASL_SCOPE: scope, KAFKA_SASL_EXTENSIONS: said } = env;
  const pairs = said?.split(',').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
  return {
    mechanism,
    tokenEndpoint,
    clientId: username,
    clientSecret: password,
    ...(scope && { scope }),
    ...(pairs && { extensions: Object.fromEntries(pairs) as Record<string, string> }),
  };
}
