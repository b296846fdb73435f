import { keyOf, type ScopeKey, type Scope, scopesOf } from '#revocation/scope.js';
import { type AuditEntry, appendAudit } from '../audit/audit.sql.js';
import { type Announcement, announcement, stateRecord } from '../domain/announcements.js';
import { fold, type SourcedUpdate, type Step } from '../domain/fold.js';
import { type Mark, markOf, sameMark } from '../domain/mark.js';
import { countGrants, type Grant, lockGrantsOf, writeMarks } from '../grants/grants.sql.js';
import { type GuardOf, type Held, holdBursts, type Trip } from '../guard/guard.js';
import { enqueueMarking, holdMarking, lockHeldJobs } from '../marking/marking-jobs.sql.js';
import { enqueue } from '../outbox/outbox.sql.js';
import { insertRevocations } from './revocations.sql.js';
import { insertClosings, lockScopes, readScopes, writeScopes } from './scopes.sql.js';
import type { Tx } from '#platform/sql.js';

export interface MarkingLimits {
  /** Grants that one transaction marks itself; the scopes with the most of them are left to jobs. */
  inline: number;
}

export interface ChangedScopes {
  steps: Step[];
  announced: number;
  /** Grants whose mark changed here. */
  marked: { id: string; mark: Mark | undefined }[];
  /** Scopes whose grants a job will mark. */
  deferred: Scope[];
  /** How many scopes' marks wait until somebody has decided about a mass deprovisioning, and the trips that are new. */
  held: number;
  tripped: Trip[];
}

const UNGUARDED: GuardOf = () => undefined;

/**
 * Merges updates into their scopes, and does all that follows: marks, audit, announcements. By events and by hand alike.
 * Rows are locked in one order everywhere (scopes by key, guards by provider, jobs by key, grants by id), so nobody waits
 * in a circle; the outbox is written while the scopes are locked, so its order is the order of their states.
 *
 * @param guardOf makes the marks of a mass deprovisioning wait, and nothing else; by hand there is none
 */
export async function changeScopes(
  tx: Tx,
  updates: readonly SourcedUpdate[],
  limits: MarkingLimits,
  guardOf = UNGUARDED,
): Promise<ChangedScopes> {
  if (updates.length === 0) return { steps: [], announced: 0, marked: [], deferred: [], held: 0, tripped: [] };
  const stored = await lockScopes(
    tx,
    updates.map(({ scope }) => scope),
    'update',
  );
  const { changes, closings, steps } = fold(stored, updates);
  await writeScopes(tx, changes);
  const explained = await insertClosings(tx, closings);

  const touched = touchedScopes(updates, explained, steps);
  const { byScope, tripped } = await heldScopes(tx, touched, steps, guardOf);
  const held = touched.filter((scope) => byScope.has(keyOf(scope)));
  await holdMarking(tx, held, byScope);
  const free = touched.filter((scope) => !byScope.has(keyOf(scope)));
  const { inline, deferred } = await divide(tx, free, limits);
  await enqueueMarking(tx, deferred);
  const { grants, marked } = await markGrantsOf(tx, inline);

  await appendAudit(tx, [
    ...steps.flatMap(auditOfStep),
    ...marked.map((entry) => auditOfMark(entry, openingOf(entry.grant, steps))),
  ]);
  const now = new Date();
  const late = new Set([...deferred, ...held].map(keyOf));
  const announcements = steps
    .filter(({ ends }) => ends)
    .map((step) => {
      const key = keyOf(step.update.scope);
      return announcement(step, late.has(key) ? undefined : revokedIds(key, grants, marked), now);
    });
  await announce(
    tx,
    changes.map((change) => stateRecord(change, now)),
    announcements,
  );
  return { steps, announced: announcements.length, marked, deferred, held: held.length, tripped };
}

/** By what these steps trip, and by what was held before: whatever else an event says of such a scope waits as well. */
async function heldScopes(tx: Tx, touched: readonly Scope[], steps: readonly Step[], guardOf: GuardOf): Promise<Held> {
  if (guardOf === UNGUARDED) return { byScope: new Map(), tripped: [] };
  const { byScope, tripped } = await holdBursts(tx, steps, guardOf);
  const before = await lockHeldJobs(tx, touched.map(keyOf));
  return { byScope: new Map([...byScope, ...before]), tripped };
}

/** A reader of an announcement finds the state that belongs to it, so the states go first. */
async function announce(
  tx: Tx,
  states: readonly ReturnType<typeof stateRecord>[],
  announcements: readonly Announcement[],
): Promise<void> {
  await insertRevocations(tx, announcements);
  await enqueue(tx, [...states.filter((record) => record !== undefined), ...announcements.map(({ record }) => record)]);
}

