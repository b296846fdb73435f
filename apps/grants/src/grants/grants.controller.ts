import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { parseTime } from '#contracts/moment.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { ProviderRegistry } from '#providers/registry.js';
import { scopesOf } from '#revocation/scope.js';
import { appendAudit } from '../audit/audit.sql.js';
import { Permits } from '#platform/api-key.guard.js';
import { Caller } from '#platform/caller.js';
import { createGrant, once } from './create-grant.js';
import { Database } from '#platform/database.js';
import { type GrantView, standingOf, viewOf } from './grant-view.js';
import { clock, type Grant, readGrant, revokeByHand } from './grants.sql.js';
import { grantQuery, listGrants } from './list-grants.js';
import type { Page } from '../paging.js';
import { readScopes } from '../scopes/scopes.sql.js';
import { id, plainText, providerOf } from '../scopes/selectors.js';
import type { Tx } from '#platform/sql.js';

const time = z
  .string()
  .transform(parseTime)
  .refine((ms) => !Number.isNaN(ms), 'must be RFC 3339');

export const newGrant = z.strictObject({
  provider_id: id.optional(),
  user_id: id,
  organization_id: id.optional(),
  session_id: id.optional(),
  resource: plainText(500),
  scopes: z.array(plainText(200)).min(1).max(100),
  expires_at: time.optional(),
});
export const idempotencyKey = plainText(255).optional();

export const handRevocation = z.strictObject({ reason: plainText(200).default('revoked_by_hand') });

@Permits('grants:write')
@Controller('v1/grants')
export class GrantsController {
  constructor(
    private readonly database: Database,
    @Inject(ProviderRegistry) private readonly providers: Pick<ProviderRegistry, 'all' | 'get' | 'isReady'>,
  ) {}

  @Post()
  create(
    @Body(valid(newGrant)) body: z.output<typeof newGrant>,
    @Headers('idempotency-key') key: string | undefined,
    @Caller() actor: string,
  ): Promise<GrantView> {
    const given = valid(z.object({ 'Idempotency-Key': idempotencyKey })).transform({ 'Idempotency-Key': key }, HEADER);
    return this.database.transaction((tx) =>
      once(tx, { actor, key: given['Idempotency-Key'], request: body }, async () => {
        const providerId = await this.providerFor(tx, body);
        const grant = await createGrant(
          tx,
          {
            providerId,
            userId: body.user_id,
            organizationId: body.organization_id,
            sessionId: body.session_id,
            resource: body.resource,
            scopes: [...new Set(body.scopes)],
            expiresAt: body.expires_at ?? null,
          },
          actor,
        );
        return viewOf(grant, standingOf(grant, NOTHING_CLOSED, grant.grantedAt));
      }),
    );
  }

  @Get()
  list(@Query(valid(grantQuery)) query: z.output<typeof grantQuery>): Promise<Page<GrantView>> {
    return this.database.read((tx) => listGrants(tx, query));
  }

  @Get(':id')
  get(@Param('id') grantId: string): Promise<GrantView> {
    return this.database.read(async (tx) => this.view(tx, await found(tx, grantId)));
  }

  /** Final, and the same answer however often it is asked for. */
  @Post(':id/revoke')
  @HttpCode(200)
  revoke(
    @Param('id') grantId: string,
    @Body(valid(handRevocation)) { reason }: z.output<typeof handRevocation>,
    @Caller() actor: string,
  ): Promise<GrantView> {
    return this.database.transaction(async (tx) => {
      const grant = await found(tx, grantId, 'for no key update');
      if (!grant.byHand) {
        await revokeByHand(tx, grant.id, { at: await clock(tx), by: actor, reason });
        await appendAudit(tx, [
          {
            actor,
            action: 'grant.revoked_by_hand',
            providerId: grant.providerId,
            subject: grant.id,
            reason,
            sourceEventId: null,
          },
        ]);
      }
      return this.view(tx, await found(tx, grantId));
    });
  }

  /** A grant under a provider that nobody knows would never be revoked by anybody. */
  private async providerFor(tx: Tx, body: z.output<typeof newGrant>): Promise<string> {
    const providerId = await providerOf(tx, this.providers, body);
    if (this.providers.isReady() && this.providers.all().length > 0 && !this.providers.get(providerId)) {
      throw new Problem(400, 'provider_unknown', 'There is no identity provider of that id.');
    }
    return providerId;
  }

  private async view(tx: Tx, grant: Grant): Promise<GrantView> {
    const known = await readScopes(tx, scopesOf(grant));
    return viewOf(grant, standingOf(grant, known, await clock(tx)));
  }
}

const HEADER = { type: 'custom' } as const;
const NOTHING_CLOSED = { stateOf: () => undefined, closingsOf: () => [] };

async function found(tx: Tx, grantId: string, lock?: 'for no key update'): Promise<Grant> {
  const grant = grantId.includes('\0') ? undefined : await readGrant(tx, grantId, lock);
  if (!grant) throw new Problem(404, 'grant_unknown', 'There is no grant of that id.');
  return grant;
}
