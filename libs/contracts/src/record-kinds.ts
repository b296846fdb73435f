import type { z } from 'zod';
import { API_KEY_TYPE, API_KEY_USE_TYPE, apiKeyData, apiKeyUseData } from './api-key.js';
import { IDENTITY_PROVIDER_TYPE, identityProviderData } from './identity-provider.js';
import { KEY_SET_TYPE, keySetData } from './key-set.js';
import { REFUSAL_TYPE, refusalData } from './refusal.js';
import {
  HEARTBEAT_KEY,
  HEARTBEAT_TYPE,
  heartbeatData,
  REVOCATION_TYPE,
  revocationData,
  SCOPE_STATE_TYPE,
  scopeStateData,
} from './revocation.js';
import { SIGN_IN_TYPE, signInData } from './sign-in.js';
import { type Topic, TOPICS } from './topics.js';
import { WEBHOOK_ACTIVITY_TYPE, webhookActivityData } from './webhook-activity.js';
import { KNOWN_TYPES, type KnownType, WORKOS_EVENT_TYPE_PREFIX, workosEventData } from './workos-event.js';

/** One kind of record, for the descriptions that others read; everything that a topic holds is of one of these kinds. */
export interface RecordKind {
  topic: Topic;
  /** `type` of the CloudEvent; that of {@link OTHER_WORKOS_EVENTS} stands for all that begin with it. */
  type: string;
  data: z.ZodType;
  summary: string;
  /** What its key is. */
  key: string;
}

const WORKOS_SUMMARIES: Record<KnownType, string> = {
  'user.created': 'A user was created: a directory record.',
  'user.updated': 'A user was changed; ends access where the suspension rule of the provider says so.',
  'user.deleted': 'A user was deleted: ends their access for ever.',
  'organization_membership.created': 'A membership was created; it opens where it is active or an invitation.',
  'organization_membership.updated':
    'A membership was changed: `inactive` ends access, a changed role ends old tokens.',
  'organization_membership.deleted': 'A membership was deleted: ends access within the organization.',
  'organization.created': 'An organization was created: a directory record.',
  'organization.updated': 'An organization was changed: a directory record.',
  'organization.deleted': 'An organization was deleted: ends all access within it for ever.',
  'session.created': 'Somebody signed in: a directory record.',
  'session.revoked': 'A session was revoked: ends what was obtained by it for ever.',
  'signal.received': 'Not of WorkOS: another transmitter of Shared Signals said that access ends.',
};
const WORKOS_KEY = "The user's id, else the organization's, else the event's.";

/** Any other type that WorkOS sends: kept, without effect. */
export const OTHER_WORKOS_EVENTS: RecordKind = {
  topic: TOPICS.workosEvents,
  type: WORKOS_EVENT_TYPE_PREFIX,
  data: workosEventData(),
  summary: 'Any other event of WorkOS: kept, and without effect.',
  key: WORKOS_KEY,
};

export const RECORD_KINDS: readonly RecordKind[] = [
  {
    topic: TOPICS.revocations,
    type: REVOCATION_TYPE,
    data: revocationData,
    summary: 'Access has ended: what to end downstream, why, and by which event.',
    key: 'The scope key.',
  },
  {
    topic: TOPICS.revocationState,
    type: SCOPE_STATE_TYPE,
    data: scopeStateData,
    summary: 'What is known of one scope now. Merge states by the maximum of each moment.',
    key: 'The scope key.',
  },
  {
    topic: TOPICS.revocationState,
    type: HEARTBEAT_TYPE,
    data: heartbeatData,
    summary:
      'Up to when the states are complete; one in each partition. Without a young one of each, nothing is known.',
    key: `\`${HEARTBEAT_KEY}\`.`,
  },
  ...KNOWN_TYPES.map((type) => ({
    topic: TOPICS.workosEvents,
    type: `${WORKOS_EVENT_TYPE_PREFIX}${type}`,
    data: workosEventData(type),
    summary: WORKOS_SUMMARIES[type],
    key: WORKOS_KEY,
  })),
  OTHER_WORKOS_EVENTS,
  {
    topic: TOPICS.refusals,
    type: REFUSAL_TYPE,
    data: refusalData,
    summary: 'A token that was good in itself was refused because access has ended.',
    key: "The user's id.",
  },
  {
    topic: TOPICS.signIns,
    type: SIGN_IN_TYPE,
    data: signInData,
    summary: 'Somebody signed in, or was first seen with a valid token.',
    key: "The user's id.",
  },
  {
    topic: TOPICS.identityProviders,
    type: IDENTITY_PROVIDER_TYPE,
    data: identityProviderData,
    summary: 'The newest configuration of an identity provider; its secrets are sealed. Removed: the record is.',
    key: "The provider's id.",
  },
  {
    topic: TOPICS.apiKeys,
    type: API_KEY_TYPE,
    data: apiKeyData,
    summary: 'An API key that the portal has issued, as a digest. Revoked: the record is removed.',
    key: "The API key's id.",
  },
  {
    topic: TOPICS.apiKeyUses,
    type: API_KEY_USE_TYPE,
    data: apiKeyUseData,
    summary: 'When a service last saw an API key.',
    key: '`<API key id>/<service>`.',
  },
  {
    topic: TOPICS.keySets,
    type: KEY_SET_TYPE,
    data: keySetData,
    summary: 'The public keys that some verifier was last given at an address.',
    key: 'The address (`jwks_uri`).',
  },
  {
    topic: TOPICS.webhookActivity,
    type: WEBHOOK_ACTIVITY_TYPE,
    data: webhookActivityData,
    summary: 'What has happened at the webhook endpoint of a provider.',
    key: "The provider's id.",
  },
];

/** The kind of a record by its `type`. */
export function kindOf(type: string): RecordKind | undefined {
  const kind = RECORD_KINDS.find((known) => known.type === type);
  return kind ?? (type.startsWith(WORKOS_EVENT_TYPE_PREFIX) ? OTHER_WORKOS_EVENTS : undefined);
}
