import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { refused } from './api-error.js';
import {
  activeSessions,
  changeRole,
  createMembership,
  createOrganization,
  createUser,
  deactivate,
  deleteMembership,
  deleteOrganization,
  deleteUser,
  reactivate,
  requireMembership,
  requireOrganization,
  requireUser,
  revokeSession,
  updateOrganization,
  updateUser,
} from './directory.js';
import { checked, listAnswer, pageOf } from './requests.js';
import type { World } from './world.js';

const byId = z.object({ id: z.string() });
const metadata = z.record(z.string(), z.string()).optional();
const userBody = z.object({
  email: z.email(),
  first_name: z.string().nullish(),
  last_name: z.string().nullish(),
  email_verified: z.boolean().optional(),
  external_id: z.string().nullish(),
  metadata,
  password: z.string().optional(),
});
const membershipBody = z.object({
  user_id: z.string(),
  organization_id: z.string(),
  role_slug: z.string().optional(),
  status: z.enum(['active', 'inactive', 'pending']).optional(),
});
const membershipQuery = z.object({
  user_id: z.string().optional(),
  organization_id: z.string().optional(),
  statuses: z.string().optional(),
});
const endpointBody = z.object({ endpoint_url: z.string(), events: z.array(z.string()) });
const endpointChange = endpointBody.partial().extend({ status: z.enum(['enabled', 'disabled']).optional() });

