import { Rejected } from '#contracts/rejected.js';
import type { Database } from '#platform/database.js';
import type { Tx } from '#platform/sql.js';
import type { SuspensionRule } from '#revocation/effects.js';
import { type Page, type WorkOSApi, WorkOSApiError, type WorkOSObject } from '#workos/api-client.js';
import { readStates } from '../scopes/scopes.sql.js';
import {
  changeBy,
  type Difference,
  type DifferenceKind,
  membershipGone,
  organizationGone,
  type RepairEvent,
  sessionEnded,
  stateEvent,
  touchedBy,
  userGone,
} from './differences.js';
import type { LookAhead } from './look-ahead.js';
import {
  PHASES,
  readSeen,
  type Run,
  selectMembershipsNotListed,
  selectNotListed,
  selectOpenSessions,
  selectUnknownMemberships,
  selectUnknownRecords,
} from './reconciliation.sql.js';

/** What one request of a run has brought. */
export interface Step {
  /** Where the run is afterwards. */
  next: Run;
  seen: { kind: string; ids: string[] }[];
  differences: Difference[];
}

export interface StepContext {
  database: Pick<Database, 'read'>;
  api: WorkOSApi;
  suspension: SuspensionRule | undefined;
  /** Resolves when WorkOS may be asked again. */
  pace: () => Promise<void>;
  /** Pages of lists that were asked for already. */
  ahead: LookAhead<Page<WorkOSObject> | undefined>;
  /** Our clock, ms. */
  now: () => number;
}

/** Organizations whose memberships are asked for together, since WorkOS takes longer to answer than it wants between requests. */
const ORGANIZATIONS_AHEAD = 8;
/** Objects that are looked at one by one, a step. */
const ONE_BY_ONE = 25;

/** The next step of a run that is not at its repair yet: a page, or a few objects. Changes nothing. */
export function takeStep(run: Run, context: StepContext): Promise<Step> {
  switch (run.phase) {
    case 'organizations':
      return listOrganizations(run, context);
    case 'users':
      return listUsers(run, context);
    case 'memberships':
      return listMemberships(run, context);
    case 'directories':
      return listDirectories(run, context);
    case 'organizations_here':
      return findGone(run, 'organization', context);
    case 'users_here':
      return findGone(run, 'user', context);
    case 'memberships_here':
      return findGoneMemberships(run, context);
    case 'sessions_here':
      return findEndedSessions(run, context);
    case 'repair':
      throw new Error('a repair is no comparison');
  }
}

async function listOrganizations(run: Run, context: StepContext): Promise<Step> {
  await context.pace();
  const page = await context.api.listOrganizations(run.cursor ?? undefined);
  const ids = page.data.map(({ id }) => id);
  const unknown = await context.database.read((tx) => selectUnknownRecords(tx, 'organizations', run.providerId, ids));
  return {
    next: counted(onwards(run, page.after), 'organizations_seen', ids.length),
    seen: [{ kind: 'organization', ids }],
    differences: page.data
      .filter(({ id }) => unknown.has(id))
      .flatMap((object) => {
        const event = stateEvent('organization.updated', object);
        return event ? [{ kind: 'organization_unknown_here', organizationId: object.id, event } as const] : [];
      }),
  };
}

async function listUsers(run: Run, context: StepContext): Promise<Step> {
  const askFor = (after: string | null) => async (): Promise<Page<WorkOSObject>> => {
    await context.pace();
    return context.api.listUsers(after ?? undefined);
  };
  const page = (await context.ahead.take(String(run.cursor), askFor(run.cursor)))!;
  if (page.after !== null) context.ahead.ask(page.after, askFor(page.after));
  const ids = page.data.map(({ id }) => id);
  const stated = page.data.flatMap((object) => {
    const event = stateEvent('user.updated', object);
    return event ? [{ id: object.id, event }] : [];
  });
  const differences = await context.database.read(async (tx) => {
    const unknown = await selectUnknownRecords(tx, 'users', run.providerId, ids);
    const changes = await changesBy(tx, run, stated, context.suspension);
    return stated.flatMap(({ id, event }, index): Difference[] => {
      if (unknown.has(id)) return [{ kind: 'user_unknown_here', userId: id, event }];
      const change = changes[index];
      if (change === undefined) return [];
      return [{ kind: change === 'closes' ? 'user_suspended_there' : 'user_active_there', userId: id, event }];
    });
  });
  return {
    next: counted(onwards(run, page.after), 'users_seen', ids.length),
    seen: [{ kind: 'user', ids }],
    differences,
  };
}

