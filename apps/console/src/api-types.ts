// Generated from the OpenAPI documents of the services by `npm run api`; not to be edited.

/** The API of grants. */
export interface GrantsApi {
  /** Grant access: `POST /v1/grants` */
  createGrant: {
    body: {
      provider_id?: string;
      user_id: string;
      organization_id?: string;
      session_id?: string;
      resource: string;
      scopes: string[];
      expires_at?: string;
    };
    answer: {
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
      expires_at: string | null;
      revoked_at: string | null;
      revocation: { reason: string; source_event_id: string | null; actor: string; scope: string | null } | null;
    };
  };
  /** Grants, newest first: `GET /v1/grants` */
  listGrants: {
    query: {
      provider_id?: string;
      user_id?: string;
      organization_id?: string;
      session_id?: string;
      resource?: string;
      status?: 'active' | 'revoked' | 'expired';
      limit?: number;
      cursor?: string;
    };
    answer: {
      data: {
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
        expires_at: string | null;
        revoked_at: string | null;
        revocation: { reason: string; source_event_id: string | null; actor: string; scope: string | null } | null;
      }[];
      next_cursor: string | null;
    };
  };
  /** One grant, judged now: `GET /v1/grants/{id}` */
  getGrant: {
    answer: {
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
      expires_at: string | null;
      revoked_at: string | null;
      revocation: { reason: string; source_event_id: string | null; actor: string; scope: string | null } | null;
    };
  };
  /** Revoke one grant, for ever: `POST /v1/grants/{id}/revoke` */
  revokeGrant: {
    body: { reason?: string };
    answer: {
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
      expires_at: string | null;
      revoked_at: string | null;
      revocation: { reason: string; source_event_id: string | null; actor: string; scope: string | null } | null;
    };
  };
  /** Whether somebody may do something now: `POST /v1/access/check` */
  checkAccess: {
    body: {
      provider_id?: string;
      user_id: string;
      organization_id?: string;
      session_id?: string;
      resource: string;
      scope: string;
    };
    answer: {
      allowed: boolean;
      reason?:
        | 'user_deprovisioned'
        | 'user_suspended'
        | 'membership_deleted'
        | 'membership_inactive'
        | 'role_changed'
        | 'session_revoked'
        | 'organization_deleted'
        | 'reconciled'
        | 'signal_received'
        | 'no_grant'
        | 'expired'
        | 'grant_revoked';
      grant_id?: string;
    };
  };
  /** End all access of a user, an organization, a membership or a session: `POST /v1/revocations` */
  revokeScope: {
    body: {
      provider_id?: string;
      user_id?: string;
      organization_id?: string;
      session_id?: string;
      reason: string;
      dry_run?: boolean;
    };
    answer: {
      dry_run: boolean;
      scope: string;
      provider_id: string;
      reason: string;
      closed_at: string | null;
      revoked_grants: number;
      grant_ids: string[];
    };
  };
  /** What was announced, newest first; those of the canary where its provider is asked for: `GET /v1/revocations` */
  listRevocations: {
    query: { provider_id?: string; user_id?: string; organization_id?: string; limit?: number; cursor?: string };
    answer: {
      data: {
        scope: string;
        provider_id: string;
        user_id?: string;
        organization_id?: string;
        session_id?: string;
        closed_at: string | null;
        opened_at: string | null;
        tokens_before: string | null;
        reason: string | null;
        source_event_id: string | null;
        occurred_at: string | null;
        revoked_grant_ids?: string[];
        id: string;
        actor: string;
        announced_at: string;
      }[];
      next_cursor: string | null;
    };
  };
  /** Open a scope again; what was granted before stays void: `POST /v1/reinstatements` */
  reinstateScope: {
    body: { provider_id?: string; user_id?: string; organization_id?: string; session_id?: string; reason: string };
    answer: {
      scope: string;
      provider_id: string;
      user_id?: string;
      organization_id?: string;
      session_id?: string;
      closed_at: string | null;
      opened_at: string | null;
      tokens_before: string | null;
      reason: string | null;
      source_event_id: string | null;
      occurred_at: string | null;
      closed: boolean;
    };
  };
  /** Events, newest first; those of the canary where its provider is asked for: `GET /v1/events` */
  listEvents: {
    query: {
      provider_id?: string;
      user_id?: string;
      organization_id?: string;
      type?: string;
      limit?: number;
      cursor?: string;
    };
    answer: {
      data: {
        id: string;
        provider_id: string;
        type: string;
        outcome: 'applied' | 'no_effect' | 'unknown_type' | 'shadow';
        user_id: string | null;
        organization_id: string | null;
        occurred_at: string | null;
        received_at: string | null;
        applied_at: string;
        topic: string;
        partition: number;
        offset: string;
      }[];
      next_cursor: string | null;
    };
  };
  /** One event, with what WorkOS said: `GET /v1/events/{id}` */
  getEvent: {
    query: { provider_id?: string };
    answer: {
      id: string;
      provider_id: string;
      type: string;
      outcome: 'applied' | 'no_effect' | 'unknown_type' | 'shadow';
      user_id: string | null;
      organization_id: string | null;
      occurred_at: string | null;
      received_at: string | null;
      applied_at: string;
      topic: string;
      partition: number;
      offset: string;
      event: unknown;
    };
  };
  /** Users, by id: `GET /v1/users` */
  listUsers: {
    query: { q?: string; provider_id?: string; limit?: number; cursor?: string };
    answer: {
      data: {
        id: string;
        provider_id: string;
        status: 'active' | 'closed' | 'deleted';
        email: string | null;
        first_name: string | null;
        last_name: string | null;
        name: string | null;
        external_id: string | null;
        deleted_at: string | null;
        first_seen_at: string | null;
        last_seen_at: string | null;
      }[];
      next_cursor: string | null;
    };
  };
  /** One user, with memberships, sessions, grants and scopes: `GET /v1/users/{id}` */
  getUser: {
    query: { provider_id?: string };
    answer: {
      id: string;
      provider_id: string;
      status: 'active' | 'closed' | 'deleted';
      email: string | null;
      first_name: string | null;
      last_name: string | null;
      name: string | null;
      external_id: string | null;
      deleted_at: string | null;
      first_seen_at: string | null;
      last_seen_at: string | null;
      memberships: {
        organization_id: string;
        organization_name: string | null;
        organization_deleted_at: string | null;
        membership_id: string | null;
        status: string;
        role: string | null;
        changed_at: string | null;
      }[];
      sessions: {
        id: string;
        organization_id: string | null;
        created_at: string | null;
        revoked_at: string | null;
        first_seen_at: string | null;
        last_seen_at: string | null;
      }[];
      grants: { active: number; total: number };
      scopes: {
        scope: string;
        provider_id: string;
        user_id?: string;
        organization_id?: string;
        session_id?: string;
        closed_at: string | null;
        opened_at: string | null;
        tokens_before: string | null;
        reason: string | null;
        source_event_id: string | null;
        occurred_at: string | null;
        closed: boolean;
      }[];
    };
  };
  /** When and by what the access of somebody ended, with its place in the audit; the portal signs it: `GET /v1/users/{id}/receipt` */
  getReceiptFacts: {
    query: { provider_id?: string; organization_id?: string };
    answer:
      | {
          version: 1;
          provider_id: string;
          user_id: string;
          organization_id: string | null;
          as_of: string;
          completeness: {
            status: 'complete' | 'behind' | 'unknown' | 'not_configured';
            complete_from: string | null;
            complete_up_to: string | null;
            checked_at: string | null;
            problem?: string;
          };
          standing: 'open';
          active_grants: number;
        }
      | {
          version: 1;
          provider_id: string;
          user_id: string;
          organization_id: string | null;
          as_of: string;
          completeness: {
            status: 'complete' | 'behind' | 'unknown' | 'not_configured';
            complete_from: string | null;
            complete_up_to: string | null;
            checked_at: string | null;
            problem?: string;
          };
          standing: 'void';
          scopes: {
            scope: string;
            provider_id: string;
            user_id?: string;
            organization_id?: string;
            session_id?: string;
            closed_at: string | null;
            opened_at: string | null;
            tokens_before: string | null;
            reason: string | null;
            source_event_id: string | null;
            occurred_at: string | null;
          }[];
          closings: {
            scope: string;
            event: {
              id: string;
              type: string;
              occurred_at: string | null;
              received_at: string | null;
              applied_at: string;
              via: string;
              record: { topic: string; partition: number; offset: string };
              sha256: string;
            } | null;
            by: string | null;
            announced: {
              id: string;
              committed_at: string;
              published: { topic: string; partition: number; offset: string; at: string } | null;
            }[];
            audit_seq: string;
          }[];
          grants: {
            total: number;
            listed: {
              id: string;
              resource: string;
              scopes: string[];
              organization_id: string | null;
              session_id: string | null;
              granted_at: string;
              granted_by: string;
              void_since: string;
              reason: string;
              source_event_id: string | null;
              actor: string;
              audit_seq: string | null;
            }[];
          };
          sessions: {
            total: number;
            listed: {
              id: string;
              organization_id: string | null;
              created_at: string | null;
              last_seen_at: string | null;
              void_since: string;
              reason: string;
              source_event_id: string | null;
            }[];
          };
          audit: {
            size: number;
            root: string;
            head: { hash: string; path: string[] };
            rows: {
              seq: string;
              previous: string;
              row: {
                id: string;
                at: string;
                actor: string;
                action: string;
                provider_id: string | null;
                subject: string;
                reason: string | null;
                source_event_id: string | null;
                detail: string | null;
              };
              path: string[];
            }[];
          };
        };
  };
  /** Records that could not be applied, newest first: `GET /v1/set-aside` */
  listSetAside: {
    query: { reason?: string; status?: 'waiting' | 'redriven'; limit?: number; cursor?: string };
    answer: {
      data: {
        id: string;
        status: 'waiting' | 'redriven';
        topic: string;
        partition: number;
        offset: string;
        reason: string;
        detail: string | null;
        set_aside_at: string;
        redriven_at: string | null;
        redriven_by: string | null;
      }[];
      next_cursor: string | null;
    };
  };
  /** Send the original bytes again, once: `POST /v1/set-aside/{id}/redrive` */
  redriveOne: {
    answer: {
      id: string;
      status: 'waiting' | 'redriven';
      topic: string;
      partition: number;
      offset: string;
      reason: string;
      detail: string | null;
      set_aside_at: string;
      redriven_at: string | null;
      redriven_by: string | null;
    };
  };
  /** Send everything again that was set aside for one reason: `POST /v1/set-aside/redrive` */
  redriveAll: { body: { reason: string }; answer: { reason: string; redriven: number } };
  /** Mass deprovisionings, newest first: `GET /v1/guard-trips` */
  listGuardTrips: {
    query: { status?: 'paused' | 'confirmed' | 'undone'; provider_id?: string; limit?: number; cursor?: string };
    answer: {
      data: {
        id: string;
        provider_id: string;
        status: 'paused' | 'confirmed' | 'undone';
        tripped_at: string;
        users: number;
        share: number;
        allowed_users: number;
        window_seconds: number;
        scopes: number;
        tombstones: number;
        reopened: number;
        grants_waiting: number;
        decided_at: string | null;
        decided_by: string | null;
        note: string | null;
      }[];
      next_cursor: string | null;
    };
  };
  /** It was meant: the marks are written: `POST /v1/guard-trips/{id}/confirm` */
  confirmGuardTrip: {
    body: { note: string };
    answer: {
      id: string;
      provider_id: string;
      status: 'paused' | 'confirmed' | 'undone';
      tripped_at: string;
      users: number;
      share: number;
      allowed_users: number;
      window_seconds: number;
      scopes: number;
      tombstones: number;
      reopened: number;
      grants_waiting: number;
      decided_at: string | null;
      decided_by: string | null;
      note: string | null;
    };
  };
  /** It was a mistake: what can be opened again is opened, with this moment; tombstones stay: `POST /v1/guard-trips/{id}/undo` */
  undoGuardTrip: {
    body: { note: string };
    answer: {
      id: string;
      provider_id: string;
      status: 'paused' | 'confirmed' | 'undone';
      tripped_at: string;
      users: number;
      share: number;
      allowed_users: number;
      window_seconds: number;
      scopes: number;
      tombstones: number;
      reopened: number;
      grants_waiting: number;
      decided_at: string | null;
      decided_by: string | null;
      note: string | null;
    };
  };
  /** What providers in shadow mode would have ended, newest first: `GET /v1/shadow-revocations` */
  listShadowRevocations: {
    query: { provider_id?: string; limit?: number; cursor?: string };
    answer: {
      data: {
        id: string;
        provider_id: string;
        scope: string;
        user_id: string | null;
        organization_id: string | null;
        session_id: string | null;
        closed_at: string | null;
        tokens_before: string | null;
        reason: string;
        source_event_id: string;
        occurred_at: string;
        recorded_at: string;
        grants: number;
        sent_again_at: string | null;
      }[];
      next_cursor: string | null;
    };
  };
  /** For each provider: everything up to when has been applied: `GET /v1/completeness` */
  getCompleteness: {
    answer: {
      data: {
        provider_id: string;
        complete_from: string | null;
        complete_up_to: string | null;
        checked_at: string | null;
        status: 'complete' | 'behind' | 'unknown' | 'not_configured';
        problem?: string;
      }[];
    };
  };
  /** Events that no webhook brought in time and the Events API did, newest first: `GET /v1/missed-webhooks` */
  listMissedWebhooks: {
    query: { provider_id?: string; limit?: number; cursor?: string };
    answer: {
      data: {
        provider_id: string;
        event_id: string;
        type: string;
        user_id: string | null;
        organization_id: string | null;
        occurred_at: string | null;
        repaired_at: string;
        late_by_ms: number | null;
        webhook_arrived_at: string | null;
      }[];
      next_cursor: string | null;
    };
  };
  /** Compare WorkOS's own lists with what is known here; also the first import: `POST /v1/reconciliations` */
  reconcile: { body: { provider_id: string; dry_run?: boolean; max_closings?: number }; answer: { id: string } };
  /** Comparisons, newest first: `GET /v1/reconciliations` */
  listReconciliations: {
    query: {
      provider_id?: string;
      status?: 'running' | 'done' | 'cancelled' | 'stopped' | 'failed';
      limit?: number;
      cursor?: string;
    };
    answer: {
      data: {
        id: string;
        provider_id: string;
        dry_run: boolean;
        max_closings: number;
        status: 'running' | 'done' | 'cancelled' | 'stopped' | 'failed';
        problem: string | null;
        requested_by: string;
        requested_at: string;
        finished_at: string | null;
        progress: {
          phase:
            | 'organizations'
            | 'users'
            | 'memberships'
            | 'directories'
            | 'organizations_here'
            | 'users_here'
            | 'memberships_here'
            | 'sessions_here'
            | 'repair';
          organizations_seen: number;
          users_seen: number;
          memberships_seen: number;
          sessions_seen: number;
          repaired: number;
        };
        differences: Record<string, number>;
      }[];
      next_cursor: string | null;
    };
  };
  /** One comparison, and how far it is: `GET /v1/reconciliations/{id}` */
  getReconciliation: {
    answer: {
      id: string;
      provider_id: string;
      dry_run: boolean;
      max_closings: number;
      status: 'running' | 'done' | 'cancelled' | 'stopped' | 'failed';
      problem: string | null;
      requested_by: string;
      requested_at: string;
      finished_at: string | null;
      progress: {
        phase:
          | 'organizations'
          | 'users'
          | 'memberships'
          | 'directories'
          | 'organizations_here'
          | 'users_here'
          | 'memberships_here'
          | 'sessions_here'
          | 'repair';
        organizations_seen: number;
        users_seen: number;
        memberships_seen: number;
        sessions_seen: number;
        repaired: number;
      };
      differences: Record<string, number>;
    };
  };
  /** What a comparison has found, in the order in which it did: `GET /v1/reconciliations/{id}/differences` */
  listDifferences: {
    query: {
      kind?:
        | 'user_gone_there'
        | 'user_suspended_there'
        | 'user_active_there'
        | 'user_unknown_here'
        | 'membership_gone_there'
        | 'membership_inactive_there'
        | 'membership_active_there'
        | 'membership_unknown_here'
        | 'organization_gone_there'
        | 'organization_unknown_here'
        | 'session_ended_there'
        | 'directory_deleted';
      limit?: number;
      cursor?: string;
    };
    answer: {
      data: {
        kind:
          | 'user_gone_there'
          | 'user_suspended_there'
          | 'user_active_there'
          | 'user_unknown_here'
          | 'membership_gone_there'
          | 'membership_inactive_there'
          | 'membership_active_there'
          | 'membership_unknown_here'
          | 'organization_gone_there'
          | 'organization_unknown_here'
          | 'session_ended_there'
          | 'directory_deleted';
        user_id: string | null;
        organization_id: string | null;
        session_id: string | null;
        detail: string | null;
        event_id: string | null;
        repaired_at: string | null;
      }[];
      next_cursor: string | null;
    };
  };
  /** End a comparison; what is repaired by then stays so: `POST /v1/reconciliations/{id}/cancel` */
  cancelReconciliation: {
    answer: {
      id: string;
      provider_id: string;
      dry_run: boolean;
      max_closings: number;
      status: 'running' | 'done' | 'cancelled' | 'stopped' | 'failed';
      problem: string | null;
      requested_by: string;
      requested_at: string;
      finished_at: string | null;
      progress: {
        phase:
          | 'organizations'
          | 'users'
          | 'memberships'
          | 'directories'
          | 'organizations_here'
          | 'users_here'
          | 'memberships_here'
          | 'sessions_here'
          | 'repair';
        organizations_seen: number;
        users_seen: number;
        memberships_seen: number;
        sessions_seen: number;
        repaired: number;
      };
      differences: Record<string, number>;
    };
  };
  /** The synthetic revocations of the last hour: how long from the webhook to the refusal: `GET /v1/canary` */
  getCanary: {
    answer: {
      status: 'refused' | 'failing' | 'unknown' | 'not_configured';
      last: { at: string; accepted_ms: number | null; refused_ms: number | null; problem: string | null } | null;
      last_hour: {
        runs: number;
        failed: number;
        p50_ms: number | null;
        p99_ms: number | null;
        worst_ms: number | null;
      };
    };
  };
  /** Who did what, when and why, newest first; those of the canary where its provider is asked for: `GET /v1/audit` */
  listAudit: {
    query: {
      subject?: string;
      source_event_id?: string;
      provider_id?: string;
      user_id?: string;
      limit?: number;
      cursor?: string;
    };
    answer: {
      data: {
        id: string;
        at: string;
        actor: string;
        action: string;
        provider_id: string | null;
        subject: string;
        reason: string | null;
        source_event_id: string | null;
        detail: Record<string, unknown> | null;
        seq: string | null;
        hash: string | null;
      }[];
      next_cursor: string | null;
    };
  };
}

