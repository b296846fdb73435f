import { z } from 'zod';
import { SIGNATURE_TOLERANCE_MS } from '#workos/signature.js';
import { kafkaConfigFrom, kafkaSettings } from '#kafka/client.js';
import { topicOptionsFrom, topicSettings } from '#kafka/topic-settings.js';
import { commaList, namedSecrets, serviceSettings } from '#platform/config.js';
import { encryptionKeys } from '#providers/sealing.js';

/** All settings of webhook-ingress, from the environment. */
export const ingressConfig = z
  .object({
    ...serviceSettings,
    ...kafkaSettings,
    ...topicSettings,
    RESCIND_API_KEYS: namedSecrets.default([]),
    /** Opens the signing secrets that the portal has sealed. */
    RESCIND_ENCRYPTION_KEYS: encryptionKeys,
    /** How far a delivery's timestamp may be from now, both ways, ms. */
    SIGNATURE_TOLERANCE_MS: z.coerce.number().int().positive().default(SIGNATURE_TOLERANCE_MS),
    /** How long Kafka may take to hold an event before the delivery is answered with 503, ms. */
    DELIVERY_TIMEOUT_MS: z.coerce.number().int().positive().default(5_000),
    /** Deliveries under way at once; what comes beyond is answered with 503, so that memory stays bounded. */
    MAX_IN_FLIGHT: z.coerce.number().int().positive().default(1_000),
    /** Proxies that are believed about where a request came from: addresses or CIDR ranges. */
    TRUSTED_PROXIES: commaList.default([]),
  })
  .transform((env) => ({
    host: env.HOST,
    port: env.PORT,
    logLevel: env.LOG_LEVEL,
    shutdownTimeoutMs: env.SHUTDOWN_TIMEOUT_MS,
    kafka: kafkaConfigFrom(env, 'webhook-ingress'),
    topics: topicOptionsFrom(env),
    apiKeys: env.RESCIND_API_KEYS,
    encryptionKeys: env.RESCIND_ENCRYPTION_KEYS,
    signatureToleranceMs: env.SIGNATURE_TOLERANCE_MS,
    deliveryTimeoutMs: env.DELIVERY_TIMEOUT_MS,
    maxInFlight: env.MAX_IN_FLIGHT,
    trustedProxies: env.TRUSTED_PROXIES,
  }));

export type IngressConfig = z.infer<typeof ingressConfig>;
export const CONFIG = Symbol('config');
