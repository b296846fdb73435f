import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '#platform/database.js';
import { Problem } from '#platform/problem.js';
import { rowsOf } from '#platform/sql.js';
import { valid } from '#platform/validation.js';
import type { ReceiptFacts } from '#proof/receipt.js';
import { checkReceipt } from '#proof/check-receipt.js';
import { ProviderRegistry } from '#providers/registry.js';
import { certificateOf } from '../completeness/completeness.controller.js';
import { providersOf } from '../directory/directory.sql.js';
import { id } from '../scopes/selectors.js';
import { damaged } from './audit-tree.js';
import { prove } from './prove.js';

export const receiptQuery = z.object({
  provider_id: id.optional(),
  /** Of their access within this organization alone. */
  organization_id: id.optional(),
});

@Controller('v1/users/:id/receipt')
export class ProofController {
  constructor(
    private readonly database: Database,
    @Inject(ProviderRegistry) private readonly providers: Pick<ProviderRegistry, 'get'>,
  ) {}

  /** The facts; the portal signs them. */
  @Get()
  async get(
    @Param('id') userId: string,
    @Query(valid(receiptQuery)) query: z.output<typeof receiptQuery>,
  ): Promise<ReceiptFacts> {
    const unknown = new Problem(404, 'user_unknown', 'Nothing is known of a user of that id.');
    if (!id.safeParse(userId).success) throw unknown;
    const facts = await this.database.transaction(async (tx) => {
      // One state of the database for all of it; `now()` is not after it.
      await tx.query('set transaction isolation level repeatable read, read only');
      const [clock] = await rowsOf<{ now: number }>(
        tx,
        `select floor(extract(epoch from now()) * 1000)::float8 as now`,
      );
      const found = (await providersOf(tx, { user_id: userId })).filter(
        (known) => query.provider_id === undefined || known === query.provider_id,
      );
      if (found.length === 0) throw unknown;
      if (found.length > 1) {
        throw new Problem(
          400,
          'provider_required',
          'Several identity providers have a user of that id: give provider_id.',
        );
      }
      const providerId = found[0]!;
      const completeness = await certificateOf(tx, this.providers.get(providerId), providerId, Date.now());
      const person = { providerId, userId, organizationId: query.organization_id ?? null };
      return prove(tx, person, clock!.now, completeness);
    });
    // Whoever signs it relies on it.
    const [problem] = checkReceipt(facts).problems;
    if (problem !== undefined) throw damaged(problem);
    return facts;
  }
}
