import { Body, Controller, Get, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import { z } from 'zod';
import { Permits } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import type { PortalPrincipal } from '../auth/portal-authentication.js';
import type { Person } from '../auth/people.js';
import { ask, type ProxiedRequest } from '../console/proxy.js';
import { UPSTREAMS, type Upstreams } from '../console/proxy.controller.js';

type OwnRequest = { principal: PortalPrincipal };
const MOST_GRANTS = 500;

const grant = z.looseObject({ id: z.string(), provider_id: z.string(), user_id: z.string() });
const session = z.looseObject({ id: z.string() });
const details = z.looseObject({ sessions: z.array(session), memberships: z.array(z.looseObject({})) });

export const meView = z.object({
  provider_id: z.string(),
  user: z.object({ id: z.string(), email: z.string().nullable() }),
  organization_id: z.string().nullable(),
  /** As `GET /v1/users/<id>` of grants has them. */
  memberships: z.array(z.looseObject({})),
  sessions: z.array(session.extend({ current: z.boolean() })),
  /** As `GET /v1/grants` has them; the newest ones. */
  grants: z.array(grant),
});
export const ownRevocation = z.strictObject({ reason: z.string().trim().min(1).max(200).default('revoked_by_owner') });

/** What somebody who signed in with AuthKit has, and how they end it. It is theirs alone: no id of anybody else is taken. */
@Permits('person')
@Controller('api/me')
export class MeController {
  constructor(@Inject(UPSTREAMS) private readonly upstreams: Upstreams) {}

  @Get()
  async get(@Req() { principal }: OwnRequest): Promise<z.infer<typeof meView>> {
    const person = personOf(principal);
    const { providerId, userId } = person;
    const query = new URLSearchParams({ provider_id: providerId, user_id: userId, limit: String(MOST_GRANTS) });
    const [user, grants] = await Promise.all([
      this.userOf(principal, person),
      this.ask(principal, { method: 'GET', target: `/v1/grants?${query.toString()}` }),
    ]);
    return {
      provider_id: providerId,
      user: { id: userId, email: person.email },
      organization_id: person.organizationId,
      memberships: user.memberships,
      sessions: user.sessions.map((own) => ({ ...own, current: own.id === person.workosSessionId })),
      grants: z.object({ data: z.array(grant) }).parse(grants).data,
    };
  }

  @Post('grants/:id/revoke')
  @HttpCode(200)
  async revokeGrant(
    @Req() { principal }: OwnRequest,
    @Param('id') grantId: string,
    @Body(valid(ownRevocation)) body: z.output<typeof ownRevocation>,
  ): Promise<object> {
    const person = personOf(principal);
    const target = `/v1/grants/${encodeURIComponent(grantId)}`;
    const found = grant.safeParse(await this.ask(principal, { method: 'GET', target }));
    const isOwn = found.data?.user_id === person.userId && found.data.provider_id === person.providerId;
    // Whether somebody else has such a grant is nothing to be told.
    if (!isOwn) throw new Problem(404, 'grant_unknown', 'There is no grant of that id.');
    return (await this.ask(principal, { method: 'POST', target: `${target}/revoke`, body })) as object;
  }

  /** A sign-in ends everywhere, and for ever; with the one that this session comes from, this session too. */
  @Post('sessions/:id/revoke')
  @HttpCode(200)
  async revokeSession(
    @Req() { principal }: OwnRequest,
    @Param('id') sessionId: string,
    @Body(valid(ownRevocation)) { reason }: z.output<typeof ownRevocation>,
  ): Promise<object> {
    const person = personOf(principal);
    const { sessions } = await this.userOf(principal, person);
    if (sessionId !== person.workosSessionId && !sessions.some(({ id }) => id === sessionId)) {
      throw new Problem(404, 'session_unknown', 'There is no session of that id.');
    }
    const body = { provider_id: person.providerId, session_id: sessionId, reason };
    return (await this.ask(principal, { method: 'POST', target: '/v1/revocations', body })) as object;
  }

  /** Nothing of them yet: they signed in a moment ago. */
  private async userOf(principal: PortalPrincipal, { providerId, userId }: Person): Promise<z.infer<typeof details>> {
    const query = new URLSearchParams({ provider_id: providerId });
    const target = `/v1/users/${encodeURIComponent(userId)}?${query.toString()}`;
    const answer = await this.ask(principal, { method: 'GET', target });
    return answer === undefined ? { sessions: [], memberships: [] } : details.parse(answer);
  }

  /** Undefined where there is nothing of that id. Throws what the service says otherwise. */
  private async ask(principal: PortalPrincipal, request: Omit<ProxiedRequest, 'actor'>): Promise<unknown> {
    const { status, body } = await ask(this.upstreams.grants, { ...request, actor: principal.name });
    if (status === 404) return undefined;
    const answer: unknown = JSON.parse(body.toString('utf8'));
    if (status < 300) return answer;
    const { code, detail } = answer as { code?: string; detail?: string };
    throw new Problem(status, code ?? 'grants_refused', detail);
  }
}

function personOf({ person }: PortalPrincipal): Person {
  if (person) return person;
  throw new Problem(
    404,
    'not_a_person',
    'This is for people who signed in with AuthKit; an API key has no access of its own.',
  );
}
