import type { Moment } from '#contracts/moment.js';
import type { DirectoryChanges } from '../domain/directory.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

/**
 * Brings the directory up to date. The newest event wins by its own time, so the order of arrival cannot matter; a
 * deletion stays, whatever comes late.
 */
export async function writeDirectory(tx: Tx, changes: DirectoryChanges): Promise<void> {
  await writeUsers(tx, changes.users);
  await deleteRecords(tx, 'users', changes.userDeletions);
  await writeOrganizations(tx, changes.organizations);
  await deleteRecords(tx, 'organizations', changes.organizationDeletions);
  await writeMemberships(tx, changes.memberships);
  await writeSessions(tx, changes.sessions);
}

async function writeUsers(tx: Tx, users: DirectoryChanges['users']): Promise<void> {
  if (users.length === 0) return;
  await tx.query(
    `insert into users as u
       (provider_id, id, email, first_name, last_name, name, external_id, profile_at, profile_event)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
       $8::float8[], $9::text[])
     on conflict (id, provider_id) do update
     set email = excluded.email, first_name = excluded.first_name, last_name = excluded.last_name,
       name = excluded.name, external_id = excluded.external_id, profile_at = excluded.profile_at,
       profile_event = excluded.profile_event
     where (excluded.profile_at, excluded.profile_event) > (u.profile_at, u.profile_event)`,
    columns(
      users,
      (user) => user.providerId,
      (user) => user.id,
      (user) => user.email,
      (user) => user.firstName,
      (user) => user.lastName,
      (user) => user.name,
      (user) => user.externalId,
      (user) => user.at,
      (user) => user.eventId,
    ),
  );
}

/** A tombstone, also for what we never heard of: a late `created` must find it. */
async function deleteRecords(
  tx: Tx,
  table: 'users' | 'organizations',
  deletions: DirectoryChanges['userDeletions'],
): Promise<void> {
  if (deletions.length === 0) return;
  await tx.query(
    `insert into ${table} as t (provider_id, id, deleted_at)
     select * from unnest($1::text[], $2::text[], $3::float8[])
     on conflict (id, provider_id) do update set deleted_at = least(t.deleted_at, excluded.deleted_at)
     where t.deleted_at is null or t.deleted_at > excluded.deleted_at`,
    columns(
      deletions,
      ({ providerId }) => providerId,
      ({ id }) => id,
      ({ at }) => at,
    ),
  );
}

async function writeOrganizations(tx: Tx, organizations: DirectoryChanges['organizations']): Promise<void> {
  if (organizations.length === 0) return;
  await tx.query(
    `insert into organizations as o (provider_id, id, name, profile_at, profile_event)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::text[])
     on conflict (id, provider_id) do update
     set name = excluded.name, profile_at = excluded.profile_at, profile_event = excluded.profile_event
     where (excluded.profile_at, excluded.profile_event) > (o.profile_at, o.profile_event)`,
    columns(
      organizations,
      (organization) => organization.providerId,
      (organization) => organization.id,
      (organization) => organization.name,
      (organization) => organization.at,
      (organization) => organization.eventId,
    ),
  );
}

async function writeMemberships(tx: Tx, memberships: DirectoryChanges['memberships']): Promise<void> {
  if (memberships.length === 0) return;
  await tx.query(
    `insert into memberships as m
       (provider_id, user_id, organization_id, membership_id, status, role, changed_at, changed_event)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::float8[],
       $8::text[])
     on conflict (user_id, organization_id, provider_id) do update
     set membership_id = excluded.membership_id, status = excluded.status, role = excluded.role,
       changed_at = excluded.changed_at, changed_event = excluded.changed_event
     where (excluded.changed_at, excluded.changed_event) > (m.changed_at, m.changed_event)`,
    columns(
      memberships,
      (membership) => membership.providerId,
      (membership) => membership.userId,
      (membership) => membership.organizationId,
      (membership) => membership.membershipId,
      (membership) => membership.status,
      (membership) => membership.role,
      (membership) => membership.at,
      (membership) => membership.eventId,
    ),
  );
}

async function writeSessions(tx: Tx, sessions: DirectoryChanges['sessions']): Promise<void> {
  if (sessions.length === 0) return;
  const isNewer = '(excluded.changed_at, excluded.changed_event) > (s.changed_at, s.changed_event)';
  await tx.query(
    `insert into sessions as s
       (provider_id, id, user_id, organization_id, changed_at, changed_event, created_at, revoked_at)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::float8[],
       $8::float8[])
     on conflict (id, provider_id) do update
     set user_id = case when ${isNewer} then excluded.user_id else s.user_id end,
       organization_id = case when ${isNewer} then excluded.organization_id else s.organization_id end,
       changed_at = case when ${isNewer} then excluded.changed_at else s.changed_at end,
       changed_event = case when ${isNewer} then excluded.changed_event else s.changed_event end,
       created_at = least(s.created_at, excluded.created_at),
       revoked_at = least(s.revoked_at, excluded.revoked_at)`,
    columns(
      sessions,
      (session) => session.providerId,
      (session) => session.id,
      (session) => session.userId,
      (session) => session.organizationId,
      (session) => session.at,
      (session) => session.eventId,
      (session) => session.createdAt,
      (session) => session.revokedAt,
    ),
  );
}

