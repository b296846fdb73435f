import type { GrantsApi, PortalApi, SignalsApi, TokenVerificationApi } from './api-types.js';

/** Names for what the services answer; what is in it comes from their OpenAPI documents (`npm run api`). */

type Answer<Operation extends { answer: unknown }> = Operation['answer'];
type Listed<Operation extends { answer: { data: unknown[] } }> = Operation['answer']['data'][number];

/** Of every refusal (RFC 9457). */
export interface Problem {
  status: number;
  code: string;
  title: string;
  detail: string;
  errors: { field: string; message: string }[];
  suggestion: string;
  [member: string]: unknown;
}

export interface Page<T> {
  data: T[];
  next_cursor: string | null;
}

export type User = Listed<GrantsApi['listUsers']>;
export type UserDetails = Answer<GrantsApi['getUser']>;
export type Membership = UserDetails['memberships'][number];
export type SignIn = UserDetails['sessions'][number];
export type Grant = Answer<GrantsApi['getGrant']>;
export type Revocation = Listed<GrantsApi['listRevocations']>;
export type ScopeState = Omit<UserDetails['scopes'][number], 'closed'>;
export type RevokedScope = Answer<GrantsApi['revokeScope']>;
export type WorkOSEvent = Listed<GrantsApi['listEvents']> & Partial<Answer<GrantsApi['getEvent']>>;
export type SetAside = Listed<GrantsApi['listSetAside']>;
export type GuardTrip = Listed<GrantsApi['listGuardTrips']>;
export type Completeness = Listed<GrantsApi['getCompleteness']>;
export type ShadowRevocation = Listed<GrantsApi['listShadowRevocations']>;
export type Reconciliation = Answer<GrantsApi['getReconciliation']>;
export type Difference = Listed<GrantsApi['listDifferences']>;

/** A row of the audit of access, and of that of settings. */
export type Audit = Listed<GrantsApi['listAudit']>;
export type Change = Listed<PortalApi['listChanges']>;

export type Session = Answer<PortalApi['getSession']>;
export type Role = Session['role'];
export type Discovery = Answer<PortalApi['discoverIssuer']>;
export type Provider = Answer<PortalApi['getIdentityProvider']>;
export type AudiencePolicy = Provider['audience_policy'];
export type Webhook = Answer<PortalApi['getWebhook']>;
export type WebhookSecret = Webhook['secrets'][number];
export type RemapPreview = Answer<PortalApi['previewClaimMappings']>;
export type ApiKey = Listed<PortalApi['listApiKeys']>;
export type RoleAssignment = Listed<PortalApi['listRoleAssignments']>;
export type CanaryAnswer = Answer<GrantsApi['getCanary']>;
export type HealthAnswer = Answer<PortalApi['healthOfServices']>;
export type ServiceHealth = HealthAnswer['services'][number];
/** Memberships, sessions and grants are as grants has them. */
export type MyAccess = Omit<Answer<PortalApi['getMyAccess']>, 'memberships' | 'sessions' | 'grants'> & {
  memberships: Membership[];
  /** `current`: the one that this page belongs to. */
  sessions: (SignIn & { current: boolean })[];
  grants: Grant[];
};

export type ReceiptAnswer = Answer<PortalApi['getReceipt']>;
export type OpenReceipt = Extract<ReceiptAnswer['receipt'], { standing: 'open' }>;
export type VoidReceipt = Extract<ReceiptAnswer['receipt'], { standing: 'void' }>;

export type Stream = Listed<SignalsApi['listStreams']>;
export type Source = Listed<SignalsApi['listSources']>;
export type FoundTransmitter = Answer<SignalsApi['discoverSource']>;
export type Delivery = Listed<SignalsApi['listDeliveries']>;

export type Verdict = Answer<TokenVerificationApi['verifyToken']>;

export type FeedKind = 'webhook' | 'applied' | 'revoked' | 'refused' | 'provider' | 'guard';
/** What `GET /api/feed` sends, and what the page makes of lists in the same form. */
export interface FeedItem {
  /** Unique within this page. */
  key: string;
  kind: FeedKind;
  at: string;
  event_id?: string;
  type?: string;
  provider_id?: string;
  user_id?: string;
  organization_id?: string;
  session_id?: string;
  scope?: string;
  reason?: string;
  grant_ids?: string[];
  latency_ms?: number;
}
