import { z } from 'zod';
import { momentToWire, type Moment } from '#contracts/moment.js';
import { type KnownScopes, markOf } from '../domain/mark.js';
import type { Grant } from './grants.sql.js';

export const grantStatus = z.enum(['active', 'revoked', 'expired']);

export const grantView = z.object({
  id: z.string(),
  status: grantStatus,
  provider_id: z.string(),
  user_id: z.string(),
  organization_id: z.string().nullable(),
  session_id: z.string().nullable(),
  resource: z.string(),
  scopes: z.array(z.string()),
  granted_at: z.string(),
  granted_by: z.string(),
  expires_at: z.string().nullable(),
  /** When the access ended: the time of the event, or of the revocation by hand. */
  revoked_at: z.string().nullable(),
  revocation: z
    .object({
      reason: z.string(),
      source_event_id: z.string().nullable(),
      /** `workos`, or the name of the API key that did it by hand. */
      actor: z.string(),
      /** What was closed; null where the grant itself was revoked. */
      scope: z.string().nullable(),
    })
    .nullable(),
});
export type GrantView = z.infer<typeof grantView>;

export interface Standing {
  status: z.infer<typeof grantStatus>;
  revokedAt?: Moment;
  revocation?: NonNullable<GrantView['revocation']>;
}

export const BY_EVENT = 'workos';

/** What a grant is worth at `now`, by the rule and by the marks made by hand; the mark in the row is not asked. */
export function standingOf(grant: Grant, known: KnownScopes, now: Moment): Standing {
  const mark = markOf(grant, known);
  const { byHand } = grant;
  if (byHand && (!mark || byHand.at <= mark.revokedAt)) {
    const revocation = { reason: byHand.reason, source_event_id: null, actor: byHand.by, scope: null };
    return { status: 'revoked', revokedAt: byHand.at, revocation };
  }
  if (mark) {
    const { reason, sourceEventId, actor, scope } = mark;
    const revocation = { reason, source_event_id: sourceEventId, actor: actor ?? BY_EVENT, scope };
    return { status: 'revoked', revokedAt: mark.revokedAt, revocation };
  }
  return { status: grant.expiresAt !== null && grant.expiresAt <= now ? 'expired' : 'active' };
}

export function viewOf(grant: Grant, { status, revokedAt, revocation }: Standing): GrantView {
  return {
    id: grant.id,
    status,
    provider_id: grant.providerId,
    user_id: grant.userId,
    organization_id: grant.organizationId ?? null,
    session_id: grant.sessionId ?? null,
    resource: grant.resource,
    scopes: grant.scopes,
    granted_at: momentToWire(grant.grantedAt)!,
    granted_by: grant.grantedBy,
    expires_at: grant.expiresAt === null ? null : momentToWire(grant.expiresAt),
    revoked_at: revokedAt === undefined ? null : momentToWire(revokedAt),
    revocation: revocation ?? null,
  };
}
