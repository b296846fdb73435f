import { Clock, isoTime } from './clock.js';
import { Collection } from './collection.js';
import { Deliveries } from './deliveries.js';
import { EventLog } from './event-log.js';
import { newId } from './ids.js';
import type { Actor, Directory, Membership, Organization, Session, User } from './objects.js';
import type { SandboxOptions } from './options.js';
import { SigningKeys } from './signing-keys.js';
import { allWell, type Switches } from './switches.js';
import { WebhookEndpoints } from './webhook-endpoints.js';

export interface RefreshToken {
  sessionId: string;
  exchanged: boolean;
}

/** Everything the sandbox knows; it lives as long as the process. */
export interface World {
  options: SandboxOptions;
  /** Without a slash at the end; known once it listens. */
  baseUrl: string;
  clock: Clock;
  users: Collection<User>;
  userIdByEmail: Map<string, string>;
  passwords: Map<string, string>;
  organizations: Collection<Organization>;
  memberships: Collection<Membership>;
  membershipIdsByUser: IdSets;
  membershipIdsByOrganization: IdSets;
  sessions: Collection<Session>;
  sessionIdsByUser: IdSets;
  refreshTokens: Map<string, RefreshToken>;
  permissionsByRole: Map<string, string[]>;
  directories: Collection<Directory>;
  events: EventLog;
  endpoints: WebhookEndpoints;
  deliveries: Deliveries;
  keys: SigningKeys;
  switches: Switches;
}

/** Sets of ids by the id of what they belong to, each in order of creation. */
export class IdSets {
  readonly #sets = new Map<string, Set<string>>();

  of(owner: string): string[] {
    return [...(this.#sets.get(owner) ?? [])];
  }

  add(owner: string, id: string): void {
    const set = this.#sets.get(owner);
    if (set) set.add(id);
    else this.#sets.set(owner, new Set([id]));
  }

  delete(owner: string, id: string): void {
    const set = this.#sets.get(owner);
    set?.delete(id);
    if (set?.size === 0) this.#sets.delete(owner);
  }
}

export async function createWorld(options: SandboxOptions): Promise<World> {
  const clock = new Clock();
  const endpoints = new WebhookEndpoints(clock);
  return {
    options,
    baseUrl: '',
    clock,
    users: new Collection(),
    userIdByEmail: new Map(),
    passwords: new Map(),
    organizations: new Collection(),
    memberships: new Collection(),
    membershipIdsByUser: new IdSets(),
    membershipIdsByOrganization: new IdSets(),
    sessions: new Collection(),
    sessionIdsByUser: new IdSets(),
    refreshTokens: new Map(),
    permissionsByRole: new Map([['admin', ['users:read', 'users:write']]]),
    directories: new Collection(),
    events: new EventLog(clock, options.eventsHoldBackMs),
    endpoints,
    deliveries: new Deliveries(clock, options.delivery, (id) => endpoints.all.get(id)),
    keys: await SigningKeys.create(),
    switches: allWell(),
  };
}

export const API_ACTOR: Actor = { id: 'api_key_01SANDBOX0000000000000000', source: 'api', name: 'Sandbox' };

export interface Emission {
  atMs?: number;
  actor?: Actor;
  previous?: Record<string, unknown> | undefined;
}

/** Something has happened: it is on the log, and its webhooks are on their way, when this returns. */
export function emit(world: World, type: string, data: unknown, { atMs, actor, previous }: Emission = {}): void {
  if (world.switches.silent) return;
  const event = world.events.append({
    id: newId('event'),
    object: 'event',
    event: type,
    data,
    created_at: isoTime(atMs ?? world.clock.now()),
    context: {
      client_id: world.options.clientId,
      actor: actor ?? API_ACTOR,
      ...(previous ? { previous_attributes: previous } : {}),
    },
  });
  world.deliveries.deliver(event, world.endpoints.subscribedTo(type));
}

/** The attributes of `before` that are no longer so in `after`, as `context.previous_attributes` has them. */
export function previousAttributes(before: object, after: object): Record<string, unknown> | undefined {
  const now = after as Record<string, unknown>;
  const changed = Object.entries(before).filter(
    ([key, value]) => key !== 'updated_at' && JSON.stringify(value) !== JSON.stringify(now[key]),
  );
  return changed.length > 0 ? Object.fromEntries(changed) : undefined;
}