export interface SignIn {
  providerId: string;
  userId: string;
  organizationId: string | null;
  sessionId: string | null;
  email: string | null;
  at: Moment;
}

/**
 * A person appears by signing in, and is seen again. A deleted user is left as it is: the row of the deletion is there, and
 * no sign-in touches it.
 */
export async function writeSignIns(tx: Tx, signIns: readonly SignIn[]): Promise<void> {
  if (signIns.length === 0) return;
  await tx.query(
    `insert into users as u (provider_id, id, sign_in_email, first_seen_at, last_seen_at)
     select provider_id, id, (array_agg(email order by at desc) filter (where email is not null))[1], min(at), max(at)
     from unnest($1::text[], $2::text[], $3::text[], $4::float8[]) as n (provider_id, id, email, at)
     group by provider_id, id order by provider_id, id
     on conflict (id, provider_id) do update
     set sign_in_email = case when u.last_seen_at > excluded.last_seen_at
         then coalesce(u.sign_in_email, excluded.sign_in_email)
         else coalesce(excluded.sign_in_email, u.sign_in_email) end,
       first_seen_at = least(u.first_seen_at, excluded.first_seen_at),
       last_seen_at = greatest(u.last_seen_at, excluded.last_seen_at)
     where u.deleted_at is null`,
    columns(
      signIns,
      ({ providerId }) => providerId,
      ({ userId }) => userId,
      ({ email }) => email,
      ({ at }) => at,
    ),
  );
  const sessions = signIns.filter(({ sessionId }) => sessionId !== null);
  if (sessions.length === 0) return;
  await tx.query(
    `insert into sessions as s (provider_id, id, user_id, organization_id, first_seen_at, last_seen_at)
     select provider_id, id, min(user_id), max(organization_id), min(at), max(at)
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[])
       as n (provider_id, id, user_id, organization_id, at)
     group by provider_id, id order by provider_id, id
     on conflict (id, provider_id) do update
     set user_id = coalesce(s.user_id, excluded.user_id),
       organization_id = coalesce(s.organization_id, excluded.organization_id),
       first_seen_at = least(s.first_seen_at, excluded.first_seen_at),
       last_seen_at = greatest(s.last_seen_at, excluded.last_seen_at)`,
    columns(
      sessions,
      ({ providerId }) => providerId,
      ({ sessionId }) => sessionId,
      ({ userId }) => userId,
      ({ organizationId }) => organizationId,
      ({ at }) => at,
    ),
  );
}

export interface UserRow {
  provider_id: string;
  id: string;
  email: string | null;
  first_name: string | null;
  last_name: string | null;
  name: string | null;
  external_id: string | null;
  deleted_at: number | null;
  first_seen_at: number | null;
  last_seen_at: number | null;
}

const USER = `u.provider_id, u.id, coalesce(u.email, u.sign_in_email) as email, u.first_name, u.last_name,
  coalesce(u.name, nullif(btrim(concat(u.first_name, ' ', u.last_name)), '')) as name, u.external_id, u.deleted_at,
  u.first_seen_at, u.last_seen_at`;

/** Where in a list of users one is: with a search, also in which of its parts, and the text by which it was found. */
export interface UserPlace {
  id: string;
  providerId: string;
  part?: { index: number; text: string } | undefined;
}

interface PageOfUsers {
  after: UserPlace | undefined;
  limit: number;
}

/** In the order of their ids, after one. */
export function readUsers(tx: Tx, providerId: string | undefined, page: PageOfUsers): Promise<UserRow[]> {
  return rowsOf(
    tx,
    `select ${USER} from users u
     where ($1::text is null or (u.id, u.provider_id) > ($1, $2)) and ($3::text is null or u.provider_id = $3)
     order by u.id, u.provider_id limit $4`,
    [page.after?.id ?? null, page.after?.providerId ?? null, providerId ?? null, page.limit],
  );
}