/** Scopes whose grants may need another mark: closed or opened further, or closed for one more reason. */
function touchedScopes(
  updates: readonly SourcedUpdate[],
  explained: readonly ScopeKey[],
  steps: readonly Step[],
): Scope[] {
  const keys = new Set(explained);
  for (const { update, before, after } of steps) {
    if (before.closedAt !== after.closedAt || before.openedAt !== after.openedAt) keys.add(keyOf(update.scope));
  }
  return [...new Map(updates.map(({ scope }) => [keyOf(scope), scope]))]
    .filter(([key]) => keys.has(key))
    .map(([, scope]) => scope);
}

/** The scopes with few grants are marked at once, as far as the limit goes; the others later. */
async function divide(
  tx: Tx,
  scopes: readonly Scope[],
  limits: MarkingLimits,
): Promise<{ inline: Scope[]; deferred: Scope[] }> {
  const counts = await countGrants(tx, scopes, limits.inline + 1);
  const sizeOf = (scope: Scope): number => counts.get(keyOf(scope)) ?? 0;
  const inline: Scope[] = [];
  const deferred: Scope[] = [];
  let total = 0;
  for (const scope of [...scopes].sort((a, b) => sizeOf(a) - sizeOf(b))) {
    if (sizeOf(scope) === 0) continue;
    total += sizeOf(scope);
    (total <= limits.inline ? inline : deferred).push(scope);
  }
  return { inline, deferred };
}

async function markGrantsOf(tx: Tx, scopes: readonly Scope[]) {
  const grants = await lockGrantsOf(tx, scopes);
  return { grants, marked: await markGrants(tx, grants) };
}

/** Writes onto locked grants what the rule says of them now; answers those where that is something else than before. */
export async function markGrants(
  tx: Tx,
  grants: readonly Grant[],
): Promise<{ id: string; mark: Mark | undefined; grant: Grant }[]> {
  if (grants.length === 0) return [];
  const known = await readScopes(tx, grants.flatMap(scopesOf));
  const marked = grants
    .map((grant) => ({ id: grant.id, grant, mark: markOf(grant, known) }))
    .filter(({ grant, mark }) => !sameMark(grant.mark, mark));
  await writeMarks(tx, marked);
  return marked;
}

/** Grants of a scope that are void now, and were not before or for another reason. */
function revokedIds(
  key: ScopeKey,
  grants: readonly Grant[],
  marked: readonly { id: string; mark: Mark | undefined }[],
): string[] {
  const revoked = new Set(marked.filter(({ mark }) => mark !== undefined).map(({ id }) => id));
  return grants.filter((grant) => revoked.has(grant.id) && scopesOf(grant).includes(key)).map(({ id }) => id);
}

function auditOfStep({ update, before, after }: Step): AuditEntry[] {
  const { scope, state, source } = update;
  const entry = {
    actor: source.actor ?? 'workos',
    providerId: scope.providerId,
    subject: keyOf(scope),
    reason: source.note ?? update.reason,
    sourceEventId: source.eventId,
  };
  const effects: AuditEntry[] = [];
  if (after.closedAt > before.closedAt) {
    const closedAt = after.closedAt === Infinity ? 'infinity' : after.closedAt;
    effects.push({ ...entry, action: 'scope.closed', detail: { closed_at: closedAt } });
  }
  if (after.tokensBefore > before.tokensBefore) {
    effects.push({ ...entry, action: 'scope.tokens_voided', detail: { tokens_before: state.tokensBefore } });
  }
  if (after.openedAt > before.openedAt) {
    effects.push({ ...entry, action: 'scope.opened', detail: { opened_at: state.openedAt } });
  }
  return effects;
}

/** What has opened a scope of the grant: the reason why it is valid again. */
function openingOf(grant: Grant, steps: readonly Step[]): Step | undefined {
  const keys = scopesOf(grant);
  return steps.findLast(
    ({ update, before, after }) => after.openedAt > before.openedAt && keys.includes(keyOf(update.scope)),
  );
}

/** @param opening where it is known: a job that marks later does not know it, and the audit of the scope does */
export function auditOfMark(
  { grant, mark }: { grant: Pick<Grant, 'id' | 'providerId'>; mark: Mark | undefined },
  opening?: Step,
): AuditEntry {
  const about = { providerId: grant.providerId, subject: grant.id };
  if (mark === undefined) {
    const { actor = null, eventId = null } = opening?.update.source ?? {};
    const reason = 'granted after its scope was opened';
    return { ...about, actor: actor ?? 'workos', action: 'grant.restored', reason, sourceEventId: eventId };
  }
  return {
    ...about,
    actor: mark.actor ?? 'workos',
    action: 'grant.revoked',
    reason: mark.reason,
    sourceEventId: mark.sourceEventId,
    detail: { scope: mark.scope },
  };
}
