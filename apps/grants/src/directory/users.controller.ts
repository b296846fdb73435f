import { Controller, Get, Param, Query } from '@nestjs/common';
import { z } from 'zod';
import { type Moment, momentToWire } from '#contracts/moment.js';
import { scopeStateData } from '#contracts/revocation.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { keyOf, userKey } from '#revocation/scope.js';
import { isClosed } from '#revocation/scope-state.js';
import { stateToWire } from '#revocation/wire.js';
import { Database } from '#platform/database.js';
import {
  providersOf,
  readMembershipsOf,
  readSessionsOf,
  type FoundUser,
  readUsers,
  readUsersById,
  searchUsers,
  type UserPlace,
  type UserRow,
} from './directory.sql.js';
import { clock, countActiveGrants, countGrants } from '../grants/grants.sql.js';
import { page, pageQuery } from '../paging.js';
import { readScopesOfUser, readStates } from '../scopes/scopes.sql.js';
import { id, plainText } from '../scopes/selectors.js';
import type { Tx } from '#platform/sql.js';

export const userQuery = z.object({
  /** The beginning of an id, an address or a name. */
  q: plainText(255).optional(),
  provider_id: id.optional(),
  ...pageQuery,
});

export const userView = z.object({
  id: z.string(),
  provider_id: z.string(),
  /** deleted: a tombstone; closed: shut out until opened again. */
  status: z.enum(['active', 'closed', 'deleted']),
  email: z.string().nullable(),
  first_name: z.string().nullable(),
  last_name: z.string().nullable(),
  name: z.string().nullable(),
  external_id: z.string().nullable(),
  deleted_at: z.string().nullable(),
  first_seen_at: z.string().nullable(),
  last_seen_at: z.string().nullable(),
});

const moment = z.string().nullable();
export const userDetails = userView.extend({
  memberships: z.array(
    z.object({
      organization_id: z.string(),
      organization_name: z.string().nullable(),
      organization_deleted_at: moment,
      membership_id: z.string().nullable(),
      status: z.string(),
      role: z.string().nullable(),
      changed_at: moment,
    }),
  ),
  sessions: z.array(
    z.object({
      id: z.string(),
      organization_id: z.string().nullable(),
      created_at: moment,
      revoked_at: moment,
      first_seen_at: moment,
      last_seen_at: moment,
    }),
  ),
  grants: z.object({ active: z.int(), total: z.int() }),
  scopes: z.array(scopeStateData.extend({ closed: z.boolean() })),
});

const MOST_PARTS = 500;
const MOST_COUNTED = 100_000;

@Controller('v1/users')
export class UsersController {
  constructor(private readonly database: Database) {}

  @Get()
  list(@Query(valid(userQuery)) { q, provider_id, cursor, limit }: z.output<typeof userQuery>) {
    return this.database.read(async (tx) => {
      const wanted = { after: cursor && placeOf(cursor), limit: limit + 1 };
      const found: FoundUser[] =
        q === undefined
          ? (await readUsers(tx, provider_id, wanted)).map((user) => ({
              ...user,
              place: { id: user.id, providerId: user.provider_id },
            }))
          : await searchUsers(tx, { search: q, providerId: provider_id }, wanted);
      const places = found.map(({ place }) => place);
      const views = await withStatus(
        tx,
        found.map(({ place: _, ...user }) => user),
      );
      return page(
        views.map((view, index) => ({ view, place: places[index]! })),
        limit,
        ({ place }) => cursorOf(place),
        ({ view }) => view,
      );
    });
  }

  @Get(':id')
  get(
    @Param('id') userId: string,
    @Query(valid(z.object({ provider_id: id.optional() }))) query: { provider_id?: string | undefined },
  ): Promise<z.infer<typeof userDetails>> {
    return this.database.read(async (tx) => {
      const user = await this.find(tx, userId, query.provider_id);
      const { provider_id: providerId } = user;
      const scope = { kind: 'user', providerId, userId } as const;
      const [view] = await withStatus(tx, [user]);
      const memberships = await readMembershipsOf(tx, providerId, userId, MOST_PARTS);
      const sessions = await readSessionsOf(tx, providerId, userId, MOST_PARTS);
      const sessionIds = sessions.map((session) => session.id);
      const scopes = await readScopesOfUser(tx, providerId, userId, sessionIds);
      const totals = await countGrants(tx, [scope], MOST_COUNTED);
      return {
        ...view!,
        memberships: memberships.map((membership) => ({
          ...membership,
          organization_deleted_at: wire(membership.organization_deleted_at),
          changed_at: wire(membership.changed_at),
        })),
        sessions: sessions.map((session) => ({
          ...session,
          created_at: wire(session.created_at),
          revoked_at: wire(session.revoked_at),
          first_seen_at: wire(session.first_seen_at),
          last_seen_at: wire(session.last_seen_at),
        })),
        grants: {
          active: await countActiveGrants(tx, scope, await clock(tx)),
          total: totals.get(keyOf(scope)) ?? 0,
        },
        scopes: scopes.map(({ scope, state }) => ({ ...stateToWire(scope, state), closed: isClosed(state) })),
      };
    });
  }

  /** Also somebody of whom we know no more than a membership, a session or a closing. */
  private async find(tx: Tx, userId: string, providerId: string | undefined): Promise<UserRow> {
    const unknown = new Problem(404, 'user_unknown', 'Nothing is known of a user of that id.');
    if (!id.safeParse(userId).success) throw unknown;
    const users = await readUsersById(tx, userId, providerId);
    if (users.length > 1) throw ambiguous();
    if (users[0]) return users[0];
    const providers = await providersOf(tx, { user_id: userId });
    const found = providers.filter((known) => providerId === undefined || known === providerId);
    if (found.length > 1) throw ambiguous();
    if (found.length === 0) throw unknown;
    return { ...UNKNOWN_PROFILE, provider_id: found[0]!, id: userId };
  }
}

const cursorOf = ({ id, providerId, part }: UserPlace): string[] =>
  part ? [id, providerId, String(part.index), part.text] : [id, providerId];

function placeOf([id, providerId = '', index, text]: string[]): UserPlace {
  const isPart = index !== undefined && text !== undefined && /^[0-2]$/.test(index);
  return { id: id!, providerId, ...(isPart ? { part: { index: Number(index), text } } : {}) };
}

const UNKNOWN_PROFILE = {
  email: null,
  first_name: null,
  last_name: null,
  name: null,
  external_id: null,
  deleted_at: null,
  first_seen_at: null,
  last_seen_at: null,
};

const ambiguous = () =>
  new Problem(400, 'provider_required', 'Several identity providers have a user of that id: give provider_id.');

const wire = (moment: Moment | null): string | null => (moment === null ? null : momentToWire(moment));

async function withStatus(tx: Tx, users: readonly UserRow[]): Promise<z.infer<typeof userView>[]> {
  const states = await readStates(
    tx,
    users.map((user) => userKey(user.provider_id, user.id)),
  );
  return users.map((user) => {
    const state = states.get(userKey(user.provider_id, user.id));
    const closed = state !== undefined && isClosed(state);
    return {
      ...user,
      status: user.deleted_at !== null ? 'deleted' : closed ? 'closed' : 'active',
      deleted_at: wire(user.deleted_at),
      first_seen_at: wire(user.first_seen_at),
      last_seen_at: wire(user.last_seen_at),
    };
  });
}