/** By what somebody is found, each with an index of its own. */
const SEARCHED = [
  { text: 'u.id', sought: '$1::text' },
  { text: 'lower(coalesce(u.email, u.sign_in_email))', sought: 'lower($1::text)' },
  {
    text: `lower(coalesce(u.name, coalesce(u.first_name, '') || ' ' || coalesce(u.last_name, '')))`,
    sought: 'lower($1::text)',
  },
] as const;
const begins = ({ text, sought }: (typeof SEARCHED)[number]): string =>
  `(${text} collate "C") >= ${sought} and (${text} collate "C") < ${sought} || $2::text`;
/** In the order of bytes nothing that begins with something comes behind it with this. */
const LAST = '\u{10ffff}';

export type FoundUser = UserRow & { place: UserPlace };

/**
 * Whose id, address or name begins so: first those by their id, then by their address, then by their name, each in the order of
 * that text, and each person once. A page costs as much as it holds, however many there are.
 */
export async function searchUsers(
  tx: Tx,
  filter: { search: string; providerId: string | undefined },
  { after, limit }: PageOfUsers,
): Promise<FoundUser[]> {
  const found: FoundUser[] = [];
  for (let index = after?.part?.index ?? 0; index < SEARCHED.length && found.length < limit; index++) {
    const { text } = SEARCHED[index]!;
    const earlier = SEARCHED.slice(0, index).map((other) => ` and not coalesce(${begins(other)}, false)`);
    const from = after?.part?.index === index ? after : undefined;
    const rows = await rowsOf<UserRow & { found_by: string }>(
      tx,
      `select ${USER}, ${text} as found_by from users u
       where ${begins(SEARCHED[index]!)}${earlier.join('')} and ($3::text is null or u.provider_id = $3)
         and ($4::text is null or ((${text} collate "C"), (u.id collate "C"), (u.provider_id collate "C")) > ($4, $5, $6))
       order by ${text} collate "C", u.id collate "C", u.provider_id collate "C" limit $7`,
      [
        filter.search,
        LAST,
        filter.providerId ?? null,
        from?.part?.text ?? null,
        from?.id ?? null,
        from?.providerId ?? null,
        limit - found.length,
      ],
    );
    for (const { found_by, ...user } of rows) {
      found.push({ ...user, place: { id: user.id, providerId: user.provider_id, part: { index, text: found_by } } });
    }
  }
  return found;
}

/** The user of that id, of every provider that has one. */
export function readUsersById(tx: Tx, id: string, providerId: string | undefined): Promise<UserRow[]> {
  return rowsOf(tx, `select ${USER} from users u where u.id = $1 and ($2::text is null or u.provider_id = $2)`, [
    id,
    providerId ?? null,
  ]);
}

/** The providers that know a user, an organization or a session by that id, from whatever we were told. */
export async function providersOf(
  tx: Tx,
  ids: { user_id?: string | undefined; organization_id?: string | undefined; session_id?: string | undefined },
): Promise<string[]> {
  const rows = await rowsOf<{ provider_id: string }>(
    tx,
    `select provider_id from users where id = $1
     union select provider_id from memberships where user_id = $1
     union select provider_id from scopes where user_id = $1
     union select provider_id from organizations where id = $2
     union select provider_id from scopes where organization_id = $2
     union select provider_id from sessions where id = $3
     order by provider_id`,
    [ids.user_id ?? null, ids.organization_id ?? null, ids.session_id ?? null],
  );
  return rows.map((row) => row.provider_id);
}

export interface MembershipRow {
  organization_id: string;
  organization_name: string | null;
  organization_deleted_at: number | null;
  membership_id: string | null;
  status: string;
  role: string | null;
  changed_at: number;
}

export function readMembershipsOf(tx: Tx, providerId: string, userId: string, limit: number): Promise<MembershipRow[]> {
  return rowsOf(
    tx,
    `select m.organization_id, o.name as organization_name, o.deleted_at as organization_deleted_at, m.membership_id,
       m.status, m.role, m.changed_at
     from memberships m left join organizations o on o.id = m.organization_id and o.provider_id = m.provider_id
     where m.user_id = $1 and m.provider_id = $2 order by m.organization_id limit $3`,
    [userId, providerId, limit],
  );
}

export interface SessionRow {
  id: string;
  organization_id: string | null;
  created_at: number | null;
  revoked_at: number | null;
  first_seen_at: number | null;
  last_seen_at: number | null;
}

/** The newest ones first. */
export function readSessionsOf(tx: Tx, providerId: string, userId: string, limit: number): Promise<SessionRow[]> {
  return rowsOf(
    tx,
    `select id, organization_id, created_at, revoked_at, first_seen_at, last_seen_at from sessions
     where user_id = $1 and provider_id = $2
     order by coalesce(last_seen_at, created_at, revoked_at) desc nulls last, id desc limit $3`,
    [userId, providerId, limit],
  );
}
