import { z } from 'zod';
import { kafkaConfigFrom, kafkaSettings } from '#kafka/client.js';
import { topicOptionsFrom, topicSettings } from '#kafka/topic-settings.js';
import { namedSecrets, serviceSettings } from '#platform/config.js';
import { databaseConfigFrom, databaseSettings } from '#platform/database.js';
import { limitSettings, limitsFrom, trustedProxies } from '#platform/request-limits.js';
import { encryptionKeys } from '#providers/sealing.js';

/** All settings of grants, from the environment. */
export const grantsConfig = z
  .object({
    ...serviceSettings,
    ...limitSettings,
    ...kafkaSettings,
    ...topicSettings,
    ...databaseSettings,
    RESCIND_API_KEYS: namedSecrets,
    /** Unused so far; checked here so that every service of an installation can be given the same settings. */
    RESCIND_ENCRYPTION_KEYS: encryptionKeys.optional(),
    /** How often the relay says how far the state topic has come, ms. */
    HEARTBEAT_INTERVAL_MS: z.coerce.number().int().min(50).default(1_000),
    /** Records that one transaction applies at most. */
    BATCH_RECORDS: z.coerce.number().int().positive().default(1_000),
    /** Grants that the transaction of a batch marks itself; more of them are left to a job. */
    MARK_INLINE: z.coerce.number().int().positive().default(5_000),
    /** Grants that a job marks in one transaction. */
    MARK_CHUNK: z.coerce.number().int().positive().default(5_000),
  })
  .transform((env) => ({
    host: env.HOST,
    port: env.PORT,
    logLevel: env.LOG_LEVEL,
    shutdownTimeoutMs: env.SHUTDOWN_TIMEOUT_MS,
    ...trustedProxies(env.TRUSTED_PROXIES),
    limits: limitsFrom(env),
    kafka: kafkaConfigFrom(env, 'grants'),
    topics: topicOptionsFrom(env),
    database: databaseConfigFrom(env),
    apiKeys: env.RESCIND_API_KEYS,
    heartbeatIntervalMs: env.HEARTBEAT_INTERVAL_MS,
    batchRecords: env.BATCH_RECORDS,
    marking: { inline: env.MARK_INLINE, chunk: env.MARK_CHUNK },
  }));

export type GrantsConfig = z.infer<typeof grantsConfig>;
export const CONFIG = Symbol('config');