/** The API of token-verification. */
export interface TokenVerificationApi {
  /** Judge a token: `POST /v1/tokens/verify` */
  verifyToken: {
    body: { token: string };
    answer:
      | {
          active: true;
          user_id: string;
          organization_id?: string;
          session_id?: string;
          claims: Record<string, unknown>;
          provider_id: string;
          /** The moment that the view is proved to have reached. */ as_of: string | null;
        }
      | {
          active: false;
          reason: string;
          /** The moment that the view is proved to have reached. */ as_of: string | null;
        };
  };
  /** What this replica knows of one scope: what it refuses by: `GET /v1/scopes` */
  getScope: {
    query: { scope: string };
    answer: { scope: string; closed_at: string | null; opened_at: string | null; tokens_before: string | null };
  };
  /** Everything that makes access void, and each change of it, as server-sent events: `GET /v1/revocations/stream` */
  streamRevocations: { answer: void };
  /** Token introspection, RFC 7662; signed answers, RFC 9701: `POST /oauth2/introspect` */
  introspectToken: {
    body: { token: string; token_type_hint?: string; client_id?: string; client_secret?: string };
    answer: { active: boolean; [member: string]: unknown };
  };
  /** What the introspection can do, RFC 8414: `GET /.well-known/oauth-authorization-server` */
  serverMetadata: {
    answer: { issuer: string; introspection_endpoint: string; jwks_uri: string; [member: string]: unknown };
  };
  /** The keys of signed answers, RFC 7517: `GET /.well-known/jwks.json` */
  serverKeys: { answer: { keys: Record<string, unknown>[] } };
  /** For a proxy: whose the caller's token is: `GET /v1/forward-auth` */
  forwardAuth: { answer: void };
}

