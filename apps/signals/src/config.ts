import { z } from 'zod';
import { kafkaConfigFrom, kafkaSettings } from '#kafka/settings.js';
import { topicOptionsFrom, topicSettings } from '#kafka/topic-settings.js';
import { flag, namedSecrets, origin, serviceFrom, serviceSettings } from '#platform/config.js';
import { databaseConfigFrom, databaseSettings } from '#platform/database.js';
import { limitSettings, limitsFrom, trustedProxies } from '#platform/request-limits.js';
import { encryptionKeys } from '#providers/sealing.js';

/** All settings of signals, from the environment. */
export const signalsConfig = z
  .object({
    ...serviceSettings,
    ...limitSettings,
    ...kafkaSettings,
    ...topicSettings,
    ...databaseSettings,
    /** Who may call: `name:key,…`. The one named `portal` may say for whom it calls. */
    RESCIND_API_KEYS: namedSecrets,
    /** Seals the keys that sign, and what receivers and sources have given us to authenticate with. */
    RESCIND_ENCRYPTION_KEYS: encryptionKeys,
    /** The URL that receivers have for us, without a path: `iss` of everything that is signed, and where the endpoints are. */
    SIGNALS_ISSUER: origin,
    /** Development: receivers may be reached over http, also on this machine. */
    RESCIND_ALLOW_LOCAL_HOSTS: flag.default(false),
    /** How long a receiver may take to answer, ms. */
    DELIVERY_TIMEOUT_MS: z.coerce.number().int().positive().default(10_000),
    /** Before a receiver that failed is tried again for the first time, ms; then twice as long each time. */
    RETRY_FIRST_MS: z.coerce.number().int().positive().default(1_000),
    /** The longest time between two tries, ms. */
    RETRY_LONGEST_MS: z.coerce.number().int().positive().default(600_000),
    /** How long it is kept what was said, days; by then no record comes a second time. */
    KEEP_DELIVERIES_DAYS: z.coerce.number().positive().default(14),
    /** How often a receiver may ask for verification, seconds. */
    MIN_VERIFICATION_INTERVAL_SECONDS: z.coerce.number().int().min(0).default(10),
    /** How long a request for SETs waits for some (RFC 8936, section 2.4), ms. */
    LONG_POLL_MS: z.coerce.number().int().min(0).default(20_000),
    /** How soon a transmitter that we poll, and that answers at once that it has nothing, is asked again, ms. */
    SOURCE_POLL_INTERVAL_MS: z.coerce.number().int().positive().default(2_000),
    /** How long a transmitter that we poll may hold a request until it has something to say, ms. */
    SOURCE_POLL_TIMEOUT_MS: z.coerce.number().int().positive().default(60_000),
    /** How often a transmitter, whose stream we have made, is asked to verify it, seconds; less often where it says so. */
    SOURCE_VERIFICATION_SECONDS: z.coerce.number().int().positive().default(3_600),
    /** How long a new key is published before it signs, seconds. */
    SIGNING_KEY_OVERLAP_SECONDS: z.coerce.number().int().min(0).default(3_600),
  })
  .superRefine((env, context) => {
    if (env.SIGNALS_ISSUER.startsWith('https:') || env.RESCIND_ALLOW_LOCAL_HOSTS) return;
    context.addIssue({ code: 'custom', path: ['SIGNALS_ISSUER'], message: 'must be https (SSF 1.0, section 7)' });
  })
  .transform((env) => ({
    ...serviceFrom(env),
    ...trustedProxies(env.TRUSTED_PROXIES),
    limits: limitsFrom(env),
    kafka: kafkaConfigFrom(env, 'signals'),
    topics: topicOptionsFrom(env),
    database: databaseConfigFrom(env),
    apiKeys: env.RESCIND_API_KEYS,
    encryptionKeys: env.RESCIND_ENCRYPTION_KEYS,
    issuer: env.SIGNALS_ISSUER,
    allowLocalHosts: env.RESCIND_ALLOW_LOCAL_HOSTS,
    deliveryTimeoutMs: env.DELIVERY_TIMEOUT_MS,
    retry: { firstMs: env.RETRY_FIRST_MS, longestMs: env.RETRY_LONGEST_MS },
    keepDeliveriesDays: env.KEEP_DELIVERIES_DAYS,
    minVerificationSeconds: env.MIN_VERIFICATION_INTERVAL_SECONDS,
    longPollMs: env.LONG_POLL_MS,
    sourcePollIntervalMs: env.SOURCE_POLL_INTERVAL_MS,
    sourcePollTimeoutMs: env.SOURCE_POLL_TIMEOUT_MS,
    sourceVerificationSeconds: env.SOURCE_VERIFICATION_SECONDS,
    signingKeyOverlapSeconds: env.SIGNING_KEY_OVERLAP_SECONDS,
  }));

export type SignalsConfig = z.infer<typeof signalsConfig>;
export const CONFIG = Symbol('config');