/** Organization by organization; inactive ones too, since they are what offboarding leaves. */
async function listMemberships(run: Run, context: StepContext): Promise<Step> {
  const others = await context.database.read((tx) =>
    readSeen(tx, run.id, 'organization', run.place, ORGANIZATIONS_AHEAD),
  );
  const organizationId = run.cursor === null ? others.shift() : run.place;
  if (organizationId === undefined) return { next: nextPhase(run), seen: [], differences: [] };
  const nameOf = (id: string, after: string | null): string => JSON.stringify([id, after]);
  const askFor = (id: string, after: string | null) => async (): Promise<Page<WorkOSObject> | undefined> => {
    await context.pace();
    return unlessGone(context.api.listMemberships({ organizationId: id }, after ?? undefined));
  };
  const answer = context.ahead.take(nameOf(organizationId, run.cursor), askFor(organizationId, run.cursor));
  for (const id of others) context.ahead.ask(nameOf(id, null), askFor(id, null));
  const page = await answer;
  const after = page?.after ?? null;
  if (after !== null) context.ahead.ask(nameOf(organizationId, after), askFor(organizationId, after));
  const stated = (page?.data ?? []).flatMap((object) => statedMembership(object));
  const pairs = stated.map(({ userId }) => ({ userId, organizationId }));
  const differences = await context.database.read(async (tx) => {
    const unknown = await selectUnknownMemberships(tx, run.providerId, pairs);
    const changes = await changesBy(tx, run, stated, context.suspension);
    return stated.flatMap(({ userId, id, event }, index): Difference[] => {
      const kind = kindOfMembership(unknown.has(id), changes[index]);
      return kind === undefined ? [] : [{ kind, userId, organizationId, event, detail: `updated ${event.created_at}` }];
    });
  });
  const isManaged = (page?.data ?? []).some((object) => object['directory_managed'] === true && isActive(object));
  return {
    next: counted({ ...run, place: organizationId, cursor: after }, 'memberships_seen', page?.data.length ?? 0),
    seen: [
      { kind: 'membership', ids: stated.map(({ id }) => id) },
      { kind: 'managed', ids: isManaged ? [organizationId] : [] },
    ],
    differences,
  };
}

function kindOfMembership(isUnknown: boolean, change: 'closes' | 'opens' | undefined): DifferenceKind | undefined {
  if (isUnknown) return 'membership_unknown_here';
  if (change === undefined) return undefined;
  return change === 'closes' ? 'membership_inactive_there' : 'membership_active_there';
}

const isActive = (object: WorkOSObject): boolean => object['status'] === 'active';

function statedMembership(object: WorkOSObject): { id: string; userId: string; event: RepairEvent }[] {
  const { user_id: userId, organization_id: organizationId } = object as {
    user_id?: unknown;
    organization_id?: unknown;
  };
  const event = stateEvent('organization_membership.updated', object);
  if (typeof userId !== 'string' || typeof organizationId !== 'string' || !event) return [];
  return [{ id: `${userId}:${organizationId}`, userId, event }];
}

/** WorkOS leaves memberships active when the directory that manages them is deleted: nobody will ever offboard them. */
async function listDirectories(run: Run, context: StepContext): Promise<Step> {
  await context.pace();
  const page = await unlessGone(context.api.listDirectories(run.cursor ?? undefined));
  const having = (page?.data ?? [])
    .filter((directory) => directory['state'] !== 'deleting')
    .flatMap(({ organization_id: id }) => (typeof id === 'string' ? [id] : []));
  const next = onwards(run, page?.after ?? null);
  const differences: Difference[] = [];
  if (page !== undefined && next.phase !== run.phase) {
    const [managed, listed] = await context.database.read(async (tx) => [
      await readSeen(tx, run.id, 'managed', '', 100_000),
      new Set([...(await readSeen(tx, run.id, 'directory', '', 100_000)), ...having]),
    ]);
    for (const organizationId of managed.filter((id) => !listed.has(id))) {
      const detail = 'its directory is gone, and memberships that it managed are still active: WorkOS leaves them so';
      differences.push({ kind: 'directory_deleted', organizationId, detail });
    }
  }
  return { next, seen: [{ kind: 'directory', ids: having }], differences };
}

/** What was not listed is asked for by its id: a list that changes while it is read proves nothing. */
async function findGone(run: Run, kind: 'user' | 'organization', context: StepContext): Promise<Step> {
  const table = kind === 'user' ? 'users' : 'organizations';
  const ids = await context.database.read((tx) => selectNotListed(tx, run, table, ONE_BY_ONE));
  if (ids.length === 0) return { next: nextPhase(run), seen: [], differences: [] };
  const gone: { id: string; event: RepairEvent }[] = [];
  for (const id of ids) {
    await context.pace();
    const asOf = context.now();
    if (await context.api.find(kind, id)) continue;
    gone.push({ id, event: kind === 'user' ? userGone(id, asOf) : organizationGone(id, asOf) });
  }
  const changes = await context.database.read((tx) => changesBy(tx, run, gone, context.suspension));
  return {
    next: { ...run, place: ids.at(-1)! },
    seen: [],
    differences: gone
      .filter((_, index) => changes[index] === 'closes')
      .map(({ id, event }) =>
        kind === 'user'
          ? { kind: 'user_gone_there', userId: id, event }
          : { kind: 'organization_gone_there', organizationId: id, event },
      ),
  };
}

