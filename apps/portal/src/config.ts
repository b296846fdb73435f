import { z } from 'zod';
import { kafkaConfigFrom, kafkaSettings } from '#kafka/settings.js';
import { topicOptionsFrom, topicSettings } from '#kafka/topic-settings.js';
import { flag, namedSecrets, serviceFrom, serviceSettings } from '#platform/config.js';
import { databaseConfigFrom, databaseSettings } from '#platform/database.js';
import { limitSettings, limitsFrom, trustedProxies } from '#platform/request-limits.js';
import { encryptionKeys } from '#providers/sealing.js';

const baseUrl = z
  .url({ protocol: /^https?$/, message: 'must be an http(s):// URL' })
  .transform((url) => url.replace(/\/+$/, ''));
const minutes = (byDefault: number) => z.coerce.number().positive().default(byDefault);

/** All settings of the portal, from the environment. */
export const portalConfig = z
  .object({
    ...serviceSettings,
    ...limitSettings,
    ...kafkaSettings,
    ...topicSettings,
    ...databaseSettings,
    /** Who may call: `name:key,…`. Left out: the first administrator gets a token that is printed at the start. */
    RESCIND_API_KEYS: namedSecrets.default([]),
    /** Seals what administrators paste; the first one seals, every one opens. */
    RESCIND_ENCRYPTION_KEYS: encryptionKeys,
    /** Where WorkOS reaches webhook-ingress; endpoint URLs begin with it. */
    WEBHOOK_BASE_URL: baseUrl,
    /** Where browsers reach the portal. Over plain http only on this machine: there cookies are not marked Secure. */
    PUBLIC_URL: baseUrl.optional(),
    /** grants, behind the portal. */
    GRANTS_URL: baseUrl.optional(),
    /** The portal's key there: the one named `portal` in its RESCIND_API_KEYS. */
    GRANTS_API_KEY: z.string().optional(),
    /** token-verification, behind the portal. */
    TOKEN_VERIFICATION_URL: baseUrl.optional(),
    /** The portal's key there. */
    TOKEN_VERIFICATION_API_KEY: z.string().optional(),
    /** signals, behind the portal. */
    SIGNALS_URL: baseUrl.optional(),
    /** The portal's key there. */
    SIGNALS_API_KEY: z.string().optional(),
    /** For the page that shows how it is; nothing else of it is asked. */
    WEBHOOK_INGRESS_URL: baseUrl.optional(),
    /** How long a service behind the portal may take, ms. */
    UPSTREAM_TIMEOUT_MS: z.coerce.number().int().positive().default(10_000),
    /** A session ends without a request for so long. */
    SESSION_IDLE_MINUTES: minutes(60),
    /** A session ends after so long whatever happens. */
    SESSION_MAX_MINUTES: minutes(12 * 60),
    /** How long a token of a session is used before it gets another one. */
    SESSION_ROTATE_MINUTES: minutes(15),
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
    ...serviceFrom(env),
    ...trustedProxies(env.TRUSTED_PROXIES),
    limits: limitsFrom(env),
    kafka: kafkaConfigFrom(env, 'portal'),
    topics: topicOptionsFrom(env),
    database: databaseConfigFrom(env),
    apiKeys: env.RESCIND_API_KEYS,
    encryptionKeys: env.RESCIND_ENCRYPTION_KEYS,
    webhookBaseUrl: env.WEBHOOK_BASE_URL,
    publicUrl: env.PUBLIC_URL,
    upstreams: {
      grants: {
        name: 'grants',
        url: env.GRANTS_URL,
        apiKey: env.GRANTS_API_KEY,
        timeoutMs: env.UPSTREAM_TIMEOUT_MS,
      },
      tokenVerification: {
        name: 'token-verification',
        url: env.TOKEN_VERIFICATION_URL,
        apiKey: env.TOKEN_VERIFICATION_API_KEY,
        timeoutMs: env.UPSTREAM_TIMEOUT_MS,
      },
      signals: {
        name: 'signals',
        url: env.SIGNALS_URL,
        apiKey: env.SIGNALS_API_KEY,
        timeoutMs: env.UPSTREAM_TIMEOUT_MS,
      },
    },
    webhookIngressUrl: env.WEBHOOK_INGRESS_URL,
    sessions: {
      idleMs: env.SESSION_IDLE_MINUTES * 60_000,
      maxMs: env.SESSION_MAX_MINUTES * 60_000,
      rotateMs: env.SESSION_ROTATE_MINUTES * 60_000,
    },
    allowLocalHosts: env.RESCIND_ALLOW_LOCAL_HOSTS,
    providersFile: env.RESCIND_PROVIDERS_FILE,
    providersFilePollMs: env.PROVIDERS_FILE_POLL_MS,
    consoleDir: env.CONSOLE_DIR,
    discoveryTimeoutMs: env.DISCOVERY_TIMEOUT_MS,
  }));

export type PortalConfig = z.infer<typeof portalConfig>;
export const CONFIG = Symbol('config');
