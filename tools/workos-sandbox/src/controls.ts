import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { notFound } from './api-error.js';
import {
  connectDirectory,
  createMembership,
  createOrganization,
  createUser,
  deactivate,
  deleteDirectory,
  deleteMembership,
  deleteOrganization,
  deleteUser,
  revokeSession,
} from './directory.js';
import { checked } from './requests.js';
import { emit, type World } from './world.js';

const outage = z.enum(['none', 'error', 'hang', 'reset']);

/** What a test turns on and off while the sandbox runs; WorkOS has none of it. */
export function addControls(app: FastifyInstance, world: World): void {
  app.post('/_sandbox/clock', async ({ body }) => {
    world.clock.move(checked(z.object({ offset_ms: z.number() }), body).offset_ms);
    return { offset_ms: world.clock.offsetMs };
  });
  app.post('/_sandbox/tokens', async ({ body }) => {
    const change = checked(
      z.object({
        audience: z.string().nullable().optional(),
        issuer_shape: z.enum(['per_client', 'generic']).optional(),
        ttl_seconds: z.number().int().positive().optional(),
        client_id: z.boolean().optional(),
        extra_claims: z.record(z.string(), z.unknown()).optional(),
      }),
      body,
    );
    const { token } = world.options;
    if (change.audience !== undefined) token.audience = change.audience;
    token.issuerShape = change.issuer_shape ?? token.issuerShape;
    token.ttlSeconds = change.ttl_seconds ?? token.ttlSeconds;
    token.clientId = change.client_id ?? token.clientId;
    token.extraClaims = change.extra_claims ?? token.extraClaims;
    return token;
  });
  app.post('/_sandbox/keys/rotate', async () => ({ kid: (await world.keys.rotate()).kid }));
  app.delete('/_sandbox/keys/:kid', async ({ params }) => {
    const { kid } = params as { kid: string };
    if (!world.keys.withdraw(kid)) throw notFound('Key that may be withdrawn', kid);
    return world.keys.published;
  });
  app.post('/_sandbox/outages', async ({ body }) => {
    const change = checked(z.object({ api: outage, jwks: outage, discovery: outage }).partial(), body);
    for (const [name, value] of Object.entries(change)) if (value) world.switches.outages[name as 'api'] = value;
    return world.switches.outages;
  });
  app.post('/_sandbox/rate-limit', async ({ body }) => {
    world.switches.rateLimit = checked(
      z.object({ path: z.string(), remaining: z.number().nullable(), retry_after_seconds: z.number() }).nullable(),
      body,
    );
    return { rate_limit: world.switches.rateLimit };
  });
  app.post('/_sandbox/events/hold-back', async ({ body }) => {
    world.events.holdBackMs = checked(z.object({ hold_back_ms: z.number().min(0) }), body).hold_back_ms;
    return { hold_back_ms: world.events.holdBackMs };
  });
  /** Any event, also of a type that nobody knows. */
  app.post('/_sandbox/events', async ({ body }) => {
    const event = checked(
      z.object({
        event: z.string(),
        data: z.unknown(),
        previous_attributes: z.record(z.string(), z.unknown()).optional(),
        at: z.string().optional(),
      }),
      body,
    );
    emit(world, event.event, event.data, {
      ...(event.at ? { atMs: Date.parse(event.at) } : {}),
      ...(event.previous_attributes ? { previous: event.previous_attributes } : {}),
    });
    return { emitted: event.event };
  });

  app.get('/_sandbox/deliveries', async () => ({ data: world.deliveries.list() }));
  app.post('/_sandbox/deliveries/pause', async () => (world.deliveries.pause(), { paused: true }));
  app.post('/_sandbox/deliveries/resume', async () => (world.deliveries.resume(), { paused: false }));
  app.post('/_sandbox/deliveries/flush', async () => (world.deliveries.flush(), {}));
  app.post('/_sandbox/deliveries/settled', async () => (await world.deliveries.settled(), {}));
  app.post('/_sandbox/deliveries/redeliver-failed', async () => ({ redelivered: world.deliveries.redeliverFailed() }));
  app.post('/_sandbox/deliveries/:id/redeliver', async ({ params }) => {
    const { id } = params as { id: string };
    if (!world.deliveries.redeliver(id)) throw notFound('Delivery', id);
    return world.deliveries.get(id);
  });
  app.post('/_sandbox/chaos', async ({ body }) => {
    world.deliveries.chaos = { ...world.deliveries.chaos, ...(body as object) };
    return world.deliveries.chaos;
  });

  /** A directory takes over an organization: its memberships are managed by it from now on. */
  app.post('/_sandbox/directories', async ({ body }) => {
    const { organization_id } = checked(z.object({ organization_id: z.string() }), body);
    return connectDirectory(world, organization_id);
  });
  app.delete('/_sandbox/directories/:id', async ({ params }) => {
    const { id } = params as { id: string };
    if (!deleteDirectory(world, id)) throw notFound('Directory', id);
    return {};
  });
  /** Something is changed and no event tells of it, as where one was lost for good. */
  app.post('/_sandbox/silently', async ({ body }) => {
    const { delete_user, delete_membership, deactivate_membership, end_session, delete_organization } = checked(
      z.object({
        delete_user: z.string().optional(),
        delete_membership: z.string().optional(),
        deactivate_membership: z.string().optional(),
        end_session: z.string().optional(),
        delete_organization: z.string().optional(),
      }),
      body,
    );
    world.switches.silent = true;
    try {
      if (delete_user) deleteUser(world, delete_user);
      if (delete_membership) deleteMembership(world, delete_membership);
      if (deactivate_membership) deactivate(world, deactivate_membership);
      if (end_session) revokeSession(world, end_session);
      if (delete_organization) deleteOrganization(world, delete_organization);
    } finally {
      world.switches.silent = false;
    }
    return {};
  });

  /** Many people in one organization, quickly. */
  app.post('/_sandbox/bulk', async ({ body }) => {
    const { users, organization } = checked(
      z.object({ users: z.number().int().positive().max(1_000_000), organization: z.string().default('Bulk') }),
      body,
    );
    const { id } = createOrganization(world, organization);
    const run = Date.now().toString(36);
    const user_ids = Array.from({ length: users }, (_, index) => {
      const user = createUser(world, { email: `bulk-${run}-${index}@example.test`, email_verified: true });
      createMembership(world, { user_id: user.id, organization_id: id });
      return user.id;
    });
    return { organization_id: id, user_ids };
  });
}
