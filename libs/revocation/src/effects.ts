import type { ReasonCode } from '#contracts/revocation.js';
import { FOR_EVER, type Moment } from '#contracts/moment.js';
import type { ReceivedSignal, WorkOSEvent, WorkOSUser } from '#contracts/workos-event.js';
import type { Scope } from './scope.js';
import { OPEN, type ScopeState } from './scope-state.js';

/** What one event says of one scope; merged into what is known of it. */
export interface ScopeUpdate {
  scope: Scope;
  state: ScopeState;
  /** Why, where the update ends access; null where it only opens. */
  reason: string | null;
}

/** A provider's own settings that say what an event means. Configuration, never stored state. */
export interface SuspensionRule {
  /** The user's metadata key and the value that mean "suspended", for companies that mark people so. */
  metadataKey: string;
  value: string;
}

/**
 * What an event does to which scopes, decided from the event alone. There is no `default`: a new event type does not
 * compile until somebody says what it means. An event that came in shadow mode does nothing.
 */
export function effectsOf(event: WorkOSEvent, suspension?: SuspensionRule): ScopeUpdate[] {
  const { providerId, occurredAt: at } = event;
  if (event.shadow) return [];
  switch (event.type) {
    case 'user.deleted':
      return [close(user(providerId, event.data.id), FOR_EVER, event, 'user_deprovisioned')];
    case 'user.updated':
      if (!suspension) return [];
      return isSuspended(event.data, suspension)
        ? [close(user(providerId, event.data.id), at, event, 'user_suspended')]
        : [open(user(providerId, event.data.id), at)];
    case 'organization_membership.deleted':
      return [close(membership(providerId, event.data), at, event, 'membership_deleted')];
    case 'organization_membership.created':
    case 'organization_membership.updated':
      return membershipEffects(event);
    case 'session.revoked':
      return [close({ kind: 'session', providerId, sessionId: event.data.id }, FOR_EVER, event, 'session_revoked')];
    case 'organization.deleted':
      return [
        close(
          { kind: 'organization', providerId, organizationId: event.data.id },
          FOR_EVER,
          event,
          'organization_deleted',
        ),
      ];
    case 'signal.received':
      return [signalEffect(event, event.data)];
    case 'user.created':
    case 'organization.created':
    case 'organization.updated':
    case 'session.created':
    case 'unknown':
      return [];
  }
}

/**
 * Another source may end access, and never open it: there is one state of a scope, and to open it would undo what others have
 * closed. Of all sessions it voids the tokens that there are; they may sign in again.
 */
function signalEffect(event: WorkOSEvent, { user_id, organization_id, session_id, ends }: ReceivedSignal): ScopeUpdate {
  const { providerId, occurredAt: at } = event;
  if (session_id !== undefined) {
    return close({ kind: 'session', providerId, sessionId: session_id }, FOR_EVER, event, 'signal_received');
  }
  if (ends !== 'sessions') {
    const closedAt = ends === 'account_for_ever' ? FOR_EVER : at;
    return close(user(providerId, user_id!), closedAt, event, 'signal_received');
  }
  const scope: Scope =
    user_id === undefined
      ? { kind: 'organization', providerId, organizationId: organization_id! }
      : organization_id === undefined
        ? user(providerId, user_id)
        : membership(providerId, { user_id, organization_id });
  return { scope, state: { ...OPEN, tokensBefore: at }, reason: 'signal_received' satisfies ReasonCode };
}

/** What an event that came in shadow mode would have done. */
export const wouldBeEffectsOf = (event: WorkOSEvent, suspension?: SuspensionRule): ScopeUpdate[] =>
  effectsOf({ ...event, shadow: false }, suspension);

type MembershipEvent = Extract<
  WorkOSEvent,
  { type: 'organization_membership.created' | 'organization_membership.updated' }
>;

/**
 * The status decides, not the name of the event: `inactive`, and any status that we do not know, closes; `active` opens;
 * `pending` opens only as part of an invitation (`created`).
 */
function membershipEffects(event: MembershipEvent): ScopeUpdate[] {
  const { providerId, occurredAt: at, previousAttributes: previous, data } = event;
  const scope = membership(providerId, data);
  if (data.status === 'pending') return event.type === 'organization_membership.created' ? [open(scope, at)] : [];
  if (data.status !== 'active') return [close(scope, at, event, 'membership_inactive')];

  const updates = [open(scope, at)];
  if (previous['status'] === 'inactive') {
    // It was closed until now, whether or not we were told. Below the second, since a token's iat has whole seconds.
    updates.push(close(scope, startOfSecond(at) - 1, event, 'membership_inactive'));
  }
  if ('role' in previous || 'roles' in previous || 'role_slug' in previous) {
    updates.push({ scope, state: { ...OPEN, tokensBefore: at }, reason: 'role_changed' satisfies ReasonCode });
  }
  return updates;
}

const startOfSecond = (at: Moment): Moment => Math.floor(at / 1000) * 1000;

function close(scope: Scope, closedAt: Moment, event: WorkOSEvent, reason: ReasonCode): ScopeUpdate {
  const occurredAt = closedAt < event.occurredAt ? closedAt : event.occurredAt;
  // What WorkOS never said in an event is told apart from what it did say.
  const given: ReasonCode = event.reconciled ? 'reconciled' : reason;
  const closing = { reason: given, sourceEventId: event.id, occurredAt };
  return { scope, state: { ...OPEN, closedAt, closing }, reason: given };
}

function open(scope: Scope, openedAt: Moment): ScopeUpdate {
  return { scope, state: { ...OPEN, openedAt }, reason: null };
}

const user = (providerId: string, userId: string): Scope => ({ kind: 'user', providerId, userId });

const membership = (providerId: string, data: { user_id: string; organization_id: string }): Scope => ({
  kind: 'membership',
  providerId,
  userId: data.user_id,
  organizationId: data.organization_id,
});

function isSuspended(data: WorkOSUser, rule: SuspensionRule): boolean {
  const value = data.metadata?.[rule.metadataKey];
  return value !== undefined && value !== null && String(value) === rule.value;
}
