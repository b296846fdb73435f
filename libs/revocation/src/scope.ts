/**
 * What access belongs to. Every key is prefixed with the identity provider's id, so that two providers never meet:
 * `<provider id>/user:<user id>`, `…/org:<organization id>`, `…/membership:<user id>:<organization id>`,
 * `…/session:<session id>`.
 */
export type ScopeKey = string;

export type Scope =
  | { kind: 'user'; providerId: string; userId: string }
  | { kind: 'organization'; providerId: string; organizationId: string }
  | { kind: 'membership'; providerId: string; userId: string; organizationId: string }
  | { kind: 'session'; providerId: string; sessionId: string };

export const userKey = (providerId: string, userId: string): ScopeKey => `${providerId}/user:${userId}`;
export const organizationKey = (providerId: string, organizationId: string): ScopeKey =>
  `${providerId}/org:${organizationId}`;
export const membershipKey = (providerId: string, userId: string, organizationId: string): ScopeKey =>
  `${providerId}/membership:${userId}:${organizationId}`;
export const sessionKey = (providerId: string, sessionId: string): ScopeKey => `${providerId}/session:${sessionId}`;

export function keyOf(scope: Scope): ScopeKey {
  switch (scope.kind) {
    case 'user':
      return userKey(scope.providerId, scope.userId);
    case 'organization':
      return organizationKey(scope.providerId, scope.organizationId);
    case 'membership':
      return membershipKey(scope.providerId, scope.userId, scope.organizationId);
    case 'session':
      return sessionKey(scope.providerId, scope.sessionId);
  }
}

/** Whose access it is: a token's claims or a grant's row, in our words. */
export interface Holder {
  providerId: string;
  userId: string;
  organizationId?: string | undefined;
  sessionId?: string | undefined;
}

/** The up to four scopes of one access, widest first; the widest one that makes it void is the reason given. */
export function scopesOf({ providerId, userId, organizationId, sessionId }: Holder): ScopeKey[] {
  const keys = [userKey(providerId, userId)];
  if (organizationId !== undefined) {
    keys.push(organizationKey(providerId, organizationId), membershipKey(providerId, userId, organizationId));
  }
  if (sessionId !== undefined) keys.push(sessionKey(providerId, sessionId));
  return keys;
}