/** The API of signals. */
export interface SignalsApi {
  /** The transmitter (SSF 1.0): `GET /.well-known/ssf-configuration` */
  getTransmitter: {
    answer: {
      spec_version: string;
      issuer: string;
      jwks_uri: string;
      delivery_methods_supported: string[];
      configuration_endpoint: string;
      status_endpoint: string;
      add_subject_endpoint: string;
      remove_subject_endpoint: string;
      verification_endpoint: string;
      authorization_schemes: { spec_urn: string }[];
      default_subjects: 'ALL' | 'NONE';
    };
  };
  /** The keys that sign (RFC 7517): `GET /.well-known/jwks.json` */
  getSigningKeys: { answer: { keys: { kid: string; kty: string; [member: string]: unknown }[] } };
  /** Where receivers get tokens (RFC 8414): `GET /.well-known/oauth-authorization-server` */
  getAuthorizationServer: {
    answer: {
      issuer: string;
      token_endpoint: string;
      grant_types_supported: string[];
      token_endpoint_auth_methods_supported: string[];
      scopes_supported: string[];
      response_types_supported: string[];
    };
  };
  /** What the tokens are for (RFC 9728): `GET /.well-known/oauth-protected-resource` */
  getProtectedResource: {
    answer: {
      resource: string;
      authorization_servers: string[];
      scopes_supported: string[];
      bearer_methods_supported: string[];
    };
  };
  /** A token for the key of a receiver (RFC 6749, section 4.4): `POST /oauth2/token` */
  getToken: {
    body: { grant_type: 'client_credentials'; client_id?: string; client_secret?: string; scope?: string };
    answer: { access_token: string; token_type: 'Bearer'; expires_in: number; scope: string };
  };
  /** Make a stream: `POST /ssf/streams` */
  createStream: {
    body: {
      delivery?:
        | { method: 'urn:ietf:rfc:8935'; endpoint_url: string; authorization_header?: string | null }
        | { method: 'urn:ietf:rfc:8936'; endpoint_url?: string | null };
      events_requested?: string[] | null;
      description?: string | null;
    };
    answer: {
      stream_id: string;
      iss: string;
      aud: string;
      delivery: { method: 'urn:ietf:rfc:8935' | 'urn:ietf:rfc:8936'; endpoint_url: string };
      events_supported: string[];
      events_requested?: string[];
      events_delivered: string[];
      min_verification_interval: number;
      description?: string;
    };
  };
  /** One stream, or all of this receiver: `GET /ssf/streams` */
  readStreams: {
    query: { stream_id?: string };
    answer:
      | {
          stream_id: string;
          iss: string;
          aud: string;
          delivery: { method: 'urn:ietf:rfc:8935' | 'urn:ietf:rfc:8936'; endpoint_url: string };
          events_supported: string[];
          events_requested?: string[];
          events_delivered: string[];
          min_verification_interval: number;
          description?: string;
        }
      | {
          stream_id: string;
          iss: string;
          aud: string;
          delivery: { method: 'urn:ietf:rfc:8935' | 'urn:ietf:rfc:8936'; endpoint_url: string };
          events_supported: string[];
          events_requested?: string[];
          events_delivered: string[];
          min_verification_interval: number;
          description?: string;
        }[];
  };
  /** Change a stream; what is left out stays: `PATCH /ssf/streams` */
  updateStream: {
    body: {
      stream_id: string;
      delivery?:
        | { method: 'urn:ietf:rfc:8935'; endpoint_url: string; authorization_header?: string | null }
        | { method: 'urn:ietf:rfc:8936'; endpoint_url?: string | null };
      events_requested?: string[] | null;
      description?: string | null;
      iss?: unknown;
      aud?: unknown;
      events_supported?: unknown;
      events_delivered?: unknown;
      min_verification_interval?: unknown;
    };
    answer: {
      stream_id: string;
      iss: string;
      aud: string;
      delivery: { method: 'urn:ietf:rfc:8935' | 'urn:ietf:rfc:8936'; endpoint_url: string };
      events_supported: string[];
      events_requested?: string[];
      events_delivered: string[];
      min_verification_interval: number;
      description?: string;
    };
  };
  /** Replace a stream; what is left out is deleted: `PUT /ssf/streams` */
  replaceStream: {
    body: {
      stream_id: string;
      delivery?:
        | { method: 'urn:ietf:rfc:8935'; endpoint_url: string; authorization_header?: string | null }
        | { method: 'urn:ietf:rfc:8936'; endpoint_url?: string | null };
      events_requested?: string[] | null;
      description?: string | null;
      iss?: unknown;
      aud?: unknown;
      events_supported?: unknown;
      events_delivered?: unknown;
      min_verification_interval?: unknown;
    };
    answer: {
      stream_id: string;
      iss: string;
      aud: string;
      delivery: { method: 'urn:ietf:rfc:8935' | 'urn:ietf:rfc:8936'; endpoint_url: string };
      events_supported: string[];
      events_requested?: string[];
      events_delivered: string[];
      min_verification_interval: number;
      description?: string;
    };
  };
  /** End a stream: `DELETE /ssf/streams` */
  deleteStream: { query: { stream_id: string }; answer: void };
  /** Whether a stream is sent: `GET /ssf/status` */
  readStatus: {
    query: { stream_id: string };
    answer: { stream_id: string; status: 'enabled' | 'paused' | 'disabled'; reason?: string };
  };
  /** Pause a stream (what happens is kept), disable it (it is not), enable it: `POST /ssf/status` */
  updateStatus: {
    body: { stream_id: string; status: 'enabled' | 'paused' | 'disabled'; reason?: string };
    answer: { stream_id: string; status: 'enabled' | 'paused' | 'disabled'; reason?: string };
  };
  /** Hear of a subject again: `POST /ssf/subjects/add` */
  addSubject: {
    body: { stream_id: string; subject: { format: string; [member: string]: unknown }; verified?: boolean };
    answer: void;
  };
  /** Hear no more of a subject: `POST /ssf/subjects/remove` */
  removeSubject: { body: { stream_id: string; subject: { format: string; [member: string]: unknown } }; answer: void };
  /** Send a verification event: `POST /ssf/verification` */
  verifyStream: { body: { stream_id: string; state?: string }; answer: void };
  /** Acknowledge SETs, and get what waits (RFC 8936): `POST /ssf/poll/{stream_id}` */
  poll: {
    body: {
      maxEvents?: number;
      returnImmediately?: boolean;
      ack?: string[];
      setErrs?: Record<string, { err: string; description?: string; [member: string]: unknown }>;
    };
    answer: { sets: Record<string, string>; moreAvailable: boolean };
  };
  /** Let somebody make streams: `POST /v1/receivers` */
  createReceiver: {
    body: { name: string; audience?: string };
    answer: {
      id: string;
      name: string;
      audience: string;
      created_at: string;
      created_by: string;
      revoked_at: string | null;
      key: string;
    };
  };
  /** Who may make streams: `GET /v1/receivers` */
  listReceivers: {
    answer: {
      data: {
        id: string;
        name: string;
        audience: string;
        created_at: string;
        created_by: string;
        revoked_at: string | null;
      }[];
      next_cursor: null;
    };
  };
  /** End a receiver and its streams: `DELETE /v1/receivers/{id}` */
  revokeReceiver: { answer: void };
  /** Make a key that signs once everybody has had the time to fetch it: `POST /v1/signing-keys` */
  rotateSigningKey: { answer: { kid: string } };
  /** Tell somebody by webhook (Standard Webhooks), logout token or Global Token Revocation: `POST /v1/streams` */
  createOwnStream: {
    body:
      | { kind: 'webhook'; url: string; events?: ('access.revoked' | 'account.reopened')[]; description?: string }
      | { kind: 'backchannel_logout'; url: string; audience: string; description?: string }
      | { kind: 'token_revocation'; url: string; authorization_header: string; description?: string };
    answer: {
      id: string;
      kind: 'set_push' | 'set_poll' | 'webhook' | 'backchannel_logout' | 'token_revocation';
      receiver_id: string | null;
      audience: string;
      url: string | null;
      events: string[] | null;
      description: string | null;
      status: 'enabled' | 'paused' | 'disabled';
      status_reason: string | null;
      failures: number;
      last_error: string | null;
      created_at: string;
      secret?: string;
    };
  };
  /** Who is told, and how it stands: `GET /v1/streams` */
  listStreams: {
    answer: {
      data: {
        id: string;
        kind: 'set_push' | 'set_poll' | 'webhook' | 'backchannel_logout' | 'token_revocation';
        receiver_id: string | null;
        audience: string;
        url: string | null;
        events: string[] | null;
        description: string | null;
        status: 'enabled' | 'paused' | 'disabled';
        status_reason: string | null;
        failures: number;
        last_error: string | null;
        created_at: string;
        pending: number;
        refused: number;
        last_delivered_at: string | null;
      }[];
      next_cursor: null;
    };
  };
  /** Change where it goes, pause it, enable it again: `PATCH /v1/streams/{id}` */
  updateOwnStream: {
    body: { url?: string; status?: 'enabled' | 'paused' | 'disabled'; reason?: string };
    answer: {
      id: string;
      kind: 'set_push' | 'set_poll' | 'webhook' | 'backchannel_logout' | 'token_revocation';
      receiver_id: string | null;
      audience: string;
      url: string | null;
      events: string[] | null;
      description: string | null;
      status: 'enabled' | 'paused' | 'disabled';
      status_reason: string | null;
      failures: number;
      last_error: string | null;
      created_at: string;
    };
  };
  /** Tell them no more: `DELETE /v1/streams/{id}` */
  deleteOwnStream: { answer: void };
  /** Let another transmitter end access: `POST /v1/sources` */
  createSource: {
    body: {
      name: string;
      issuer: string;
      audience?: string;
      jwks_uri?: string;
      provider_id: string;
      subject_issuers?: string[];
      poll?: {
        endpoint_url: string;
        authorization_header?: string;
        token_url?: string;
        client_id?: string;
        client_secret?: string;
        scope?: string;
      };
      stream?: {
        method: 'push' | 'poll';
        adopt?: string;
        authorization_header?: string;
        token_url?: string;
        client_id?: string;
        client_secret?: string;
        scope?: string;
      };
    };
    answer: {
      id: string;
      name: string;
      issuer: string;
      audience: string;
      jwks_uri: string | null;
      provider_id: string;
      subject_issuers: string[];
      push_url: string | null;
      poll: {
        endpoint_url: string;
        token_url: string | null;
        client_id: string | null;
        scope: string | null;
        polled_at: string | null;
        failures: number;
        last_error: string | null;
      } | null;
      stream: {
        stream_id: string | null;
        configuration_endpoint: string;
        audiences: string[];
        events_delivered: string[] | null;
        min_verification_interval: number | null;
        token_url: string | null;
        client_id: string | null;
        scope: string | null;
        asked_at: string | null;
        answered_at: string | null;
        unanswered_since: string | null;
        ask_error: string | null;
      } | null;
      refused: number;
      last_refusal: string | null;
      refused_at: string | null;
      verified_at: string | null;
      stream_status: 'enabled' | 'paused' | 'disabled' | null;
      stream_reason: string | null;
      unknown_subject_at: string | null;
      unknown_subject: string | null;
      created_at: string;
      created_by: string;
      push_token?: string;
    };
  };
  /** Which other transmitters may end access: `GET /v1/sources` */
  listSources: {
    answer: {
      data: {
        id: string;
        name: string;
        issuer: string;
        audience: string;
        jwks_uri: string | null;
        provider_id: string;
        subject_issuers: string[];
        push_url: string | null;
        poll: {
          endpoint_url: string;
          token_url: string | null;
          client_id: string | null;
          scope: string | null;
          polled_at: string | null;
          failures: number;
          last_error: string | null;
        } | null;
        stream: {
          stream_id: string | null;
          configuration_endpoint: string;
          audiences: string[];
          events_delivered: string[] | null;
          min_verification_interval: number | null;
          token_url: string | null;
          client_id: string | null;
          scope: string | null;
          asked_at: string | null;
          answered_at: string | null;
          unanswered_since: string | null;
          ask_error: string | null;
        } | null;
        refused: number;
        last_refusal: string | null;
        refused_at: string | null;
        verified_at: string | null;
        stream_status: 'enabled' | 'paused' | 'disabled' | null;
        stream_reason: string | null;
        unknown_subject_at: string | null;
        unknown_subject: string | null;
        created_at: string;
        created_by: string;
      }[];
      next_cursor: null;
    };
  };
  /** What a transmitter says of itself, before a source is made of it: `POST /v1/sources/discover` */
  discoverSource: {
    body: { issuer: string };
    answer: {
      issuer: string;
      spec_version: string | null;
      delivery_methods: ('push' | 'poll')[];
      configuration_endpoint: string;
      status_endpoint: string | null;
      verification_endpoint: string | null;
      default_subjects: 'ALL' | 'NONE' | null;
      token_url: string | null;
      scope: string | null;
      events_requested: string[];
    };
  };
  /** Change the audience of a source, or where and with what its transmitter is asked: `PATCH /v1/sources/{id}` */
  updateSource: {
    body: {
      audience?: string;
      poll?: {
        endpoint_url: string;
        authorization_header?: string;
        token_url?: string;
        client_id?: string;
        client_secret?: string;
        scope?: string;
      };
      authorization?: {
        authorization_header?: string;
        token_url?: string;
        client_id?: string;
        client_secret?: string;
        scope?: string;
      };
    };
    answer: {
      id: string;
      name: string;
      issuer: string;
      audience: string;
      jwks_uri: string | null;
      provider_id: string;
      subject_issuers: string[];
      push_url: string | null;
      poll: {
        endpoint_url: string;
        token_url: string | null;
        client_id: string | null;
        scope: string | null;
        polled_at: string | null;
        failures: number;
        last_error: string | null;
      } | null;
      stream: {
        stream_id: string | null;
        configuration_endpoint: string;
        audiences: string[];
        events_delivered: string[] | null;
        min_verification_interval: number | null;
        token_url: string | null;
        client_id: string | null;
        scope: string | null;
        asked_at: string | null;
        answered_at: string | null;
        unanswered_since: string | null;
        ask_error: string | null;
      } | null;
      refused: number;
      last_refusal: string | null;
      refused_at: string | null;
      verified_at: string | null;
      stream_status: 'enabled' | 'paused' | 'disabled' | null;
      stream_reason: string | null;
      unknown_subject_at: string | null;
      unknown_subject: string | null;
      created_at: string;
      created_by: string;
    };
  };
  /** Take nothing more from a transmitter: `DELETE /v1/sources/{id}` */
  deleteSource: { answer: { stream_id: string | null; stream_left: string } | void };
  /** Ask a transmitter to verify the stream that we have made: `POST /v1/sources/{id}/verification` */
  verifySource: {
    answer: {
      id: string;
      name: string;
      issuer: string;
      audience: string;
      jwks_uri: string | null;
      provider_id: string;
      subject_issuers: string[];
      push_url: string | null;
      poll: {
        endpoint_url: string;
        token_url: string | null;
        client_id: string | null;
        scope: string | null;
        polled_at: string | null;
        failures: number;
        last_error: string | null;
      } | null;
      stream: {
        stream_id: string | null;
        configuration_endpoint: string;
        audiences: string[];
        events_delivered: string[] | null;
        min_verification_interval: number | null;
        token_url: string | null;
        client_id: string | null;
        scope: string | null;
        asked_at: string | null;
        answered_at: string | null;
        unanswered_since: string | null;
        ask_error: string | null;
      } | null;
      refused: number;
      last_refusal: string | null;
      refused_at: string | null;
      verified_at: string | null;
      stream_status: 'enabled' | 'paused' | 'disabled' | null;
      stream_reason: string | null;
      unknown_subject_at: string | null;
      unknown_subject: string | null;
      created_at: string;
      created_by: string;
    };
  };
  /** How the stream that we have made stands at its transmitter, now: `GET /v1/sources/{id}/stream` */
  readSourceStream: { answer: { status: 'enabled' | 'paused' | 'disabled'; reason: string | null } };
  /** Push a SET (RFC 8935): `POST /v1/sources/{id}/events` */
  pushSet: { body: string; answer: void };
  /** What was said to whom, newest first: `GET /v1/deliveries` */
  listDeliveries: {
    query: { stream_id?: string; state?: 'pending' | 'delivered' | 'refused'; limit?: number; cursor?: string };
    answer: {
      data: {
        id: string;
        stream_id: string;
        message_id: string;
        type: string;
        subject: string;
        txn: string | null;
        state: 'pending' | 'delivered' | 'refused';
        created_at: string;
        settled_at: string | null;
        next_attempt_at: string | null;
        attempts: number;
        last_error: string | null;
      }[];
      next_cursor: string | null;
    };
  };
  /** One of them, with each try: `GET /v1/deliveries/{id}` */
  readDelivery: {
    answer: {
      id: string;
      stream_id: string;
      message_id: string;
      type: string;
      subject: string;
      txn: string | null;
      state: 'pending' | 'delivered' | 'refused';
      created_at: string;
      settled_at: string | null;
      next_attempt_at: string | null;
      attempts: number;
      last_error: string | null;
      attempt_log: { at: string; status: number | null; duration_ms: number | null; error: string | null }[];
    };
  };
  /** Say it again, under the same id: `POST /v1/deliveries/{id}/redeliver` */
  redeliver: {
    answer: {
      id: string;
      stream_id: string;
      message_id: string;
      type: string;
      subject: string;
      txn: string | null;
      state: 'pending' | 'delivered' | 'refused';
      created_at: string;
      settled_at: string | null;
      next_attempt_at: string | null;
      attempts: number;
      last_error: string | null;
    };
  };
}

