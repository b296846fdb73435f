import { notFound, refused } from './api-error.js';
import { isoTime } from './clock.js';
import { newId } from './ids.js';
import type { AuthMethod, Directory, Membership, MembershipStatus, Organization, Session, User } from './objects.js';
import { emit, previousAttributes, type World } from './world.js';

/** What can be done to people, organizations, memberships and sessions; each change is announced before it returns. */

export interface UserInput {
  email: string;
  first_name?: string | null | undefined;
  last_name?: string | null | undefined;
  email_verified?: boolean | undefined;
  external_id?: string | null | undefined;
  metadata?: Record<string, string> | undefined;
  password?: string | undefined;
}

export function createUser(world: World, input: UserInput): User {
  const email = input.email.toLowerCase();
  if (world.userIdByEmail.has(email)) {
    throw refused(400, 'user_creation_error', 'Could not create user.', {
      errors: [{ code: 'email_not_available', message: 'This email is not available.' }],
    });
  }
  const now = isoTime(world.clock.now());
  const user: User = {
    object: 'user',
    id: newId('user'),
    first_name: input.first_name ?? null,
    last_name: input.last_name ?? null,
    name: nameOf(input.first_name, input.last_name),
    profile_picture_url: null,
    email,
    email_verified: input.email_verified ?? false,
    external_id: input.external_id ?? null,
    metadata: input.metadata ?? {},
    last_sign_in_at: null,
    locale: null,
    created_at: now,
    updated_at: now,
  };
  world.users.add(user);
  world.userIdByEmail.set(email, user.id);
  if (input.password !== undefined) world.passwords.set(user.id, input.password);
  emit(world, 'user.created', user, { atMs: Date.parse(now) });
  return user;
}

export function updateUser(world: World, id: string, change: Partial<UserInput>): User {
  const user = requireUser(world, id);
  const before = { ...user, metadata: { ...user.metadata } };
  if (change.email !== undefined && change.email.toLowerCase() !== user.email) {
    world.userIdByEmail.delete(user.email);
    user.email = change.email.toLowerCase();
    user.email_verified = false;
    world.userIdByEmail.set(user.email, user.id);
  }
  if (change.first_name !== undefined) user.first_name = change.first_name;
  if (change.last_name !== undefined) user.last_name = change.last_name;
  user.name = nameOf(user.first_name, user.last_name);
  if (change.email_verified !== undefined) user.email_verified = change.email_verified;
  if (change.external_id !== undefined) user.external_id = change.external_id;
  if (change.metadata !== undefined) user.metadata = { ...user.metadata, ...change.metadata };
  if (change.password !== undefined) world.passwords.set(id, change.password);
  const previous = previousAttributes(before, user);
  if (previous) {
    const atMs = world.clock.after(user.updated_at);
    user.updated_at = isoTime(atMs);
    emit(world, 'user.updated', user, { atMs, previous });
  }
  return user;
}

/** What WorkOS sends besides `user.deleted` is not documented; with `cascade` their sessions and memberships go first. */
export function deleteUser(world: World, id: string): void {
  const user = requireUser(world, id);
  const sessions = activeSessions(world, id);
  const memberships = world.membershipIdsByUser
    .of(id)
    .flatMap((membershipId) => world.memberships.get(membershipId) ?? []);
  for (const session of sessions) endSession(world, session, world.options.cascade);
  for (const membership of memberships) removeMembership(world, membership, world.options.cascade);
  world.users.delete(id);
  world.userIdByEmail.delete(user.email);
  world.passwords.delete(id);
  emit(world, 'user.deleted', user, { atMs: world.clock.after(user.updated_at) });
}

export function createOrganization(world: World, name: string, metadata: Record<string, string> = {}): Organization {
  const now = isoTime(world.clock.now());
  const organization: Organization = {
    object: 'organization',
    id: newId('org'),
    name,
    domains: [],
    metadata,
    external_id: null,
    created_at: now,
    updated_at: now,
  };
  world.organizations.add(organization);
  emit(world, 'organization.created', organization, { atMs: Date.parse(now) });
  return organization;
}

