/** Every topic that crosses a service boundary. Values are CloudEvents 1.0 in structured JSON mode. */
export const TOPICS = {
  /** What WorkOS said, once for each delivery. Key: user id, else organization id, else event id. */
  workosEvents: 'workos.events',
  /** Records of `workos.events` that no retry can make acceptable: original bytes, with the reason in headers. */
  workosEventsDlq: 'workos.events.dlq',
  /** Each revocation, for downstream services. Key: scope key. */
  revocations: 'access.revocations',
  /** Tokens that were refused because access has ended, for people to see. Key: user id. */
  refusals: 'access.refusals',
  /** The newest state of each scope, and a heartbeat. Compacted; key: scope key. */
  revocationState: 'access.revocation-state',
  /** The newest configuration of each identity provider, secrets sealed. Compacted; key: provider id. */
  identityProviders: 'identity.providers',
  /** The API keys that the portal has issued, as digests. Compacted; key: API key id. */
  apiKeys: 'identity.api-keys',
  /** When a service last saw which API key. Compacted; key: `<API key id>/<service>`. */
  apiKeyUses: 'identity.api-key-uses',
  /** The public keys that some verifier was last given at an address. Compacted; key: the address. */
  keySets: 'identity.key-sets',
  /** Somebody signed in, or was first seen with a valid token. Key: user id. */
  signIns: 'identity.sign-ins',
  /** What happened at each webhook endpoint: last delivery, last refusal, last use of each secret. Compacted; key: provider id. */
  webhookActivity: 'identity.webhook-activity',
} as const;

export type Topic = (typeof TOPICS)[keyof typeof TOPICS];

export interface TopicSpec {
  topic: Topic;
  compacted: boolean;
  /** -1: kept for ever. Ignored where compacted. */
  retentionMs: number;
  /** Where a total order is promised, one; otherwise undefined: as many as the installation says. */
  partitions?: number;
}

const DAY_MS = 86_400_000;

export const TOPIC_SPECS: readonly TopicSpec[] = [
  { topic: TOPICS.workosEvents, compacted: false, retentionMs: -1 },
  { topic: TOPICS.workosEventsDlq, compacted: false, retentionMs: -1 },
  { topic: TOPICS.revocations, compacted: false, retentionMs: 90 * DAY_MS },
  { topic: TOPICS.refusals, compacted: false, retentionMs: DAY_MS },
  { topic: TOPICS.revocationState, compacted: true, retentionMs: -1 },
  { topic: TOPICS.identityProviders, compacted: true, retentionMs: -1, partitions: 1 },
  { topic: TOPICS.apiKeys, compacted: true, retentionMs: -1, partitions: 1 },
  { topic: TOPICS.apiKeyUses, compacted: true, retentionMs: -1, partitions: 1 },
  { topic: TOPICS.keySets, compacted: true, retentionMs: -1, partitions: 1 },
  { topic: TOPICS.signIns, compacted: false, retentionMs: 30 * DAY_MS },
  { topic: TOPICS.webhookActivity, compacted: true, retentionMs: -1, partitions: 1 },
];
