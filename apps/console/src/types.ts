/** What the services answer, as far as the console shows it; their `/openapi.json` is the whole of it. */

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

/** RFC 3339; `"infinity"`: for ever; null: never. */
export type Moment = string | null;

export type Role = 'administrator' | 'auditor' | 'person';
export interface Session {
  role: Role;
  name: string;
  user_id?: string;
  provider_id?: string;
  csrf_token: string;
}

export interface User {
  id: string;
  provider_id: string;
  status: 'active' | 'closed' | 'deleted';
  email: string | null;
  first_name: string | null;
  last_name: string | null;
  name: string | null;
  external_id: string | null;
  deleted_at: Moment;
  first_seen_at: Moment;
  last_seen_at: Moment;
}

export interface Membership {
  organization_id: string;
  organization_name: string | null;
  organization_deleted_at: Moment;
  membership_id: string | null;
  status: string;
  role: string | null;
  changed_at: Moment;
}

export interface SignIn {
  id: string;
  organization_id: string | null;
  created_at: Moment;
  revoked_at: Moment;
  first_seen_at: Moment;
  last_seen_at: Moment;
}

export interface ScopeState {
  scope: string;
  provider_id: string;
  user_id?: string;
  organization_id?: string;
  session_id?: string;
  closed_at: Moment;
  opened_at: Moment;
  tokens_before: Moment;
  reason: string | null;
  source_event_id: string | null;
  occurred_at: Moment;
}

export interface UserDetails extends User {
  memberships: Membership[];
  sessions: SignIn[];
  grants: { active: number; total: number };
  scopes: (ScopeState & { closed: boolean })[];
}

export interface Grant {
  id: string;
  status: 'active' | 'revoked' | 'expired';
  provider_id: string;
  user_id: string;
  organization_id: string | null;
  session_id: string | null;
  resource: string;
  scopes: string[];
  granted_at: string;
  granted_by: string;
  expires_at: Moment;
  revoked_at: Moment;
  revocation: { reason: string; source_event_id: string | null; actor: string; scope: string | null } | null;
}

export interface Revocation extends ScopeState {
  id: string;
  actor: string;
  announced_at: string;
  revoked_grant_ids?: string[];
}

export interface RevokedScope {
  dry_run: boolean;
  scope: string;
  provider_id: string;
  revoked_grants: number;
  grant_ids: string[];
}

export interface WorkOSEvent {
  id: string;
  provider_id: string;
  type: string;
  outcome: 'applied' | 'no_effect' | 'unknown_type' | 'shadow';
  user_id: string | null;
  organization_id: string | null;
  occurred_at: Moment;
  received_at: Moment;
  applied_at: string;
  topic: string;
  partition: number;
  offset: string;
  event?: unknown;
}

export interface SetAside {
  id: string;
  status: 'waiting' | 'redriven';
  topic: string;
  partition: number;
  offset: string;
  reason: string;
  detail: string | null;
  set_aside_at: string;
  redriven_at: Moment;
  redriven_by: string | null;
}

export interface Audit {
  id: string;
  at: string;
  actor: string;
  action: string;
  provider_id: string | null;
  subject?: string;
  reason?: string | null;
  source_event_id?: string | null;
  version?: number;
  detail: Record<string, unknown> | null;
  seq?: string | null;
  hash?: string | null;
}

export interface GuardTrip {
  id: string;
  provider_id: string;
  status: 'paused' | 'confirmed' | 'undone';
  tripped_at: string;
  users: number;
  share: number | null;
  window_seconds: number;
  scopes: number;
  tombstones?: number;
  allowed_users?: number;
  grants_waiting: number;
  decided_at: Moment;
  decided_by: string | null;
  note: string | null;
}

export interface Completeness {
  provider_id: string;
  complete_from: Moment;
  complete_up_to: Moment;
  checked_at: Moment;
  status: 'complete' | 'behind' | 'unknown' | 'not_configured';
  problem?: string;
}

export interface MissedWebhook {
  event_id: string;
  type: string;
  provider_id: string;
  repaired_at: string;
  /** From WorkOS’s own time of the event to its being applied here. */
  late_by_ms: number | null;
  /** It came later all the same. */
  webhook_arrived_at: Moment;
}

export type AudiencePolicy = 'required' | 'if_present' | 'bound_by_keys';
export interface ClaimMappings {
  user_id: string;
  organization_id: string;
  session_id: string;
}
export interface Warning {
  code: string;
  message: string;
}

export interface Discovery {
  kind: 'workos' | 'oidc';
  vendor: string;
  issuer: string;
  issuers: string[];
  client_id: string | null;
  jwks_uri: string | null;
  jwks_uri_source: 'discovered' | 'workos' | null;
  endpoints: Record<string, string>;
  claim_mappings: ClaimMappings;
  audience_suggestions: string[];
  audience_policy: AudiencePolicy;
  algorithms: string[];
  warnings: Warning[];
}

export interface Provider {
  id: string;
  name: string;
  kind: 'workos' | 'oidc';
  issuers: string[];
  jwks_uri: string | null;
  jwks_uri_source: string;
  client_id: string | null;
  audience: string[];
  audience_policy: AudiencePolicy;
  algorithms: string[];
  claim_mappings: ClaimMappings;
  required_claims: string[];
  mode: 'enforced' | 'shadow';
  guard: { max_users?: number; max_share?: number; window_seconds?: number } | null;
  api_base_url: string | null;
  api_key_set: boolean;
  webhook_enabled: boolean;
  declared: boolean;
  claim_mappings_confirmed_at: Moment;
  version: number;
  published: boolean;
  created_at: string;
  updated_at: string;
  warnings: Warning[];
}

