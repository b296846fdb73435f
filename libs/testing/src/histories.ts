import fc from 'fast-check';

/** A WorkOS event as it stands in a webhook body. */
export interface RawEvent {
  id: string;
  object: 'event';
  event: string;
  data: Record<string, unknown>;
  created_at: string;
  context?: { client_id: string; previous_attributes?: Record<string, unknown> };
}

export const USERS = ['user_01ALICE', 'user_01BOB'] as const;
export const ORGANIZATIONS = ['org_01ACME', 'org_01GLOBEX'] as const;
export const SESSIONS = ['session_01A', 'session_01B', 'session_01C'] as const;

/** Every history happens within these seconds: few moments, so that ties are common. */
export const HISTORY_START = Date.parse('2026-03-01T09:00:00.000Z');
export const HISTORY_SPAN_MS = 20_000;

const moment = fc
  .tuple(fc.integer({ min: 0, max: HISTORY_SPAN_MS / 1000 - 1 }), fc.constantFrom(0, 1, 499, 500, 999))
  .map(([second, ms]) => HISTORY_START + second * 1000 + ms);
const user = fc.constantFrom(...USERS);
const organization = fc.constantFrom(...ORGANIZATIONS);

type Draft = Pick<RawEvent, 'event' | 'data'> & { previous?: Record<string, unknown> };

const userEvent = fc
  .record({ name: fc.constantFrom('created', 'updated', 'updated', 'deleted'), id: user, suspended: fc.boolean() })
  .map(({ name, id, suspended }): Draft => ({
    event: `user.${name}`,
    data: { object: 'user', id, email: `${id}@example.test`, metadata: suspended ? { suspended: 'yes' } : {} },
  }));

const membershipEvent = fc
  .record({
    user_id: user,
    organization_id: organization,
    change: fc.constantFrom(
      ['created', 'active', {}],
      ['created', 'pending', {}],
      ['updated', 'active', {}],
      ['updated', 'inactive', { status: 'active' }],
      ['updated', 'inactive', {}],
      ['updated', 'active', { status: 'inactive' }],
      ['updated', 'active', { role: { slug: 'member' } }],
      ['updated', 'active', { status: 'pending' }],
      ['deleted', 'active', {}],
      ['deleted', 'inactive', {}],
    ) as fc.Arbitrary<[string, string, Record<string, unknown>]>,
  })
  .map(({ user_id, organization_id, change: [name, status, previous] }): Draft => ({
    event: `organization_membership.${name}`,
    data: {
      object: 'organization_membership',
      id: `om_${user_id}_${organization_id}`,
      user_id,
      organization_id,
      status,
      role: { slug: 'admin' },
    },
    previous,
  }));

const organizationEvent = fc
  .record({ name: fc.constantFrom('created', 'updated', 'deleted'), id: organization })
  .map(({ name, id }): Draft => ({ event: `organization.${name}`, data: { object: 'organization', id, name: id } }));

const sessionEvent = fc
  .record({ name: fc.constantFrom('created', 'revoked'), id: fc.constantFrom(...SESSIONS), user_id: user })
  .map(({ name, id, user_id }): Draft => ({ event: `session.${name}`, data: { object: 'session', id, user_id } }));

/** What another transmitter of Shared Signals has said. */
const signalEvent = fc
  .constantFrom<Record<string, unknown>[]>(
    { user_id: USERS[0], ends: 'account_for_ever' },
    { user_id: USERS[1], ends: 'account' },
    { user_id: USERS[1], ends: 'sessions' },
    { user_id: USERS[0], organization_id: ORGANIZATIONS[0], ends: 'sessions' },
    { organization_id: ORGANIZATIONS[1], ends: 'sessions' },
    { session_id: SESSIONS[1], ends: 'sessions' },
  )
  .map((data): Draft => ({ event: 'signal.received', data }));

/** Types that we do not know, or that have no effect. */
const otherEvent = fc
  .constantFrom('dsync.user.deleted', 'connection.deleted', 'nobody.knows.this')
  .map((event): Draft => ({ event, data: { id: 'x_01', state: 'inactive' } }));

const draft = fc.oneof(
  { weight: 6, arbitrary: membershipEvent },
  { weight: 3, arbitrary: userEvent },
  { weight: 2, arbitrary: sessionEvent },
  { weight: 1, arbitrary: organizationEvent },
  { weight: 1, arbitrary: signalEvent },
  { weight: 1, arbitrary: otherEvent },
);

/**
 * What WorkOS may have said about two users and two organizations: invitations and re-invitations, deactivations and
 * reactivations, role changes, deletions, sessions, types without effect; with ties in time, in the order of their ids.
 */
export function histories(options: { maxLength?: number } = {}): fc.Arbitrary<RawEvent[]> {
  return fc.array(fc.tuple(draft, moment), { minLength: 1, maxLength: options.maxLength ?? 12 }).map((drafts) =>
    drafts
      .sort(([, a], [, b]) => a - b)
      .map(([{ event, data, previous }, at], index) => ({
        id: `event_${String(index).padStart(4, '0')}`,
        object: 'event' as const,
        event,
        data,
        created_at: new Date(at).toISOString(),
        context: {
          client_id: 'client_01TEST',
          ...(previous && Object.keys(previous).length > 0 ? { previous_attributes: previous } : {}),
        },
      })),
  );
}

/** One way in which a history may arrive: any order, some of it more than once, cut into batches. */
export function arrivals<Event>(history: readonly Event[]): fc.Arbitrary<Event[][]> {
  return fc
    .tuple(
      fc.array(fc.integer({ min: 0, max: Math.max(0, history.length - 1) }), { maxLength: history.length }),
      fc.infiniteStream(fc.nat()),
      fc.array(fc.nat({ max: 4 }), { minLength: history.length * 2, maxLength: history.length * 2 }),
    )
    .map(([repeated, ranks, cuts]) => {
      const all = [...history, ...repeated.map((index) => history[index]!)];
      const ranked = all.map((event) => ({ event, rank: ranks.next().value as number }));
      const order = ranked.sort((a, b) => a.rank - b.rank).map(({ event }) => event);
      const batches: Event[][] = [[]];
      order.forEach((event, index) => {
        if (cuts[index] === 0) batches.push([]);
        batches.at(-1)!.push(event);
      });
      return batches.filter((batch) => batch.length > 0);
    });
}
