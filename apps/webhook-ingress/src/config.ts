import { z } from 'zod';
import { SIGNATURE_TOLERANCE_MS } from '#workos/signature.js';
import { kafkaConfigFrom, kafkaSettings } from '#kafka/settings.js';
import { topicOptionsFrom, topicSettings } from '#kafka/topic-settings.js';
import { addressList } from '#platform/addresses.js';
import { commaList, namedSecrets, serviceFrom, serviceSettings } from '#platform/config.js';
import { trustedProxies } from '#platform/request-limits.js';
import { encryptionKeys } from '#providers/sealing.js';
import { WORKOS_SOURCE_ADDRESSES } from '#workos/source-addresses.js';

/** `workos` stands for the addresses that WorkOS's webhooks come from. */
const sources = commaList
  .transform((entries) => entries.flatMap((entry) => (entry === 'workos' ? WORKOS_SOURCE_ADDRESSES : [entry])).join())
  .pipe(addressList);

/** All settings of webhook-ingress, from the environment. */
export const ingressConfig = z
  .object({
    ...serviceSettings,
    ...kafkaSettings,
    ...topicSettings,
    /** Unused here; checked, so that every service of an installation can be given the same settings. */
    RESCIND_API_KEYS: namedSecrets.default([]),
    /** Opens the signing secrets that the portal has sealed. */
    RESCIND_ENCRYPTION_KEYS: encryptionKeys,
    /** How far a delivery's timestamp may be from now, both ways, ms. */
    SIGNATURE_TOLERANCE_MS: z.coerce.number().int().positive().default(SIGNATURE_TOLERANCE_MS),
    /** How long Kafka may take to hold an event before the delivery is answered with 503, ms. */
    DELIVERY_TIMEOUT_MS: z.coerce.number().int().positive().default(5_000),
    /** Deliveries under way at once; what comes beyond is answered with 503, so that memory stays bounded. */
    MAX_IN_FLIGHT: z.coerce.number().int().positive().default(1_000),
    /**
     * Proxies that are believed about where a request came from (`X-Forwarded-For`): addresses or ranges. The right-most
     * address that is none of them counts; without any it is the address of the connection.
     */
    TRUSTED_PROXIES: addressList.default([]),
    /** Deliveries are taken from these addresses alone: addresses, ranges, `workos`. Empty: from everywhere. */
    WEBHOOK_SOURCES: sources.default([]),
    /** Unknown endpoints and bad signatures from one source, each minute; beyond it the answer is 429. 0: no limit. */
    BAD_CREDENTIALS_PER_MINUTE: z.coerce.number().int().min(0).default(600),
    /** Genuine deliveries to one endpoint, each second and replica. 0: no limit. */
    ENDPOINT_DELIVERIES_PER_SECOND: z.coerce.number().int().min(0).default(20_000),
    /** How often it is told what happened at the webhooks, ms. */
    WEBHOOK_ACTIVITY_INTERVAL_MS: z.coerce.number().int().min(50).default(3_000),
  })
  .transform((env) => ({
    ...serviceFrom(env),
    kafka: kafkaConfigFrom(env, 'webhook-ingress'),
    topics: topicOptionsFrom(env),
    apiKeys: env.RESCIND_API_KEYS,
    encryptionKeys: env.RESCIND_ENCRYPTION_KEYS,
    signatureToleranceMs: env.SIGNATURE_TOLERANCE_MS,
    deliveryTimeoutMs: env.DELIVERY_TIMEOUT_MS,
    maxInFlight: env.MAX_IN_FLIGHT,
    ...trustedProxies(env.TRUSTED_PROXIES),
    webhookSources: env.WEBHOOK_SOURCES,
    badCredentialsPerMinute: env.BAD_CREDENTIALS_PER_MINUTE,
    endpointDeliveriesPerSecond: env.ENDPOINT_DELIVERIES_PER_SECOND,
    activityIntervalMs: env.WEBHOOK_ACTIVITY_INTERVAL_MS,
  }));

export type IngressConfig = z.infer<typeof ingressConfig>;