/** Users, organizations, memberships, sessions, events, webhook endpoints: WorkOS's API, as far as it is needed. */
export function addDirectoryRoutes(app: FastifyInstance, world: World): void {
  const id = (params: unknown): string => checked(byId, params).id;

  app.post('/user_management/users', async (request, reply) =>
    reply.status(201).send(createUser(world, checked(userBody, request.body))),
  );
  app.get('/user_management/users', async ({ query }) => {
    const { email, organization_id } = query as { email?: string; organization_id?: string };
    const members = organization_id
      ? new Set(world.membershipIdsByOrganization.of(organization_id).map((m) => world.memberships.get(m)?.user_id))
      : undefined;
    return listAnswer(
      world.users.page(
        pageOf(query),
        (user) => (!email || user.email === email.toLowerCase()) && (!members || members.has(user.id)),
      ),
    );
  });
  app.get('/user_management/users/:id', async ({ params }) => requireUser(world, id(params)));
  app.put('/user_management/users/:id', async ({ params, body }) =>
    updateUser(world, id(params), checked(userBody.partial(), body)),
  );
  app.delete('/user_management/users/:id', async ({ params }, reply) => {
    deleteUser(world, id(params));
    return reply.status(204).send();
  });
  app.get('/user_management/users/:id/sessions', async ({ params, query }) => {
    const ids = activeSessions(world, requireUser(world, id(params)).id).map((session) => session.id);
    return listAnswer(world.sessions.page(pageOf(query), () => true, ids));
  });
  app.post('/user_management/sessions/revoke', async ({ body }) => {
    const { session_id } = checked(z.object({ session_id: z.string() }), body);
    revokeSession(world, session_id);
    return world.sessions.get(session_id);
  });

  app.post('/user_management/organization_memberships', async ({ body }, reply) =>
    reply.status(201).send(createMembership(world, checked(membershipBody, body))),
  );
  app.get('/user_management/organization_memberships', async ({ query }) => {
    const { user_id, organization_id, statuses } = checked(membershipQuery, query);
    if (user_id === undefined && organization_id === undefined) {
      throw refused(422, 'missing_parameters', 'One of user_id and organization_id is needed.');
    }
    const wanted = statuses?.split(',') ?? ['active'];
    const ids = user_id
      ? world.membershipIdsByUser.of(user_id)
      : world.membershipIdsByOrganization.of(organization_id!);
    const keep = (membership: { organization_id: string; status: string }): boolean =>
      wanted.includes(membership.status) && (!organization_id || membership.organization_id === organization_id);
    return listAnswer(world.memberships.page(pageOf(query), keep, ids));
  });
  app.get('/user_management/organization_memberships/:id', async ({ params }) => requireMembership(world, id(params)));
  app.put('/user_management/organization_memberships/:id', async ({ params, body }) =>
    changeRole(world, id(params), checked(z.object({ role_slug: z.string() }), body).role_slug),
  );
  app.put('/user_management/organization_memberships/:id/deactivate', async ({ params }) =>
    deactivate(world, id(params)),
  );
  app.put('/user_management/organization_memberships/:id/reactivate', async ({ params }) =>
    reactivate(world, id(params)),
  );
  app.delete('/user_management/organization_memberships/:id', async ({ params }, reply) => {
    deleteMembership(world, id(params));
    return reply.status(204).send();
  });

  const named = z.object({ name: z.string(), metadata });
  app.post('/organizations', async ({ body }, reply) => {
    const { name, metadata } = checked(named, body);
    return reply.status(201).send(createOrganization(world, name, metadata));
  });
  app.get('/organizations', async ({ query }) => listAnswer(world.organizations.page(pageOf(query))));
  app.get('/organizations/:id', async ({ params }) => requireOrganization(world, id(params)));
  app.put('/organizations/:id', async ({ params, body }) =>
    updateOrganization(world, id(params), checked(named, body).name),
  );
  app.delete('/organizations/:id', async ({ params }, reply) => {
    deleteOrganization(world, id(params));
    return reply.status(204).send();
  });

  app.get('/directories', async ({ query }) => listAnswer(world.directories.page(pageOf(query))));

  app.get('/events', async ({ query }, reply) => {
    const { data, after } = world.events.list(eventQuery(query as Record<string, unknown>));
    // The very bytes that the webhooks carry.
    const text = `{"object":"list","data":[${data.map(({ body }) => body).join(',')}],"list_metadata":{"after":${JSON.stringify(after)}}}`;
    return reply.type('application/json').send(text);
  });

  app.post('/webhook_endpoints', async ({ body }, reply) => {
    const { endpoint_url, events } = checked(endpointBody, body);
    return reply.status(201).send(world.endpoints.create(endpoint_url, events));
  });
  app.get('/webhook_endpoints', async ({ query }) => listAnswer(world.endpoints.all.page(pageOf(query))));
  app.patch('/webhook_endpoints/:id', async ({ params, body }) =>
    world.endpoints.change(id(params), checked(endpointChange, body)),
  );
  app.delete('/webhook_endpoints/:id', async ({ params }, reply) => {
    world.endpoints.delete(id(params));
    return reply.status(204).send();
  });
}

const eventsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(10),
  after: z.string().optional(),
  before: z.string().optional(),
  range_start: z.iso.datetime({ offset: true }).optional(),
  range_end: z.iso.datetime({ offset: true }).optional(),
  organization_id: z.string().optional(),
});
const DAY_MS = 86_400_000;

/** `events=a,b` and `events[]=a` alike; `after` and `range_start` exclude each other; 30 days a request. */
function eventQuery(query: Record<string, unknown>) {
  const { limit, after, before, range_start, range_end, organization_id } = checked(eventsQuery, query);
  if (after !== undefined && range_start !== undefined) {
    throw refused(400, 'invalid_parameters', 'after and range_start cannot be used together.');
  }
  const start = range_start === undefined ? undefined : Date.parse(range_start);
  const end = range_end === undefined ? undefined : Date.parse(range_end);
  if (start !== undefined && end !== undefined && end - start > 30 * DAY_MS) {
    throw refused(400, 'invalid_parameters', 'A range may span 30 days.');
  }
  const types = [query['events'], query['events[]']]
    .flat()
    .flatMap((value) => (typeof value === 'string' ? value.split(',') : []));
  return { types, limit, after, before, rangeStartMs: start, rangeEndMs: end, organizationId: organization_id };
}