export function updateOrganization(world: World, id: string, name: string): Organization {
  const organization = requireOrganization(world, id);
  const before = { ...organization };
  organization.name = name;
  const previous = previousAttributes(before, organization);
  if (previous) {
    const atMs = world.clock.after(organization.updated_at);
    organization.updated_at = isoTime(atMs);
    emit(world, 'organization.updated', organization, { atMs, previous });
  }
  return organization;
}

export function deleteOrganization(world: World, id: string): void {
  const organization = requireOrganization(world, id);
  for (const membershipId of world.membershipIdsByOrganization.of(id)) {
    const membership = world.memberships.get(membershipId);
    if (membership) removeMembership(world, membership, world.options.cascade);
  }
  world.organizations.delete(id);
  emit(world, 'organization.deleted', organization, { atMs: world.clock.after(organization.updated_at) });
}

export interface MembershipInput {
  user_id: string;
  organization_id: string;
  role_slug?: string | undefined;
  status?: MembershipStatus | undefined;
}

export function createMembership(world: World, input: MembershipInput): Membership {
  requireUser(world, input.user_id);
  requireOrganization(world, input.organization_id);
  if (membershipOf(world, input.user_id, input.organization_id)) {
    throw refused(422, 'organization_membership_already_exists', 'The user is a member of the organization already.');
  }
  const now = isoTime(world.clock.now());
  const role = { slug: input.role_slug ?? 'member' };
  const membership: Membership = {
    object: 'organization_membership',
    id: newId('om'),
    user_id: input.user_id,
    organization_id: input.organization_id,
    status: input.status ?? 'active',
    role,
    roles: [role],
    custom_attributes: {},
    directory_managed: false,
    created_at: now,
    updated_at: now,
  };
  world.memberships.add(membership);
  world.membershipIdsByUser.add(input.user_id, membership.id);
  world.membershipIdsByOrganization.add(input.organization_id, membership.id);
  emit(world, 'organization_membership.created', membership, { atMs: Date.parse(now) });
  return membership;
}

export function changeRole(world: World, id: string, slug: string): Membership {
  const membership = requireMembership(world, id);
  return change(world, membership, () => {
    membership.role = { slug };
    membership.roles = [membership.role];
  });
}

/** Ends every session of the user in the organization; says nothing where it is inactive already. */
export function deactivate(world: World, id: string): Membership {
  const membership = requireMembership(world, id);
  if (membership.status === 'inactive') return membership;
  if (membership.status === 'pending') {
    throw refused(422, 'cannot_deactivate_pending_organization_membership', 'A pending membership is deleted instead.');
  }
  for (const session of activeSessions(world, membership.user_id)) {
    if (session.organization_id !== membership.organization_id) continue;
    endSession(world, session, world.options.deactivationEmitsSessionRevoked);
  }
  return change(world, membership, () => (membership.status = 'inactive'));
}

export function reactivate(world: World, id: string): Membership {
  const membership = requireMembership(world, id);
  if (membership.status === 'active') return membership;
  if (membership.status === 'pending') {
    throw refused(
      422,
      'cannot_reactivate_pending_organization_membership',
      'A pending membership has never been active.',
    );
  }
  return change(world, membership, () => (membership.status = 'active'));
}

export function deleteMembership(world: World, id: string): void {
  removeMembership(world, requireMembership(world, id), true);
}

export interface SessionInput {
  userId: string;
  organizationId?: string | undefined;
  authMethod: AuthMethod;
  ipAddress?: string | undefined;
  userAgent?: string | undefined;
}

