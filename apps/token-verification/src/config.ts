import { z } from 'zod';
import { kafkaConfigFrom, kafkaSettings } from '#kafka/settings.js';
import { topicOptionsFrom, topicSettings } from '#kafka/topic-settings.js';
import { flag, namedSecrets, origin, serviceFrom, serviceSettings } from '#platform/config.js';
import { limitSettings, limitsFrom, trustedProxies } from '#platform/request-limits.js';
import { encryptionKeys } from '#providers/sealing.js';
import { signingKeys } from './keys/signing-key.js';

const seconds = (byDefault: number) => z.coerce.number().positive().default(byDefault);

/** All settings of token-verification, from the environment. */
export const verificationConfig = z
  .object({
    ...serviceSettings,
    ...limitSettings,
    ...kafkaSettings,
    ...topicSettings,
    /** Who may call: `name:key,…`. The one named `portal` may say for whom it calls. */
    RESCIND_API_KEYS: namedSecrets,
    /** Unused here; checked, so that every service of an installation can be given the same settings. */
    RESCIND_ENCRYPTION_KEYS: encryptionKeys.optional(),
    /** Who may introspect (RFC 7662): client id and secret. */
    RESCIND_INTROSPECTION_CLIENTS: namedSecrets.default([]),
    /** The URL that clients have for us, without a path: `iss` of signed answers, and of the metadata (RFC 8414). */
    RESCIND_INTROSPECTION_ISSUER: origin.optional(),
    /** Signs introspection answers (RFC 9701) for clients that ask for it; see {@link signingKeys}. */
    RESCIND_INTROSPECTION_SIGNING_KEY: signingKeys.optional(),
    /** How old the newest heartbeat may be before nobody is let in any more, ms. */
    MAX_STALENESS_MS: z.coerce.number().int().min(100).default(5_000),
    /** How often key sets are fetched anew, seconds. */
    KEYS_REFRESH_S: seconds(300),
    /** The least time between two fetches of a key set for a key that is not known, seconds. */
    KEYS_COOLDOWN_S: seconds(30),
    /** How long a key set that cannot be fetched anew serves, seconds. */
    KEYS_MAX_AGE_S: seconds(86_400),
    /** Tokens whose checked signature is remembered. */
    CACHE_MAX: z.coerce.number().int().min(0).default(20_000),
    /** Open streams of revocations at once; one more is answered with 503 `streams_full`. */
    STREAMS_MAX: z.coerce.number().int().min(0).default(1_000),
    /** Development: key sets may be fetched over http, also from this machine. */
    RESCIND_ALLOW_LOCAL_HOSTS: flag.default(false),
  })
  .refine((env) => !env.RESCIND_INTROSPECTION_SIGNING_KEY || env.RESCIND_INTROSPECTION_ISSUER !== undefined, {
    path: ['RESCIND_INTROSPECTION_ISSUER'],
    message: 'goes with RESCIND_INTROSPECTION_SIGNING_KEY',
  })
  .refine((env) => env.RESCIND_ALLOW_LOCAL_HOSTS || !env.RESCIND_INTROSPECTION_ISSUER?.startsWith('http:'), {
    path: ['RESCIND_INTROSPECTION_ISSUER'],
    message: 'must be https',
  })
  .transform((env) => ({
    ...serviceFrom(env),
    ...trustedProxies(env.TRUSTED_PROXIES),
    limits: limitsFrom(env),
    kafka: kafkaConfigFrom(env, 'token-verification'),
    topics: topicOptionsFrom(env),
    apiKeys: env.RESCIND_API_KEYS,
    introspectionClients: env.RESCIND_INTROSPECTION_CLIENTS,
    introspectionIssuer: env.RESCIND_INTROSPECTION_ISSUER,
    introspectionSigningKeys: env.RESCIND_INTROSPECTION_SIGNING_KEY ?? [],
    maxStalenessMs: env.MAX_STALENESS_MS,
    keys: {
      refreshMs: env.KEYS_REFRESH_S * 1_000,
      cooldownMs: env.KEYS_COOLDOWN_S * 1_000,
      maxAgeMs: env.KEYS_MAX_AGE_S * 1_000,
    },
    cacheMax: env.CACHE_MAX,
    streamsMax: env.STREAMS_MAX,
    allowLocalHosts: env.RESCIND_ALLOW_LOCAL_HOSTS,
  }));

export type VerificationConfig = z.infer<typeof verificationConfig>;
