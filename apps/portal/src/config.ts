import { z } from 'zod';
import { kafkaConfigFrom, kafkaSettings } from '#kafka/client.js';
import { topicOptionsFrom, topicSettings } from '#kafka/topic-settings.js';
import { flag, namedSecrets, serviceSettings } from '#platform/config.js';
import { databaseConfigFrom, databaseSettings } from '#platform/database.js';
import { limitSettings, limitsFrom, trustedProxies } from '#platform/request-limits.js';
import { encryptionKeys } from '#providers/sealing.js';

/** All settings of the portal, from the environment. */
export const portalConfig = z
  .object({
    ...serviceSettings,
    ...limitSettings,
    ...kafkaSettings,
    ...topicSettings,
    ...databaseSettings,
    RESCIND_API_KEYS: namedSecrets,
    /** Seals what administrators paste; the first one seals, every one opens. */
    RESCIND_ENCRYPTION_KEYS: encryptionKeys,
    /** Where WorkOS reaches webhook-ingress; endpoint URLs begin with it. */
    WEBHOOK_BASE_URL: z
      .url({ protocol: /^https?$/, message: 'must be an http(s):// URL' })
      .transform((url) => url.replace(/\/+$/, '')),
    /** Development only: providers may be on loopback and private addresses, and there without TLS. */
    RESCIND_ALLOW_LOCAL_HOSTS: flag.default(false),
    /** YAML with the providers of people who keep their configuration in git. */
    RESCIND_PROVIDERS_FILE: z.string().optional(),
    /** How often that file is looked at for a change, ms. */
    PROVIDERS_FILE_POLL_MS: z.coerce.number().int().min(50).default(2_000),
    /** The built console; where there is none, a page says where the API is. */
    CONSOLE_DIR: z.string().optional(),
    /** How long a pasted issuer may take to answer, with all that is fetched for it, ms. */
    DISCOVERY_TIMEOUT_MS: z.coerce.number().int().positive().max(30_000).default(5_000),
  })
  .transform((env) => ({
    host: env.HOST,
    port: env.PORT,
    logLevel: env.LOG_LEVEL,
    shutdownTimeoutMs: env.SHUTDOWN_TIMEOUT_MS,
    ...trustedProxies(env.TRUSTED_PROXIES),
    limits: limitsFrom(env),
    kafka: kafkaConfigFrom(env, 'portal'),
    topics: topicOptionsFrom(env),
    database: databaseConfigFrom(env),
    apiKeys: env.RESCIND_API_KEYS,
    encryptionKeys: env.RESCIND_ENCRYPTION_KEYS,
    webhookBaseUrl: env.WEBHOOK_BASE_URL,
    allowLocalHosts: env.RESCIND_ALLOW_LOCAL_HOSTS,
    providersFile: env.RESCIND_PROVIDERS_FILE,
    providersFilePollMs: env.PROVIDERS_FILE_POLL_MS,
    consoleDir: env.CONSOLE_DIR,
    discoveryTimeoutMs: env.DISCOVERY_TIMEOUT_MS,
  }));

export type PortalConfig = z.infer<typeof portalConfig>;
export const CONFIG = Symbol('config');
