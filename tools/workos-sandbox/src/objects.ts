/** The objects as WorkOS shows them, over the API and in events alike. */
export interface User {
  object: 'user';
  id: string;
  first_name: string | null;
  last_name: string | null;
  name: string | null;
  profile_picture_url: string | null;
  email: string;
  email_verified: boolean;
  external_id: string | null;
  metadata: Record<string, string>;
  last_sign_in_at: string | null;
  locale: string | null;
  created_at: string;
  updated_at: string;
}

export interface OrganizationDomain {
  object: 'organization_domain';
  id: string;
  organization_id: string;
  domain: string;
  state: 'pending' | 'verified';
  verification_strategy: 'dns' | 'manual';
  created_at: string;
  updated_at: string;
}

export interface Organization {
  object: 'organization';
  id: string;
  name: string;
  domains: OrganizationDomain[];
  metadata: Record<string, string>;
  external_id: string | null;
  created_at: string;
  updated_at: string;
}

export type MembershipStatus = 'active' | 'inactive' | 'pending';

export interface Membership {
  object: 'organization_membership';
  id: string;
  user_id: string;
  organization_id: string;
  status: MembershipStatus;
  role: { slug: string };
  roles: { slug: string }[];
  custom_attributes: Record<string, unknown>;
  directory_managed: boolean;
  created_at: string;
  updated_at: string;
}

/** Where an organization keeps its people; managed outside. */
export interface Directory {
  object: 'directory';
  id: string;
  organization_id: string;
  name: string;
  state: 'active';
  created_at: string;
  updated_at: string;
}

export type AuthMethod = 'password' | 'magic_code' | 'impersonation';

export interface Impersonator {
  email: string;
  reason: string | null;
}

export interface Session {
  object: 'session';
  id: string;
  impersonator?: Impersonator;
  ip_address: string | null;
  organization_id?: string;
  user_agent: string | null;
  user_id: string;
  auth_method: AuthMethod;
  status: 'active' | 'expired' | 'revoked';
  expires_at: string;
  ended_at: string | null;
  created_at: string;
  updated_at: string;
}

export interface Actor {
  id: string;
  source: 'api' | 'dashboard' | 'admin_portal' | 'system';
  name: string | null;
}

export interface EventEnvelope {
  id: string;
  object: 'event';
  event: string;
  data: unknown;
  created_at: string;
  context?: { client_id: string; actor: Actor; previous_attributes?: Record<string, unknown> };
}

export interface WebhookEndpoint {
  object: 'webhook_endpoint';
  id: string;
  endpoint_url: string;
  secret: string;
  status: 'enabled' | 'disabled';
  events: string[];
  created_at: string;
  updated_at: string;
}
