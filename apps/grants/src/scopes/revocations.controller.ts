import { Body, Controller, Get, HttpCode, Inject, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { revocationData } from '#contracts/revocation.js';
import { valid } from '#platform/validation.js';
import { ProviderRegistry } from '#providers/registry.js';
import { Caller } from '#platform/caller.js';
import { CONFIG, type GrantsConfig } from '../config.js';
import { Database } from '#platform/database.js';
import { BY_EVENT } from '../grants/grant-view.js';
import { MarkingWorker } from '../marking/marking-worker.js';
import { numberedPageQuery, page } from '../paging.js';
import { reinstateScope, type RevokedScope, revokeScope } from './revoke-scope.js';
import { readRevocations, type RevocationRow } from './revocations.sql.js';
import { id, ONE_SCOPE, plainText, providerOf, scopeOf, scopeSelector, selectsOneScope } from './selectors.js';

export const revocationRequest = z
  .strictObject({ ...scopeSelector, reason: plainText(200), dry_run: z.boolean().default(false) })
  .refine(selectsOneScope, ONE_SCOPE);
export const reinstatementRequest = z
  .strictObject({ ...scopeSelector, reason: plainText(200) })
  .refine(selectsOneScope, ONE_SCOPE);
export const revocationQuery = z.object({
  provider_id: id.optional(),
  user_id: id.optional(),
  organization_id: id.optional(),
  ...numberedPageQuery,
});

export const revocationView = revocationData.extend({
  id: z.string(),
  actor: z.string(),
  announced_at: z.string(),
});

@Controller('v1')
export class RevocationsController {
  constructor(
    private readonly database: Database,
    @Inject(ProviderRegistry) private readonly providers: Pick<ProviderRegistry, 'all'>,
    @Inject(CONFIG) private readonly config: Pick<GrantsConfig, 'marking'>,
    private readonly marking: MarkingWorker,
  ) {}

  @Post('revocations')
  @HttpCode(200)
  async revoke(
    @Body(valid(revocationRequest)) body: z.output<typeof revocationRequest>,
    @Caller() actor: string,
  ): Promise<Omit<RevokedScope, 'deferred'>> {
    const { deferred, ...revoked } = await this.database.transaction(async (tx) => {
      const scope = scopeOf(await providerOf(tx, this.providers, body), body);
      return revokeScope(tx, scope, { actor, reason: body.reason, dryRun: body.dry_run }, this.config.marking);
    });
    if (deferred) this.marking.wake();
    return revoked;
  }

  @Post('reinstatements')
  @HttpCode(200)
  reinstate(
    @Body(valid(reinstatementRequest)) body: z.output<typeof reinstatementRequest>,
    @Caller() actor: string,
  ): Promise<object> {
    return this.database.transaction(async (tx) => {
      const scope = scopeOf(await providerOf(tx, this.providers, body), body);
      return reinstateScope(tx, scope, { actor, reason: body.reason }, this.config.marking);
    });
  }

  @Get('revocations')
  list(@Query(valid(revocationQuery)) { cursor, limit, ...filter }: z.output<typeof revocationQuery>) {
    return this.database.read(async (tx) => {
      const rows = await readRevocations(tx, filter, { before: cursor?.[0], limit: limit + 1 });
      return page(rows, limit, (row) => [row.id], viewOf);
    });
  }
}

function viewOf({ id, actor, data, announced_at }: RevocationRow): z.infer<typeof revocationView> {
  return { ...data, id: `revocation_${id}`, actor: actor ?? BY_EVENT, announced_at: announced_at.toISOString() };
}
