import type { RawEvent } from './histories.js';

/**
 * The table and the rule of docs/architecture.md, read a second time and written without merge, effects or judge: whether
 * access is void under one scope, read off the events one by one. The suspension rule is metadata `suspended` = `yes`.
 */
export function isVoidByEvents(
  providerId: string,
  scope: string,
  access: { kind: 'token' | 'grant'; issuedAt: number },
  history: readonly RawEvent[],
): boolean {
  let lastClosing = -Infinity;
  let lastOpening = -Infinity;
  let lastRoleChange = -Infinity;
  for (const { event, data, created_at, context } of history) {
    const at = Date.parse(created_at);
    const previous = context?.previous_attributes ?? {};
    const membership = `${providerId}/membership:${data['user_id']}:${data['organization_id']}`;
    if (event === 'user.deleted' && scope === `${providerId}/user:${data['id']}`) lastClosing = Infinity;
    if (event === 'organization.deleted' && scope === `${providerId}/org:${data['id']}`) lastClosing = Infinity;
    if (event === 'session.revoked' && scope === `${providerId}/session:${data['id']}`) lastClosing = Infinity;
    if (event === 'user.updated' && scope === `${providerId}/user:${data['id']}`) {
      if ((data['metadata'] as Record<string, unknown>)['suspended'] === 'yes') lastClosing = Math.max(lastClosing, at);
      else lastOpening = Math.max(lastOpening, at);
    }
    if (event === 'signal.received') {
      const { user_id, organization_id, session_id, ends } = data;
      const named = session_id
        ? `session:${session_id}`
        : user_id
          ? organization_id
            ? `membership:${user_id}:${organization_id}`
            : `user:${user_id}`
          : `org:${organization_id}`;
      if (scope !== `${providerId}/${named}`) continue;
      if (session_id || ends === 'account_for_ever') lastClosing = Infinity;
      else if (ends === 'account') lastClosing = Math.max(lastClosing, at);
      else lastRoleChange = Math.max(lastRoleChange, at);
    }
    if (!event.startsWith('organization_membership.') || scope !== membership) continue;
    if (event.endsWith('.deleted')) lastClosing = Math.max(lastClosing, at);
    else if (data['status'] === 'inactive') lastClosing = Math.max(lastClosing, at);
    else if (data['status'] === 'active' || event.endsWith('.created')) lastOpening = Math.max(lastOpening, at);
    if (data['status'] === 'active' && event.endsWith('.updated')) {
      if (previous['status'] === 'inactive') lastClosing = Math.max(lastClosing, at - (at % 1000) - 1);
      if ('role' in previous) lastRoleChange = Math.max(lastRoleChange, at);
    }
  }
  const closed = lastClosing !== -Infinity && lastClosing >= lastOpening;
  return closed || access.issuedAt <= lastClosing || (access.kind === 'token' && access.issuedAt <= lastRoleChange);
}
