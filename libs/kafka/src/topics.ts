import type { KafkaClient } from './client.js';

export interface TopicProblem {
  topic: string;
  problem: string;
}

export interface TopicOptions {
  partitions?: number;
  replicationFactor?: number;
  minInsyncReplicas?: number;
}

export declare function ensureTopics(client: KafkaClient, options?: TopicOptions): Promise<TopicProblem[]>;
