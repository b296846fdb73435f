import { Controller, Get, Param, Query } from '@nestjs/common';
import { z } from 'zod';
import { decodeCloudEvent } from '#contracts/cloud-event.js';
import { momentToWire } from '#contracts/moment.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { Database } from '#platform/database.js';
import { numberedPageQuery, page } from '../paging.js';
import { readReceipt, readReceipts, type ReceiptRow } from './receipts.sql.js';
import { id } from '../scopes/selectors.js';

export const eventQuery = z.object({
  provider_id: id.optional(),
  user_id: id.optional(),
  organization_id: id.optional(),
  type: id.optional(),
  ...numberedPageQuery,
});

export const eventView = z.object({
  id: z.string(),
  provider_id: z.string(),
  type: z.string(),
  /** Whether events like this one change who has access; shadow: it would, were its provider enforced. */
  outcome: z.enum(['applied', 'no_effect', 'unknown_type', 'shadow']),
  user_id: z.string().nullable(),
  organization_id: z.string().nullable(),
  occurred_at: z.string().nullable(),
  received_at: z.string().nullable(),
  applied_at: z.string(),
  topic: z.string(),
  partition: z.int(),
  offset: z.string(),
});
/** With what WorkOS said. */
export const eventWithBody = eventView.extend({ event: z.unknown() });

@Controller('v1/events')
export class EventsController {
  constructor(private readonly database: Database) {}

  @Get()
  list(@Query(valid(eventQuery)) { cursor, limit, ...filter }: z.output<typeof eventQuery>) {
    return this.database.read(async (tx) => {
      const rows = await readReceipts(tx, filter, { before: cursor?.[0], limit: limit + 1 });
      return page(rows, limit, (row) => [row.seq], viewOf);
    });
  }

  @Get(':id')
  async get(
    @Param('id') eventId: string,
    @Query(valid(z.object({ provider_id: id.optional() }))) query: { provider_id?: string | undefined },
  ): Promise<z.infer<typeof eventWithBody>> {
    const receipt = id.safeParse(eventId).success
      ? await this.database.read((tx) => readReceipt(tx, eventId, query.provider_id))
      : undefined;
    if (!receipt) throw new Problem(404, 'event_unknown', 'No event of that id has come in.');
    return { ...viewOf(receipt), event: decodeCloudEvent(receipt.value).data };
  }
}

function viewOf(row: ReceiptRow): z.infer<typeof eventView> {
  return {
    id: row.event_id,
    provider_id: row.provider_id,
    type: row.type,
    outcome: row.outcome,
    user_id: row.user_id,
    organization_id: row.organization_id,
    occurred_at: row.occurred_at === null ? null : momentToWire(row.occurred_at),
    received_at: row.received_at?.toISOString() ?? null,
    applied_at: row.applied_at.toISOString(),
    topic: row.topic,
    partition: row.partition,
    offset: row.kafka_offset,
  };
}
