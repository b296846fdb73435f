import { createHash } from 'node:crypto';
import { type Moment, momentToWire, parseTime } from '#contracts/moment.js';
import { decodeWorkOSEvent, type WorkOSEvent } from '#contracts/workos-event.js';
import { effectsOf, type SuspensionRule } from '#revocation/effects.js';
import { keyOf, type ScopeKey } from '#revocation/scope.js';
import { isClosed, merge, OPEN, type ScopeState } from '#revocation/scope-state.js';
import type { WorkOSObject } from '#workos/api-client.js';

/**
 * What a comparison finds. `…_gone_there`, `…_inactive_there`, `…_suspended_there`, `session_ended_there`: there is access
 * here that WorkOS does not know of. `…_active_there`: closed here, and opened there since. `…_unknown_here`: never heard of.
 * `directory_deleted`: WorkOS leaves memberships as they are when a directory is deleted; a person has to look.
 */
export const DIFFERENCES = [
  'user_gone_there',
  'user_suspended_there',
  'user_active_there',
  'user_unknown_here',
  'membership_gone_there',
  'membership_inactive_there',
  'membership_active_there',
  'membership_unknown_here',
  'organization_gone_there',
  'organization_unknown_here',
  'session_ended_there',
  'directory_deleted',
] as const;
export type DifferenceKind = (typeof DIFFERENCES)[number];

/** Those whose repair ends access of people or organizations; a session of its own is none of them. */
export const CLOSINGS: readonly DifferenceKind[] = [
  'user_gone_there',
  'user_suspended_there',
  'membership_gone_there',
  'membership_inactive_there',
  'organization_gone_there',
];

/** An event as WorkOS would have written it, which repairs a difference. */
export interface RepairEvent {
  id: string;
  object: 'event';
  event: WorkOSEvent['type'];
  data: Record<string, unknown>;
  created_at: string;
}

export interface Difference {
  kind: DifferenceKind;
  userId?: string | undefined;
  organizationId?: string | undefined;
  sessionId?: string | undefined;
  /** For a person. */
  detail?: string;
  /** Undefined: nothing that we can repair. */
  event?: RepairEvent;
}

/**
 * WorkOS's lists are not of one moment, and may lag behind its own events. What is missing from a list is taken to have been
 * missing since so long before WorkOS looked, so that a later opening is always later than the closing that we state.
 */
export const LIST_LAG_MS = 60_000;

/** The same for the same statement, so that it is applied once, however often it is found. */
function eventOf(type: RepairEvent['event'], data: Record<string, unknown>, at: Moment): RepairEvent {
  const created_at = momentToWire(at)!;
  const digest = createHash('sha256')
    .update(JSON.stringify([type, data['id'], data['user_id'], data['organization_id'], data['status'], created_at]))
    .digest('hex');
  return { id: `reconciled_${digest.slice(0, 26)}`, object: 'event', event: type, data, created_at };
}

/** An object is as it is since its last change, by WorkOS's own clock: a later event of either side stays the last word. */
export function stateEvent(
  type: 'user.updated' | 'organization.updated' | 'organization_membership.updated',
  object: WorkOSObject,
): RepairEvent | undefined {
  const at = parseTime(String(object['updated_at'] ?? object['created_at'] ?? ''));
  return Number.isNaN(at) ? undefined : eventOf(type, object, at);
}

export const userGone = (id: string, asOf: Moment): RepairEvent => eventOf('user.deleted', { id }, asOf - LIST_LAG_MS);
export const organizationGone = (id: string, asOf: Moment): RepairEvent =>
  eventOf('organization.deleted', { id }, asOf - LIST_LAG_MS);
export const sessionEnded = (id: string, userId: string, asOf: Moment): RepairEvent =>
  eventOf('session.revoked', { id, user_id: userId }, asOf - LIST_LAG_MS);
export const membershipGone = (userId: string, organizationId: string, asOf: Moment): RepairEvent =>
  eventOf('organization_membership.deleted', { user_id: userId, organization_id: organizationId }, asOf - LIST_LAG_MS);

/** The scopes that an event would touch. */
export function touchedBy(event: RepairEvent, providerId: string, rule: SuspensionRule | undefined): ScopeKey[] {
  return effectsOf(decodeWorkOSEvent(event, providerId), rule).map(({ scope }) => keyOf(scope));
}

/**
 * What an event would change for somebody who asks now: `closes`, `opens` or nothing. Judged by the very rule that will apply
 * it, so what is not reported would not have changed anything.
 */
export function changeBy(
  event: RepairEvent,
  providerId: string,
  rule: SuspensionRule | undefined,
  stateOf: (key: ScopeKey) => ScopeState | undefined,
): 'closes' | 'opens' | undefined {
  for (const { scope, state } of effectsOf(decodeWorkOSEvent(event, providerId), rule)) {
    const before = stateOf(keyOf(scope)) ?? OPEN;
    const after = merge(before, state);
    if (isClosed(before) !== isClosed(after)) return isClosed(after) ? 'closes' : 'opens';
  }
  return undefined;
}