/** The API of portal. */
export interface PortalApi {
  /** What a pasted issuer is, and everything that adding it needs: `POST /v1/identity-providers/discover` */
  discoverIssuer: {
    body: { issuer: string };
    answer: {
      kind: 'workos' | 'oidc';
      vendor: 'workos' | 'authkit' | 'auth0' | 'okta' | 'entra' | 'keycloak' | 'clerk' | 'google' | 'unknown';
      issuer: string;
      issuers: string[];
      client_id: string | null;
      jwks_uri: string | null;
      jwks_uri_source: 'discovered' | 'workos' | null;
      endpoints: Record<string, string>;
      claim_mappings: { user_id: string; organization_id: string; session_id: string };
      confirmation_required: true;
      audience_suggestions: string[];
      audience_policy: 'required' | 'if_present' | 'bound_by_keys';
      algorithms: ('RS256' | 'RS384' | 'RS512' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA')[];
      warnings: { code: string; message: string }[];
    };
  };
  /** Add an identity provider: `POST /v1/identity-providers` */
  createIdentityProvider: {
    body: {
      name: string;
      kind: 'workos' | 'oidc';
      issuers: string[];
      jwks_uri?: string | null;
      client_id?: string | null;
      audience?: string | string[] | null;
      audience_policy?: 'required' | 'if_present' | 'bound_by_keys' | null;
      algorithms?: ('RS256' | 'RS384' | 'RS512' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA')[] | null;
      claim_mappings?: { user_id?: string; organization_id?: string; session_id?: string };
      required_claims?: string[] | null;
      clock_tolerance_seconds?: number;
      allow_impersonation?: boolean;
      suspension_rule?: { metadata_key: string; value: string } | null;
      mode?: 'enforced' | 'shadow';
      guard?: { max_users?: number; max_share?: number; window_seconds?: number } | null;
      api_base_url?: string | null;
      api_key?: string | null;
      confirm_claim_mappings?: boolean;
    };
    answer: {
      id: string;
      name: string;
      kind: 'workos' | 'oidc';
      issuers: string[];
      jwks_uri: string | null;
      jwks_uri_source: 'given' | 'discovered' | 'workos' | 'well_known';
      client_id: string | null;
      audience: string[];
      audience_policy: 'required' | 'if_present' | 'bound_by_keys';
      algorithms: ('RS256' | 'RS384' | 'RS512' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA')[];
      claim_mappings: { user_id: string; organization_id: string; session_id: string };
      required_claims: string[];
      clock_tolerance_seconds: number;
      allow_impersonation: boolean;
      suspension_rule: { metadata_key: string; value: string } | null;
      mode: 'enforced' | 'shadow';
      guard: { max_users?: number; max_share?: number; window_seconds?: number } | null;
      api_base_url: string | null;
      api_key_set: boolean;
      webhook_enabled: boolean;
      declared: boolean;
      claim_mappings_confirmed_at: string | null;
      version: number;
      published: boolean;
      last_sign_in_at: string | null;
      created_at: string;
      updated_at: string;
      warnings: { code: string; message: string }[];
    };
  };
  /** All identity providers: `GET /v1/identity-providers` */
  listIdentityProviders: {
    answer: {
      data: {
        id: string;
        name: string;
        kind: 'workos' | 'oidc';
        issuers: string[];
        jwks_uri: string | null;
        jwks_uri_source: 'given' | 'discovered' | 'workos' | 'well_known';
        client_id: string | null;
        audience: string[];
        audience_policy: 'required' | 'if_present' | 'bound_by_keys';
        algorithms: ('RS256' | 'RS384' | 'RS512' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA')[];
        claim_mappings: { user_id: string; organization_id: string; session_id: string };
        required_claims: string[];
        clock_tolerance_seconds: number;
        allow_impersonation: boolean;
        suspension_rule: { metadata_key: string; value: string } | null;
        mode: 'enforced' | 'shadow';
        guard: { max_users?: number; max_share?: number; window_seconds?: number } | null;
        api_base_url: string | null;
        api_key_set: boolean;
        webhook_enabled: boolean;
        declared: boolean;
        claim_mappings_confirmed_at: string | null;
        version: number;
        published: boolean;
        last_sign_in_at: string | null;
        created_at: string;
        updated_at: string;
        warnings: { code: string; message: string }[];
      }[];
      next_cursor: null;
    };
  };
  /** One identity provider, without its secrets: `GET /v1/identity-providers/{id}` */
  getIdentityProvider: {
    answer: {
      id: string;
      name: string;
      kind: 'workos' | 'oidc';
      issuers: string[];
      jwks_uri: string | null;
      jwks_uri_source: 'given' | 'discovered' | 'workos' | 'well_known';
      client_id: string | null;
      audience: string[];
      audience_policy: 'required' | 'if_present' | 'bound_by_keys';
      algorithms: ('RS256' | 'RS384' | 'RS512' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA')[];
      claim_mappings: { user_id: string; organization_id: string; session_id: string };
      required_claims: string[];
      clock_tolerance_seconds: number;
      allow_impersonation: boolean;
      suspension_rule: { metadata_key: string; value: string } | null;
      mode: 'enforced' | 'shadow';
      guard: { max_users?: number; max_share?: number; window_seconds?: number } | null;
      api_base_url: string | null;
      api_key_set: boolean;
      webhook_enabled: boolean;
      declared: boolean;
      claim_mappings_confirmed_at: string | null;
      version: number;
      published: boolean;
      last_sign_in_at: string | null;
      created_at: string;
      updated_at: string;
      warnings: { code: string; message: string }[];
    };
  };
  /** Change what is given; null sets a field back to its default: `PATCH /v1/identity-providers/{id}` */
  changeIdentityProvider: {
    body: {
      name?: string;
      issuers?: string[];
      jwks_uri?: string | null;
      client_id?: string | null;
      audience?: string | string[] | null;
      audience_policy?: 'required' | 'if_present' | 'bound_by_keys' | null;
      algorithms?: ('RS256' | 'RS384' | 'RS512' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA')[] | null;
      claim_mappings?: { user_id?: string; organization_id?: string; session_id?: string };
      required_claims?: string[] | null;
      clock_tolerance_seconds?: number;
      allow_impersonation?: boolean;
      suspension_rule?: { metadata_key: string; value: string } | null;
      mode?: 'enforced' | 'shadow';
      guard?: { max_users?: number; max_share?: number; window_seconds?: number } | null;
      api_base_url?: string | null;
      api_key?: string | null;
      confirm_claim_mappings?: boolean;
      confirm_remap?: boolean;
    };
    answer: {
      id: string;
      name: string;
      kind: 'workos' | 'oidc';
      issuers: string[];
      jwks_uri: string | null;
      jwks_uri_source: 'given' | 'discovered' | 'workos' | 'well_known';
      client_id: string | null;
      audience: string[];
      audience_policy: 'required' | 'if_present' | 'bound_by_keys';
      algorithms: ('RS256' | 'RS384' | 'RS512' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA')[];
      claim_mappings: { user_id: string; organization_id: string; session_id: string };
      required_claims: string[];
      clock_tolerance_seconds: number;
      allow_impersonation: boolean;
      suspension_rule: { metadata_key: string; value: string } | null;
      mode: 'enforced' | 'shadow';
      guard: { max_users?: number; max_share?: number; window_seconds?: number } | null;
      api_base_url: string | null;
      api_key_set: boolean;
      webhook_enabled: boolean;
      declared: boolean;
      claim_mappings_confirmed_at: string | null;
      version: number;
      published: boolean;
      last_sign_in_at: string | null;
      created_at: string;
      updated_at: string;
      warnings: { code: string; message: string }[];
    };
  };
  /** Delete an identity provider with its webhook and secrets: `DELETE /v1/identity-providers/{id}` */
  deleteIdentityProvider: { answer: void };
  /** Whom it would affect to read other claims; nothing is changed: `POST /v1/identity-providers/{id}/claim-mappings/preview` */
  previewClaimMappings: {
    body: { claim_mappings: { user_id?: string; organization_id?: string; session_id?: string } };
    answer: {
      changes: { claim: 'user_id' | 'organization_id' | 'session_id'; from: string; to: string; consequence: string }[];
      needs_confirm_remap: boolean;
      complete: boolean;
      known_since: string | null;
      affected: { users: number; organizations: number; sessions: number };
      tokens: { with_claims: number; without_claims: number; unknown: number };
      examples: {
        user_id: string;
        organization_id: string | null;
        last_seen_at: string;
        new_claims: 'present' | 'missing' | 'unknown';
      }[];
    };
  };
  /** Enable the webhook endpoint; again: one more generated secret under the same URL: `POST /v1/identity-providers/{id}/webhook` */
  enableWebhook: { answer: { url: string; secret: string; secret_id: string } };
  /** The endpoint, its live secrets (never what they are) and the events to subscribe to: `GET /v1/identity-providers/{id}/webhook` */
  getWebhook: {
    answer: {
      url: string;
      declared: boolean;
      created_at: string;
      secrets: { id: string; origin: 'generated' | 'pasted'; created_at: string; last_used_at: string | null }[];
      activity_known: boolean;
      last_delivery_at: string | null;
      last_refused: { at: string; code: string; source: string } | null;
      recommended_events: { event: string; why: string }[];
    };
  };
  /** Paste the signing secret that WorkOS shows; two pasted ones may be live: `POST /v1/identity-providers/{id}/webhook/secrets` */
  pasteWebhookSecret: {
    body: { secret: string };
    answer: { id: string; origin: 'generated' | 'pasted'; created_at: string; last_used_at: string | null };
  };
  /** Retire a secret: what it signs is refused: `DELETE /v1/identity-providers/{id}/webhook/secrets/{secretId}` */
  retireWebhookSecret: { answer: void };
  /** Who changed what, newest first: `GET /v1/audit` */
  listChanges: {
    query: { provider_id?: string; limit?: number; cursor?: string };
    answer: {
      data: {
        id: string;
        at: string;
        actor: string;
        action: string;
        provider_id: string | null;
        version: number | null;
        detail: Record<string, unknown> | null;
      }[];
      next_cursor: string | null;
    };
  };
  /** Sign a browser in with an API key of a person: the cookie __Host-rescind_session: `POST /auth/session` */
  signIn: { body: { api_key: string }; answer: void };
  /** Who is signed in: `GET /auth/session` */
  getSession: {
    answer: {
      role: 'administrator' | 'auditor' | 'person';
      name: string;
      user_id?: string;
      provider_id?: string;
      csrf_token: string | null;
    };
  };
  /** End the session: `POST /auth/session/sign-out` */
  signOut: { answer: void };
  /** Issue an API key: `POST /v1/api-keys` */
  createApiKey: {
    body: { name: string; scopes: ('administrator' | 'auditor' | 'verify' | 'grants:write')[] };
    answer: {
      id: string;
      name: string;
      scopes: ('administrator' | 'auditor' | 'verify' | 'grants:write')[];
      created_at: string;
      created_by: string;
      last_used_at: string | null;
      revoked_at: string | null;
      api_key: string;
    };
  };
  /** All API keys that were issued, revoked ones too: `GET /v1/api-keys` */
  listApiKeys: {
    answer: {
      data: {
        id: string;
        name: string;
        scopes: ('administrator' | 'auditor' | 'verify' | 'grants:write')[];
        created_at: string;
        created_by: string;
        last_used_at: string | null;
        revoked_at: string | null;
      }[];
      next_cursor: null;
    };
  };
  /** Revoke an API key; sessions that were opened with it end: `DELETE /v1/api-keys/{id}` */
  revokeApiKey: { answer: void };
  /** Make people of an identity provider administrators or auditors of the portal: `POST /v1/role-assignments` */
  assignRole: {
    body:
      | { role: 'administrator' | 'auditor'; provider_id: string; kind: 'user'; value: string }
      | { role: 'administrator' | 'auditor'; provider_id: string; kind: 'email'; value: string }
      | { role: 'administrator' | 'auditor'; provider_id: string; kind: 'organization_role'; value: unknown & unknown };
    answer: {
      id: string;
      role: 'administrator' | 'auditor';
      provider_id: string;
      kind: 'user' | 'email' | 'organization_role';
      value: string;
      created_at: string;
      created_by: string;
    };
  };
  /** Who is more than a person at the portal: `GET /v1/role-assignments` */
  listRoleAssignments: {
    answer: {
      data: {
        id: string;
        role: 'administrator' | 'auditor';
        provider_id: string;
        kind: 'user' | 'email' | 'organization_role';
        value: string;
        created_at: string;
        created_by: string;
      }[];
      next_cursor: null;
    };
  };
  /** Withdraw a role: `DELETE /v1/role-assignments/{id}` */
  withdrawRole: { answer: void };
  /** What the person who is signed in has: memberships, sessions, grants: `GET /api/me` */
  getMyAccess: {
    answer: {
      provider_id: string;
      user: { id: string; email: string | null };
      organization_id: string | null;
      memberships: Record<string, unknown>[];
      sessions: { id: string; current: boolean; [member: string]: unknown }[];
      grants: { id: string; provider_id: string; user_id: string; [member: string]: unknown }[];
    };
  };
  /** End a grant of one’s own, for ever: `POST /api/me/grants/{id}/revoke` */
  revokeMyGrant: { body: { reason?: string }; answer: { id: string; [member: string]: unknown } };
  /** End a sign-in of one’s own, everywhere and for ever: `POST /api/me/sessions/{id}/revoke` */
  revokeMySession: { body: { reason?: string }; answer: Record<string, unknown> };
  /** With whom people can sign in: `GET /auth/providers` */
  listSignInProviders: { answer: { data: { id: string; name: string }[]; next_cursor: null } };
  /** Sign in with AuthKit: sends the browser there: `GET /auth/{provider}/login` */
  beginSignIn: { query: { return_to?: string }; answer: void };
  /** Where AuthKit comes back to: the redirect URI of the page: `GET /auth/{provider}/callback` */
  finishSignIn: { query: { state?: string; code?: string; error?: string }; answer: void };
  /** The page on which a person compares the code of a tool with this one: `GET /auth/{provider}/device` */
  showDeviceSignIn: { query: { user_code?: string }; answer: void };
  /** The form of that page: sends the browser to AuthKit: `POST /auth/{provider}/device` */
  confirmDeviceSignIn: { query: { user_code: string }; answer: void };
  /** Where AuthKit comes back to: the redirect URI of tools: `GET /auth/{provider}/device/callback` */
  finishDeviceSignIn: { query: { state?: string; code?: string; error?: string }; answer: void };
  /** A tool wants somebody to sign in (RFC 8628, section 3.1), bound to it by PKCE: `POST /auth/{provider}/device/authorize` */
  authorizeDevice: {
    body: { code_challenge: string; code_challenge_method: 'S256'; client_name: string };
    answer: {
      device_code: string;
      user_code: string;
      verification_uri: string;
      verification_uri_complete: string;
      expires_in: number;
      interval: number;
    };
  };
  /** Whether they have signed in: who it is and the tokens, once: `POST /auth/{provider}/device/token` */
  collectDeviceSignIn: {
    body: { device_code: string; code_verifier: string };
    answer: {
      provider_id: string;
      user: { id: string; email: string; first_name: string | null; last_name: string | null };
      organization_id: string | null;
      session_id: string | null;
      access_token: string;
      refresh_token: string;
      expires_at: string | null;
    };
  };
  /** New tokens for a tool, judged anew; the refresh token is worth nothing afterwards: `POST /auth/{provider}/device/refresh` */
  refreshDevice: {
    body: { refresh_token: string };
    answer: {
      provider_id: string;
      user: { id: string; email: string; first_name: string | null; last_name: string | null };
      organization_id: string | null;
      session_id: string | null;
      access_token: string;
      refresh_token: string;
      expires_at: string | null;
    };
  };
  /** How the services are, and what they counted in the last hour, for the page: `GET /api/health` */
  healthOfServices: {
    answer: {
      services: {
        name: string;
        status: 'ready' | 'not_ready' | 'away' | 'not_configured';
        missing: Record<string, string>;
        facts: Record<string, unknown>;
      }[];
      series: { at: number[]; values: Record<string, (number | null)[]> };
    };
  };
  /** What happened lately and happens now, as server-sent events: `GET /api/feed` */
  followFeed: { answer: void };
  /** Signed proof of when and by what the access of somebody ended; Accept: application/jose for the JWS alone: `GET /v1/users/{id}/receipt` */
  getReceipt: {
    query: { provider_id?: string; organization_id?: string };
    answer: {
      jws: string;
      receipt:
        | {
            version: 1;
            provider_id: string;
            user_id: string;
            organization_id: string | null;
            as_of: string;
            completeness: {
              status: 'complete' | 'behind' | 'unknown' | 'not_configured';
              complete_from: string | null;
              complete_up_to: string | null;
              checked_at: string | null;
              problem?: string;
            };
            standing: 'open';
            active_grants: number;
          }
        | {
            version: 1;
            provider_id: string;
            user_id: string;
            organization_id: string | null;
            as_of: string;
            completeness: {
              status: 'complete' | 'behind' | 'unknown' | 'not_configured';
              complete_from: string | null;
              complete_up_to: string | null;
              checked_at: string | null;
              problem?: string;
            };
            standing: 'void';
            scopes: {
              scope: string;
              provider_id: string;
              user_id?: string;
              organization_id?: string;
              session_id?: string;
              closed_at: string | null;
              opened_at: string | null;
              tokens_before: string | null;
              reason: string | null;
              source_event_id: string | null;
              occurred_at: string | null;
            }[];
            closings: {
              scope: string;
              event: {
                id: string;
                type: string;
                occurred_at: string | null;
                received_at: string | null;
                applied_at: string;
                via: string;
                record: { topic: string; partition: number; offset: string };
                sha256: string;
              } | null;
              by: string | null;
              announced: {
                id: string;
                committed_at: string;
                published: { topic: string; partition: number; offset: string; at: string } | null;
              }[];
              audit_seq: string;
            }[];
            grants: {
              total: number;
              listed: {
                id: string;
                resource: string;
                scopes: string[];
                organization_id: string | null;
                session_id: string | null;
                granted_at: string;
                granted_by: string;
                void_since: string;
                reason: string;
                source_event_id: string | null;
                actor: string;
                audit_seq: string | null;
              }[];
            };
            sessions: {
              total: number;
              listed: {
                id: string;
                organization_id: string | null;
                created_at: string | null;
                last_seen_at: string | null;
                void_since: string;
                reason: string;
                source_event_id: string | null;
              }[];
            };
            audit: {
              size: number;
              root: string;
              head: { hash: string; path: string[] };
              rows: {
                seq: string;
                previous: string;
                row: {
                  id: string;
                  at: string;
                  actor: string;
                  action: string;
                  provider_id: string | null;
                  subject: string;
                  reason: string | null;
                  source_event_id: string | null;
                  detail: string | null;
                };
                path: string[];
              }[];
            };
          };
      jwks: { keys: { kid: string; [member: string]: unknown }[] };
    };
  };
  /** The public keys of receipts, every one that ever signed: `GET /.well-known/jwks.json` */
  getSigningKeys: { answer: { keys: { kid: string; [member: string]: unknown }[] } };
  /** Another key signs from now on; what the former ones have signed stays good: `POST /v1/signing-keys/rotate` */
  rotateSigningKey: { answer: { kid: string } };
}

/** Every operation, by its method and its path at the portal. */
export interface Routes {
  'POST /api/grants/v1/grants': GrantsApi['createGrant'];
  'GET /api/grants/v1/grants': GrantsApi['listGrants'];
  'GET /api/grants/v1/grants/{id}': GrantsApi['getGrant'];
  'POST /api/grants/v1/grants/{id}/revoke': GrantsApi['revokeGrant'];
  'POST /api/grants/v1/access/check': GrantsApi['checkAccess'];
  'POST /api/grants/v1/revocations': GrantsApi['revokeScope'];
  'GET /api/grants/v1/revocations': GrantsApi['listRevocations'];
  'POST /api/grants/v1/reinstatements': GrantsApi['reinstateScope'];
  'GET /api/grants/v1/events': GrantsApi['listEvents'];
  'GET /api/grants/v1/events/{id}': GrantsApi['getEvent'];
  'GET /api/grants/v1/users': GrantsApi['listUsers'];
  'GET /api/grants/v1/users/{id}': GrantsApi['getUser'];
  'GET /api/grants/v1/users/{id}/receipt': GrantsApi['getReceiptFacts'];
  'GET /api/grants/v1/set-aside': GrantsApi['listSetAside'];
  'POST /api/grants/v1/set-aside/{id}/redrive': GrantsApi['redriveOne'];
  'POST /api/grants/v1/set-aside/redrive': GrantsApi['redriveAll'];
  'GET /api/grants/v1/guard-trips': GrantsApi['listGuardTrips'];
  'POST /api/grants/v1/guard-trips/{id}/confirm': GrantsApi['confirmGuardTrip'];
  'POST /api/grants/v1/guard-trips/{id}/undo': GrantsApi['undoGuardTrip'];
  'GET /api/grants/v1/shadow-revocations': GrantsApi['listShadowRevocations'];
  'GET /api/grants/v1/completeness': GrantsApi['getCompleteness'];
  'GET /api/grants/v1/missed-webhooks': GrantsApi['listMissedWebhooks'];
  'POST /api/grants/v1/reconciliations': GrantsApi['reconcile'];
  'GET /api/grants/v1/reconciliations': GrantsApi['listReconciliations'];
  'GET /api/grants/v1/reconciliations/{id}': GrantsApi['getReconciliation'];
  'GET /api/grants/v1/reconciliations/{id}/differences': GrantsApi['listDifferences'];
  'POST /api/grants/v1/reconciliations/{id}/cancel': GrantsApi['cancelReconciliation'];
  'GET /api/grants/v1/canary': GrantsApi['getCanary'];
  'GET /api/grants/v1/audit': GrantsApi['listAudit'];
  'POST /api/token-verification/v1/tokens/verify': TokenVerificationApi['verifyToken'];
  'GET /api/token-verification/v1/scopes': TokenVerificationApi['getScope'];
  'GET /api/token-verification/v1/revocations/stream': TokenVerificationApi['streamRevocations'];
  'GET /api/token-verification/v1/forward-auth': TokenVerificationApi['forwardAuth'];
  'POST /api/signals/v1/receivers': SignalsApi['createReceiver'];
  'GET /api/signals/v1/receivers': SignalsApi['listReceivers'];
  'DELETE /api/signals/v1/receivers/{id}': SignalsApi['revokeReceiver'];
  'POST /api/signals/v1/signing-keys': SignalsApi['rotateSigningKey'];
  'POST /api/signals/v1/streams': SignalsApi['createOwnStream'];
  'GET /api/signals/v1/streams': SignalsApi['listStreams'];
  'PATCH /api/signals/v1/streams/{id}': SignalsApi['updateOwnStream'];
  'DELETE /api/signals/v1/streams/{id}': SignalsApi['deleteOwnStream'];
  'POST /api/signals/v1/sources': SignalsApi['createSource'];
  'GET /api/signals/v1/sources': SignalsApi['listSources'];
  'POST /api/signals/v1/sources/discover': SignalsApi['discoverSource'];
  'PATCH /api/signals/v1/sources/{id}': SignalsApi['updateSource'];
  'DELETE /api/signals/v1/sources/{id}': SignalsApi['deleteSource'];
  'POST /api/signals/v1/sources/{id}/verification': SignalsApi['verifySource'];
  'GET /api/signals/v1/sources/{id}/stream': SignalsApi['readSourceStream'];
  'POST /api/signals/v1/sources/{id}/events': SignalsApi['pushSet'];
  'GET /api/signals/v1/deliveries': SignalsApi['listDeliveries'];
  'GET /api/signals/v1/deliveries/{id}': SignalsApi['readDelivery'];
  'POST /api/signals/v1/deliveries/{id}/redeliver': SignalsApi['redeliver'];
  'POST /v1/identity-providers/discover': PortalApi['discoverIssuer'];
  'POST /v1/identity-providers': PortalApi['createIdentityProvider'];
  'GET /v1/identity-providers': PortalApi['listIdentityProviders'];
  'GET /v1/identity-providers/{id}': PortalApi['getIdentityProvider'];
  'PATCH /v1/identity-providers/{id}': PortalApi['changeIdentityProvider'];
  'DELETE /v1/identity-providers/{id}': PortalApi['deleteIdentityProvider'];
  'POST /v1/identity-providers/{id}/claim-mappings/preview': PortalApi['previewClaimMappings'];
  'POST /v1/identity-providers/{id}/webhook': PortalApi['enableWebhook'];
  'GET /v1/identity-providers/{id}/webhook': PortalApi['getWebhook'];
  'POST /v1/identity-providers/{id}/webhook/secrets': PortalApi['pasteWebhookSecret'];
  'DELETE /v1/identity-providers/{id}/webhook/secrets/{secretId}': PortalApi['retireWebhookSecret'];
  'GET /v1/audit': PortalApi['listChanges'];
  'POST /auth/session': PortalApi['signIn'];
  'GET /auth/session': PortalApi['getSession'];
  'POST /auth/session/sign-out': PortalApi['signOut'];
  'POST /v1/api-keys': PortalApi['createApiKey'];
  'GET /v1/api-keys': PortalApi['listApiKeys'];
  'DELETE /v1/api-keys/{id}': PortalApi['revokeApiKey'];
  'POST /v1/role-assignments': PortalApi['assignRole'];
  'GET /v1/role-assignments': PortalApi['listRoleAssignments'];
  'DELETE /v1/role-assignments/{id}': PortalApi['withdrawRole'];
  'GET /api/me': PortalApi['getMyAccess'];
  'POST /api/me/grants/{id}/revoke': PortalApi['revokeMyGrant'];
  'POST /api/me/sessions/{id}/revoke': PortalApi['revokeMySession'];
  'GET /auth/providers': PortalApi['listSignInProviders'];
  'GET /auth/{provider}/login': PortalApi['beginSignIn'];
  'GET /auth/{provider}/callback': PortalApi['finishSignIn'];
  'GET /auth/{provider}/device': PortalApi['showDeviceSignIn'];
  'POST /auth/{provider}/device': PortalApi['confirmDeviceSignIn'];
  'GET /auth/{provider}/device/callback': PortalApi['finishDeviceSignIn'];
  'POST /auth/{provider}/device/authorize': PortalApi['authorizeDevice'];
  'POST /auth/{provider}/device/token': PortalApi['collectDeviceSignIn'];
  'POST /auth/{provider}/device/refresh': PortalApi['refreshDevice'];
  'GET /api/health': PortalApi['healthOfServices'];
  'GET /api/feed': PortalApi['followFeed'];
  'GET /v1/users/{id}/receipt': PortalApi['getReceipt'];
  'GET /.well-known/jwks.json': PortalApi['getSigningKeys'];
  'POST /v1/signing-keys/rotate': PortalApi['rotateSigningKey'];
}
