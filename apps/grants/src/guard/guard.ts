import type { ScopeKey } from '#revocation/scope.js';
import { appendAudit } from '../audit/audit.sql.js';
import type { Step } from '../domain/fold.js';
import {
  allowedUsers,
  bursts,
  type Guard,
  knownThatMatter,
  neighbourhoods,
  type ShutOut,
  shutOutBy,
} from '../domain/guard.js';
import {
  assignToTrip,
  countKnownUsers,
  insertGuardClosings,
  insertOrganizationClosings,
  insertTrip,
  lockGuardOf,
  readGuardClosings,
  readPausedTrip,
} from './guard.sql.js';
import { groupBy } from '../group-by.js';
import { ulid } from '../ulid.js';
import type { Tx } from '#platform/sql.js';

/** A provider's guard; undefined where it has none. */
export type GuardOf = (providerId: string) => Guard | undefined;

export interface Trip {
  id: string;
  providerId: string;
  knownUsers: number;
  allowedUsers: number;
  windowMs: number;
}

/** Scopes whose grants may not be marked until somebody has decided: scope key → trip. */
export interface Held {
  byScope: Map<ScopeKey, string>;
  tripped: Trip[];
}

/**
 * Counts whom the steps of events shut out, and says which scopes' marks must wait: those within windows that shut out more
 * people than the guard allows. Nothing else waits: the scopes are closed, announced and refused.
 * The scopes are locked by now, and the guard of each provider is locked here, so replicas count one after the other.
 */
export async function holdBursts(tx: Tx, steps: readonly Step[], guardOf: GuardOf): Promise<Held> {
  const held: Held = { byScope: new Map(), tripped: [] };
  const byProvider = groupBy(steps.flatMap(shutOutBy), ({ providerId }) => providerId);
  for (const providerId of [...byProvider.keys()].sort()) {
    const guard = guardOf(providerId);
    if (guard) await holdBurst(tx, providerId, byProvider.get(providerId)!, guard, held);
  }
  return held;
}

async function holdBurst(
  tx: Tx,
  providerId: string,
  closings: readonly ShutOut[],
  guard: Guard,
  held: Held,
): Promise<void> {
  await lockGuardOf(tx, providerId);
  const near = neighbourhoods(
    closings.map(({ occurredAt }) => occurredAt),
    guard.windowMs,
  );
  const known = (people?: number): Promise<number> =>
    countKnownUsers(tx, providerId, near[0]!.from, knownThatMatter(guard, people));
  const isOfUser = ({ userId }: ShutOut): boolean => userId !== undefined;
  await insertGuardClosings(tx, closings.filter(isOfUser));
  const organizations = closings.filter((closing) => !isOfUser(closing));
  let knownUsers: number | undefined;
  if (organizations.length > 0) {
    knownUsers = await known();
    const allowed = allowedUsers(guard, knownUsers);
    await insertOrganizationClosings(tx, organizations, { allowed, mostMembers: guard.maxUsers + 1 });
  }
  const paused = await readPausedTrip(tx, providerId);
  const counted = await readGuardClosings(tx, providerId, near, paused);
  // To count a hundred thousand takes longer than all the rest, and a few who leave do not need it.
  knownUsers ??= await known(counted.reduce((sum, { people }) => sum + people, 0));
  const allowed = allowedUsers(guard, knownUsers);
  const found = bursts(counted, guard.windowMs, allowed);
  if (found.length === 0) return;
  let tripId = paused;
  if (tripId === undefined) {
    const trip = {
      id: `trip_${ulid(Date.now())}`,
      providerId,
      knownUsers,
      allowedUsers: allowed,
      windowMs: guard.windowMs,
    };
    await insertTrip(tx, trip);
    await appendAudit(tx, [auditOfTrip(trip, closings.at(-1)!.sourceEventId)]);
    held.tripped.push(trip);
    tripId = trip.id;
  }
  for (const scope of await assignToTrip(tx, providerId, found, tripId)) held.byScope.set(scope, tripId);
}

const auditOfTrip = (trip: Trip, sourceEventId: string) => ({
  actor: 'rescind',
  action: 'guard.tripped',
  providerId: trip.providerId,
  subject: trip.id,
  reason: `more than ${trip.allowedUsers} people within ${trip.windowMs / 1000} s`,
  sourceEventId,
});
