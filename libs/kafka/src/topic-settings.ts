import { z } from 'zod';
import type { TopicOptions } from './topics.js';

/** How missing topics are made. To be spread into an app's own `z.object({ ...topicSettings })`. */
export const topicSettings = {
  /** Of topics that are missing and are made. */
  KAFKA_PARTITIONS: z.coerce.number().int().positive().default(6),
  /** Of topics that are made; -1: the cluster's default. */
  KAFKA_REPLICATION_FACTOR: z.coerce.number().int().min(-1).default(-1),
  /** Of topics that are made: so many replicas have a record before it counts as held. */
  KAFKA_MIN_INSYNC_REPLICAS: z.coerce.number().int().positive().optional(),
  /** What a service does about topics that exist and are configured so that records may get lost. */
  KAFKA_TOPIC_PROBLEMS: z.enum(['warn', 'refuse']).default('warn'),
};

export function topicOptionsFrom(env: z.infer<z.ZodObject<typeof topicSettings>>): TopicOptions {
  return {
    partitions: env.KAFKA_PARTITIONS,
    replicationFactor: env.KAFKA_REPLICATION_FACTOR,
    refuseProblems: env.KAFKA_TOPIC_PROBLEMS === 'refuse',
    ...(env.KAFKA_MIN_INSYNC_REPLICAS === undefined ? {} : { minInsyncReplicas: env.KAFKA_MIN_INSYNC_REPLICAS }),
  };
}
