import { Controller, Get, Query } from '@nestjs/common';
import { z } from 'zod';
import { momentToWire } from '#contracts/moment.js';
import { valid } from '#platform/validation.js';
import { Database } from '#platform/database.js';
import { numberedPageQuery, page } from '../paging.js';
import { id } from '../scopes/selectors.js';
import { readShadowRevocations, type ShadowRow } from './shadow.sql.js';

export const shadowQuery = z.object({ provider_id: id.optional(), ...numberedPageQuery });

export const shadowView = z.object({
  id: z.string(),
  provider_id: z.string(),
  scope: z.string(),
  user_id: z.string().nullable(),
  organization_id: z.string().nullable(),
  session_id: z.string().nullable(),
  /** When it would have been closed; null where tokens alone would have ended. */
  closed_at: z.string().nullable(),
  tokens_before: z.string().nullable(),
  reason: z.string(),
  source_event_id: z.string(),
  occurred_at: z.string(),
  recorded_at: z.string(),
  /** Grants that would be void by it and are not, counted up to 1,000. */
  grants: z.int(),
  /** When the event was sent again, since the provider is enforced; null: it is not. */
  sent_again_at: z.string().nullable(),
});

@Controller('v1/shadow-revocations')
export class ShadowRevocationsController {
  constructor(private readonly database: Database) {}

  @Get()
  list(@Query(valid(shadowQuery)) { cursor, limit, ...filter }: z.output<typeof shadowQuery>) {
    return this.database.read(async (tx) => {
      const rows = await readShadowRevocations(tx, filter, { before: cursor?.[0], limit: limit + 1 });
      return page(rows, limit, (row) => [row.id], viewOf);
    });
  }
}

function viewOf(row: ShadowRow): z.infer<typeof shadowView> {
  return {
    id: row.id,
    provider_id: row.provider_id,
    scope: row.scope_key,
    user_id: row.user_id,
    organization_id: row.organization_id,
    session_id: row.session_id,
    closed_at: momentToWire(row.closed_at),
    tokens_before: momentToWire(row.tokens_before),
    reason: row.reason,
    source_event_id: row.source_event_id,
    occurred_at: momentToWire(row.occurred_at)!,
    recorded_at: row.recorded_at.toISOString(),
    grants: row.grants,
    sent_again_at: row.sent_again_at?.toISOString() ?? null,
  };
}