export function createSession(world: World, input: SessionInput): Session {
  const nowMs = world.clock.now();
  const session: Session = {
    object: 'session',
    id: newId('session'),
    ip_address: input.ipAddress ?? null,
    ...(input.organizationId === undefined ? {} : { organization_id: input.organizationId }),
    user_agent: input.userAgent ?? null,
    user_id: input.userId,
    auth_method: input.authMethod,
    status: 'active',
    expires_at: isoTime(nowMs + world.options.sessionTtlMs),
    ended_at: null,
    created_at: isoTime(nowMs),
    updated_at: isoTime(nowMs),
  };
  world.sessions.add(session);
  world.sessionIdsByUser.add(input.userId, session.id);
  const user = world.users.get(input.userId);
  if (user) user.last_sign_in_at = session.created_at;
  emit(world, 'session.created', session, { atMs: nowMs });
  return session;
}

export function revokeSession(world: World, id: string): void {
  const session = world.sessions.get(id);
  if (!session) throw notFound('Session', id);
  if (session.status === 'active') endSession(world, session, true);
}

export function activeSessions(world: World, userId: string): Session[] {
  const now = world.clock.now();
  return world.sessionIdsByUser
    .of(userId)
    .flatMap((id) => world.sessions.get(id) ?? [])
    .filter((session) => session.status === 'active' && Date.parse(session.expires_at) > now);
}

export function membershipOf(world: World, userId: string, organizationId: string): Membership | undefined {
  return world.membershipIdsByUser
    .of(userId)
    .flatMap((id) => world.memberships.get(id) ?? [])
    .find((membership) => membership.organization_id === organizationId);
}

export function requireUser(world: World, id: string): User {
  const user = world.users.get(id);
  if (!user) throw notFound('User', id);
  return user;
}

export function requireOrganization(world: World, id: string): Organization {
  const organization = world.organizations.get(id);
  if (!organization) throw notFound('Organization', id);
  return organization;
}

export function requireMembership(world: World, id: string): Membership {
  const membership = world.memberships.get(id);
  if (!membership) throw notFound('Organization Membership', id);
  return membership;
}

export function connectDirectory(world: World, organizationId: string): Directory {
  requireOrganization(world, organizationId);
  const now = isoTime(world.clock.now());
  const directory: Directory = {
    object: 'directory',
    id: newId('directory'),
    organization_id: organizationId,
    name: 'Directory',
    state: 'active',
    created_at: now,
    updated_at: now,
  };
  world.directories.add(directory);
  for (const id of world.membershipIdsByOrganization.of(organizationId)) {
    const membership = world.memberships.get(id);
    if (membership) membership.directory_managed = true;
  }
  emit(world, 'dsync.activated', directory, { atMs: Date.parse(now) });
  return directory;
}

/** Memberships stay as they are, active ones too: so does WorkOS. */
export function deleteDirectory(world: World, id: string): boolean {
  const directory = world.directories.get(id);
  if (!directory) return false;
  world.directories.delete(id);
  emit(world, 'dsync.deleted', directory);
  return true;
}

function change(world: World, membership: Membership, apply: () => void): Membership {
  const before = { ...membership };
  apply();
  const previous = previousAttributes(before, membership);
  if (previous) {
    const atMs = world.clock.after(membership.updated_at);
    membership.updated_at = isoTime(atMs);
    emit(world, 'organization_membership.updated', membership, { atMs, previous });
  }
  return membership;
}

/** The status stays what it was: whoever reads it must look at the event's name. */
function removeMembership(world: World, membership: Membership, announce: boolean): void {
  world.memberships.delete(membership.id);
  world.membershipIdsByUser.delete(membership.user_id, membership.id);
  world.membershipIdsByOrganization.delete(membership.organization_id, membership.id);
  if (announce) {
    emit(world, 'organization_membership.deleted', membership, { atMs: world.clock.after(membership.updated_at) });
  }
}

function endSession(world: World, session: Session, announce: boolean): void {
  const atMs = world.clock.after(session.updated_at);
  session.status = 'revoked';
  session.ended_at = isoTime(atMs);
  session.updated_at = session.ended_at;
  if (announce) emit(world, 'session.revoked', session, { atMs });
}

function nameOf(first: string | null | undefined, last: string | null | undefined): string | null {
  return [first, last].filter((part) => part).join(' ') || null;
}