async function findGoneMemberships(run: Run, context: StepContext): Promise<Step> {
  const candidates = await context.database.read((tx) => selectMembershipsNotListed(tx, run, ONE_BY_ONE));
  if (candidates.length === 0) return { next: nextPhase(run), seen: [], differences: [] };
  const gone: { userId: string; organizationId: string; event: RepairEvent }[] = [];
  for (const { user_id: userId, organization_id: organizationId } of candidates) {
    const listed = await allPages(context, (after) => context.api.listMemberships({ userId }, after));
    if (!listed || listed.data.some((object) => object['organization_id'] === organizationId)) continue;
    gone.push({ userId, organizationId, event: membershipGone(userId, organizationId, listed.asOf) });
  }
  const changes = await context.database.read((tx) => changesBy(tx, run, gone, context.suspension));
  return {
    next: { ...run, place: candidates.at(-1)!.id },
    seen: [],
    differences: gone
      .filter((_, index) => changes[index] === 'closes')
      .map((one) => ({ kind: 'membership_gone_there', ...one })),
  };
}

/** Of people with sessions that are open here, what WorkOS calls active. An ended session never comes back. */
async function findEndedSessions(run: Run, context: StepContext): Promise<Step> {
  const people = await context.database.read((tx) => selectOpenSessions(tx, run, ONE_BY_ONE));
  if (people.length === 0) return { next: nextPhase(run), seen: [], differences: [] };
  const ended: { userId: string; sessionId: string; event: RepairEvent }[] = [];
  let seen = 0;
  for (const { user_id: userId, session_ids } of people) {
    const listed = await allPages(context, (after) => context.api.listSessions(userId, after));
    const active = new Set(listed?.data.map(({ id }) => id));
    seen += active.size;
    const asOf = listed?.asOf ?? context.now();
    for (const sessionId of session_ids.filter((id) => !active.has(id))) {
      ended.push({ userId, sessionId, event: sessionEnded(sessionId, userId, asOf) });
    }
  }
  const changes = await context.database.read((tx) => changesBy(tx, run, ended, context.suspension));
  return {
    next: counted({ ...run, place: people.at(-1)!.user_id }, 'sessions_seen', seen),
    seen: [],
    differences: ended
      .filter((_, index) => changes[index] === 'closes')
      .map((one) => ({ kind: 'session_ended_there', ...one })),
  };
}

/** For each event, what it would change here. One that our own rule cannot read changes nothing. */
async function changesBy(
  tx: Tx,
  run: Run,
  stated: readonly { event: RepairEvent }[],
  suspension: SuspensionRule | undefined,
): Promise<('closes' | 'opens' | undefined)[]> {
  const readable = <T>(read: () => T, otherwise: T): T => {
    try {
      return read();
    } catch (error) {
      if (error instanceof Rejected) return otherwise;
      throw error;
    }
  };
  const keys = stated.flatMap(({ event }) => readable(() => touchedBy(event, run.providerId, suspension), []));
  const states = await readStates(tx, [...new Set(keys)]);
  return stated.map(({ event }) =>
    readable(() => changeBy(event, run.providerId, suspension, (key) => states.get(key)), undefined),
  );
}

/** All of a short list, and when its first page was looked at; undefined where what it belongs to is gone. */
async function allPages(
  { pace }: StepContext,
  list: (after: string | undefined) => Promise<{ data: WorkOSObject[]; after: string | null; asOf: number }>,
): Promise<{ data: WorkOSObject[]; asOf: number } | undefined> {
  const data: WorkOSObject[] = [];
  let asOf: number | undefined;
  for (let after: string | undefined; ;) {
    await pace();
    const page = await unlessGone(list(after));
    if (!page) return undefined;
    asOf ??= page.asOf;
    data.push(...page.data);
    if (page.after === null) return { data, asOf };
    after = page.after;
  }
}

async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof WorkOSApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** The next page, or the next phase. */
const onwards = (run: Run, after: string | null): Run => (after === null ? nextPhase(run) : { ...run, cursor: after });

function nextPhase(run: Run): Run {
  return { ...run, phase: PHASES[PHASES.indexOf(run.phase) + 1]!, place: '', cursor: null };
}

export function counted(run: Run, what: string, n: number): Run {
  return n === 0 ? run : { ...run, progress: { ...run.progress, [what]: (run.progress[what] ?? 0) + n } };
}