export interface WebhookSecret {
  id: string;
  origin: 'generated' | 'pasted';
  created_at: string;
  last_used_at: Moment;
}

export interface Webhook {
  url: string;
  declared: boolean;
  created_at: string;
  secrets: WebhookSecret[];
  recommended_events: { event: string; why: string }[];
  last_delivery_at?: Moment;
  last_refused?: { at: string; code: string } | null;
}

export type Verdict =
  | {
      active: true;
      user_id: string;
      organization_id?: string;
      session_id?: string;
      provider_id: string;
      claims: Record<string, unknown>;
      as_of: string | null;
    }
  | { active: false; reason: string; as_of: string | null };

export type FeedKind = 'webhook' | 'applied' | 'revoked' | 'refused' | 'provider' | 'guard';
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

export interface ServiceHealth {
  name: string;
  status: 'ready' | 'not_ready' | 'away' | 'not_configured';
  missing: Record<string, string>;
  facts: Record<string, unknown>;
}

/** `GET /api/health` of the portal. */
export interface HealthAnswer {
  services: ServiceHealth[];
  /** Of the last hour: when, ms since the epoch, and for each name a value at each of these; null: not known. */
  series: { at: number[]; values: Record<string, (number | null)[]> } | null;
}

export interface ShadowRevocation {
  id: string;
  provider_id: string;
  scope: string;
  user_id: string | null;
  organization_id: string | null;
  session_id: string | null;
  closed_at: Moment;
  tokens_before: Moment;
  reason: string;
  source_event_id: string;
  recorded_at: string;
  grants: number;
  sent_again_at: Moment;
}

/** Whom another group claim would affect. */
export interface RemapPreview {
  changes: { claim: string; from: string; to: string; consequence: string }[];
  complete: boolean;
  known_since: Moment;
  affected: { users: number; organizations: number; sessions: number };
  tokens: { with_claims: number; without_claims: number; unknown: number };
  examples: { user_id: string; organization_id: string | null; last_seen_at: string; new_claims: string }[];
}

export interface ApiKey {
  id: string;
  name: string;
  scopes: string[];
  created_at: string;
  created_by: string;
  last_used_at: Moment;
  revoked_at: Moment;
}

export interface RoleAssignment {
  id: string;
  role: 'administrator' | 'auditor';
  provider_id: string;
  kind: 'user' | 'email' | 'organization_role';
  value: string;
  created_at: string;
  created_by: string;
}

/** `GET /api/me`. */
export interface MyAccess {
  provider_id: string;
  user: { id: string; email: string | null };
  organization_id: string | null;
  memberships: Membership[];
  /** `current`: the one that this page belongs to. */
  sessions: (SignIn & { current: boolean })[];
  grants: Grant[];
}

export interface Reconciliation {
  id: string;
  provider_id: string;
  dry_run: boolean;
  max_closings: number;
  status: 'running' | 'done' | 'cancelled' | 'stopped' | 'failed';
  problem: string | null;
  requested_by: string;
  requested_at: string;
  finished_at: Moment;
  progress: {
    phase: string;
    organizations_seen: number;
    users_seen: number;
    memberships_seen: number;
    sessions_seen: number;
    repaired: number;
  };
  /** Kind → how many. */
  differences: Record<string, number>;
}

export interface Difference {
  kind: string;
  user_id: string | null;
  organization_id: string | null;
  session_id: string | null;
  detail: string | null;
  event_id: string | null;
  repaired_at: Moment;
}

/** `GET /v1/users/<id>/receipt` of the portal. */
export interface ReceiptAnswer {
  jws: string;
  receipt: OpenReceipt | VoidReceipt;
}

interface ReceiptAbout {
  user_id: string;
  organization_id: string | null;
  as_of: string;
  completeness: {
    status: 'complete' | 'behind' | 'unknown' | 'not_configured';
    complete_from: Moment;
    complete_up_to: Moment;
    problem?: string;
  };
}

export interface OpenReceipt extends ReceiptAbout {
  standing: 'open';
  active_grants: number;
}

interface KafkaPlace {
  topic: string;
  partition: number;
  offset: string;
}

export interface VoidReceipt extends ReceiptAbout {
  standing: 'void';
  scopes: ScopeState[];
  closings: {
    scope: string;
    event: {
      id: string;
      type: string;
      occurred_at: Moment;
      received_at: Moment;
      applied_at: string;
      via: string;
      record: KafkaPlace;
    } | null;
    by: string | null;
    announced: { id: string; committed_at: string; published: (KafkaPlace & { at: string }) | null }[];
  }[];
  grants: {
    total: number;
    listed: {
      id: string;
      resource: string;
      scopes: string[];
      granted_at: string;
      void_since: string;
      reason: string;
      source_event_id: string | null;
    }[];
  };
  sessions: {
    total: number;
    listed: {
      id: string;
      last_seen_at: Moment;
      void_since: string;
      reason: string;
      source_event_id: string | null;
    }[];
  };
  audit: { size: number; root: string; head: { hash: string }; rows: { seq: string }[] };
}
