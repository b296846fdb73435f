import { z } from 'zod';
import { guardLimits } from '#contracts/identity-provider.js';
import { kafkaConfigFrom, kafkaSettings } from '#kafka/settings.js';
import { topicOptionsFrom, topicSettings } from '#kafka/topic-settings.js';
import { flag, namedSecrets, serviceFrom, serviceSettings } from '#platform/config.js';
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
    /** Who may call: `name:key,…`. The one named `portal` may say for whom it calls. */
    RESCIND_API_KEYS: namedSecrets,
    /** Opens the API keys of the providers, so that WorkOS's Events API can be read. */
    RESCIND_ENCRYPTION_KEYS: encryptionKeys.optional(),
    /** How often the relay says how far the state topic has come, ms. */
    HEARTBEAT_INTERVAL_MS: z.coerce.number().int().min(50).default(1_000),
    /** Records that one transaction applies at most. */
    BATCH_RECORDS: z.coerce.number().int().positive().default(1_000),
    /** Grants that the transaction of a batch marks itself; more of them are left to a job. */
    MARK_INLINE: z.coerce.number().int().positive().default(5_000),
    /** Grants that a job marks in one transaction. */
    MARK_CHUNK: z.coerce.number().int().positive().default(5_000),
    /** Connections to the database over which a job marks its grants. */
    MARK_CONNECTIONS: z.coerce.number().int().positive().max(8).default(2),
    /** More people than this shut out by events within the window: the marks wait for a person. 0: there is no guard. */
    GUARD_MAX_USERS: z.coerce.number().pipe(guardLimits.shape.max_users.unwrap()).default(1_000),
    /** The same, as a share of the users that are known; from 50 of them on. */
    GUARD_MAX_SHARE: z.coerce.number().pipe(guardLimits.shape.max_share.unwrap()).default(0.25),
    /** The window of the guard, seconds. */
    GUARD_WINDOW_SECONDS: z.coerce.number().pipe(guardLimits.shape.window_seconds.unwrap()).default(3_600),
    /** The canary: a synthetic revocation so often, ms; 0: none. Without the three settings that follow there is none. */
    CANARY_INTERVAL_MS: z.coerce.number().int().min(0).default(60_000),
    /** Where the canary posts its webhooks. */
    WEBHOOK_INGRESS_URL: z.url({ protocol: /^https?$/ }).optional(),
    /** Whom the canary asks whether its membership is refused. */
    TOKEN_VERIFICATION_URL: z.url({ protocol: /^https?$/ }).optional(),
    /** Its key there. */
    TOKEN_VERIFICATION_API_KEY: z.string().optional(),
    /** How often WorkOS's Events API is read, ms. */
    TAIL_INTERVAL_MS: z.coerce.number().int().min(100).default(10_000),
    /** How often while webhooks are missing, ms. */
    TAIL_FAST_INTERVAL_MS: z.coerce.number().int().min(100).default(1_000),
    /** How long WorkOS may hold an event back from the Events API, ms: of what is younger nothing is claimed. */
    TAIL_HOLD_BACK_MS: z.coerce.number().int().min(0).default(10_000),
    /** What is read again, so often, in case an event appeared late all the same, ms. */
    TAIL_OVERLAP_MS: z.coerce.number().int().min(1_000).default(300_000),
    /** How often WorkOS's lists are compared with what we know, hours; 0: on demand alone. */
    RECONCILIATION_EVERY_HOURS: z.coerce.number().min(0).default(24),
    /** Whether the schedule repairs what it finds; otherwise it reports. */
    RECONCILIATION_REPAIRS: flag.default(false),
    /** Requests to WorkOS's API that a comparison makes at most; its limit is 1,000 in 10 seconds, for all who use the key. */
    RECONCILIATION_REQUESTS_PER_SECOND: z.coerce.number().positive().max(100).default(25),
  })
  .transform((env) => ({
    ...serviceFrom(env),
    ...trustedProxies(env.TRUSTED_PROXIES),
    limits: limitsFrom(env),
    kafka: kafkaConfigFrom(env, 'grants'),
    topics: topicOptionsFrom(env),
    database: databaseConfigFrom(env),
    apiKeys: env.RESCIND_API_KEYS,
    heartbeatIntervalMs: env.HEARTBEAT_INTERVAL_MS,
    batchRecords: env.BATCH_RECORDS,
    marking: { inline: env.MARK_INLINE, chunk: env.MARK_CHUNK, connections: env.MARK_CONNECTIONS },
    guard: {
      maxUsers: env.GUARD_MAX_USERS,
      maxShare: env.GUARD_MAX_SHARE,
      windowMs: env.GUARD_WINDOW_SECONDS * 1000,
    },
    encryptionKeys: env.RESCIND_ENCRYPTION_KEYS,
    canary: canaryFrom(env),
    reconciliation: {
      everyMs: env.RECONCILIATION_EVERY_HOURS * 3_600_000,
      repairs: env.RECONCILIATION_REPAIRS,
      requestsPerSecond: env.RECONCILIATION_REQUESTS_PER_SECOND,
    },
    tail: {
      normalMs: env.TAIL_INTERVAL_MS,
      fastMs: env.TAIL_FAST_INTERVAL_MS,
      holdBackMs: env.TAIL_HOLD_BACK_MS,
      overlapMs: env.TAIL_OVERLAP_MS,
    },
  }));

/** Undefined: there is none. */
function canaryFrom(env: {
  CANARY_INTERVAL_MS: number;
  WEBHOOK_INGRESS_URL?: string | undefined;
  TOKEN_VERIFICATION_URL?: string | undefined;
  TOKEN_VERIFICATION_API_KEY?: string | undefined;
}) {
  const { CANARY_INTERVAL_MS: everyMs, WEBHOOK_INGRESS_URL, TOKEN_VERIFICATION_URL, TOKEN_VERIFICATION_API_KEY } = env;
  if (everyMs === 0 || !WEBHOOK_INGRESS_URL || !TOKEN_VERIFICATION_URL || !TOKEN_VERIFICATION_API_KEY) return undefined;
  return {
    everyMs,
    webhookIngressUrl: WEBHOOK_INGRESS_URL.replace(/\/$/, ''),
    tokenVerificationUrl: TOKEN_VERIFICATION_URL.replace(/\/$/, ''),
    tokenVerificationApiKey: TOKEN_VERIFICATION_API_KEY,
  };
}

export type GrantsConfig = z.infer<typeof grantsConfig>;
export const CONFIG = Symbol('config');
