import type { Moment } from '#contracts/moment.js';
import type { WorkOSEvent } from '#contracts/workos-event.js';

/** What events say of people and organizations, for the records that people look at. */
export interface UserProfile {
  providerId: string;
  id: string;
  email: string | null;
  firstName: string | null;
  lastName: string | null;
  name: string | null;
  externalId: string | null;
  at: Moment;
  eventId: string;
}
export interface OrganizationProfile {
  providerId: string;
  id: string;
  name: string | null;
  at: Moment;
  eventId: string;
}
export interface Deletion {
  providerId: string;
  id: string;
  at: Moment;
}
export interface MembershipRecord {
  providerId: string;
  userId: string;
  organizationId: string;
  membershipId: string | null;
  status: string;
  role: string | null;
  at: Moment;
  eventId: string;
}
export interface SessionRecord {
  providerId: string;
  id: string;
  userId: string | null;
  organizationId: string | null;
  at: Moment;
  eventId: string;
  createdAt: Moment | null;
  revokedAt: Moment | null;
}

export interface DirectoryChanges {
  users: UserProfile[];
  userDeletions: Deletion[];
  organizations: OrganizationProfile[];
  organizationDeletions: Deletion[];
  memberships: MembershipRecord[];
  sessions: SessionRecord[];
}

/** What a batch of events says of the directory: of each record the newest, by the event's time and then by its id. */
export function directoryChanges(events: readonly WorkOSEvent[]): DirectoryChanges {
  const users = new Newest<UserProfile>();
  const organizations = new Newest<OrganizationProfile>();
  const memberships = new Newest<MembershipRecord>();
  const sessions = new Newest<SessionRecord>();
  const userDeletions = new Map<string, Deletion>();
  const organizationDeletions = new Map<string, Deletion>();
  for (const event of events) {
    const { providerId, occurredAt: at, id: eventId } = event;
    switch (event.type) {
      case 'user.created':
      case 'user.updated': {
        const { id, email, first_name, last_name, name, external_id } = event.data;
        users.add([providerId, id], {
          providerId,
          id,
          email: storable(email),
          firstName: storable(first_name),
          lastName: storable(last_name),
          name: storable(name),
          externalId: storable(external_id),
          at,
          eventId,
        });
        break;
      }
      case 'user.deleted':
        earliest(userDeletions, { providerId, id: event.data.id, at });
        break;
      case 'organization.created':
      case 'organization.updated':
        organizations.add([providerId, event.data.id], {
          providerId,
          id: event.data.id,
          name: storable(event.data.name),
          at,
          eventId,
        });
        break;
      case 'organization.deleted':
        earliest(organizationDeletions, { providerId, id: event.data.id, at });
        break;
      case 'organization_membership.created':
      case 'organization_membership.updated':
      case 'organization_membership.deleted': {
        const { user_id: userId, organization_id: organizationId, id, role } = event.data;
        memberships.add([providerId, userId, organizationId], {
          providerId,
          userId,
          organizationId,
          membershipId: id ?? null,
          status: event.type === 'organization_membership.deleted' ? 'deleted' : storable(event.data.status)!,
          role: storable(role?.slug),
          at,
          eventId,
        });
        break;
      }
      case 'session.created':
      case 'session.revoked': {
        const { id, user_id, organization_id } = event.data;
        const revoked = event.type === 'session.revoked';
        sessions.add(
          [providerId, id],
          {
            providerId,
            id,
            userId: user_id ?? null,
            organizationId: organization_id ?? null,
            at,
            eventId,
            createdAt: revoked ? null : at,
            revokedAt: revoked ? at : null,
          },
          (newer, older) => ({
            ...newer,
            createdAt: least(newer.createdAt, older.createdAt),
            revokedAt: least(newer.revokedAt, older.revokedAt),
          }),
        );
        break;
      }
      case 'signal.received':
      case 'unknown':
        break;
    }
  }
  return {
    users: users.all(),
    userDeletions: sorted(userDeletions),
    organizations: organizations.all(),
    organizationDeletions: sorted(organizationDeletions),
    memberships: memberships.all(),
    sessions: sessions.all(),
  };
}

/** An index holds 2,704 bytes: the longest first and last name together, at three bytes each, with some to spare. */
const LONGEST_TEXT = 320;

/** Text for people to look at as PostgreSQL can hold and index it: without NUL, well-formed, its beginning where it is long. */
export function storable(text: string | null | undefined): string | null {
  if (text === null || text === undefined) return null;
  return text.replaceAll('\0', '').slice(0, LONGEST_TEXT).toWellFormed();
}

const least = (a: Moment | null, b: Moment | null): Moment | null => (a === null ? b : b === null ? a : Math.min(a, b));

function earliest(found: Map<string, Deletion>, deletion: Deletion): void {
  const key = JSON.stringify([deletion.providerId, deletion.id]);
  const known = found.get(key);
  if (!known || deletion.at < known.at) found.set(key, deletion);
}

const byKey = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : a > b ? 1 : 0);
/** In the order of their keys, so that two replicas lock rows in the same order. */
const sorted = <T>(found: Map<string, T>): T[] => [...found].sort(byKey).map(([, value]) => value);

class Newest<T extends { at: Moment; eventId: string }> {
  private readonly found = new Map<string, T>();

  add(id: string[], record: T, combine = (newer: T, _older: T): T => newer): void {
    const key = JSON.stringify(id);
    const known = this.found.get(key);
    if (!known) this.found.set(key, record);
    else this.found.set(key, isNewer(record, known) ? combine(record, known) : combine(known, record));
  }

  all(): T[] {
    return sorted(this.found);
  }
}

const isNewer = (a: { at: Moment; eventId: string }, b: { at: Moment; eventId: string }): boolean =>
  a.at !== b.at ? a.at > b.at : a.eventId > b.eventId;
