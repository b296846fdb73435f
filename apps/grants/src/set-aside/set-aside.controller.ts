import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { appendAudit } from '../audit/audit.sql.js';
import { Caller } from '#platform/caller.js';
import { Database } from '#platform/database.js';
import { enqueue } from '../outbox/outbox.sql.js';
import { numberedPageQuery, page } from '../paging.js';
import { plainText } from '../scopes/selectors.js';
import {
  readOneSetAside,
  readSetAside,
  type RedrivenRecord,
  type SetAsideRow,
  takeForRedrive,
} from './set-aside.sql.js';
import type { Tx } from '#platform/sql.js';

export const setAsideQuery = z.object({
  reason: plainText(100).optional(),
  /** waiting: nobody has sent it again. */
  status: z.enum(['waiting', 'redriven']).optional(),
  ...numberedPageQuery,
});
export const redriveRequest = z.strictObject({ reason: plainText(100) });

export const setAsideView = z.object({
  id: z.string(),
  status: z.enum(['waiting', 'redriven']),
  topic: z.string(),
  partition: z.int(),
  offset: z.string(),
  reason: z.string(),
  detail: z.string().nullable(),
  set_aside_at: z.string(),
  redriven_at: z.string().nullable(),
  redriven_by: z.string().nullable(),
});

const CHUNK = 500;

@Controller('v1/set-aside')
export class SetAsideController {
  constructor(private readonly database: Database) {}

  @Get()
  list(@Query(valid(setAsideQuery)) { reason, status, cursor, limit }: z.output<typeof setAsideQuery>) {
    return this.database.read(async (tx) => {
      const waiting = status === undefined ? undefined : status === 'waiting';
      const rows = await readSetAside(tx, { reason, waiting }, { before: cursor?.[0], limit: limit + 1 });
      return page(rows, limit, (row) => [row.seq], viewOf);
    });
  }

  /** All of one reason, in transactions of their own; those that were sent again before are left alone. */
  @Post('redrive')
  @HttpCode(200)
  async redriveAll(
    @Body(valid(redriveRequest)) { reason }: z.output<typeof redriveRequest>,
    @Caller() actor: string,
  ): Promise<{ reason: string; redriven: number }> {
    for (let redriven = 0; ;) {
      const taken = await this.database.transaction((tx) => redrive(tx, { reason, limit: CHUNK }, actor));
      redriven += taken;
      if (taken < CHUNK) return { reason, redriven };
    }
  }

  /** Sends the original bytes again, once; asked again, it answers the same and does nothing. */
  @Post(':id/redrive')
  @HttpCode(200)
  redriveOne(@Param('id') setAsideId: string, @Caller() actor: string): Promise<z.infer<typeof setAsideView>> {
    return this.database.transaction(async (tx) => {
      if (!setAsideId.includes('\0')) {
        await redrive(tx, { id: setAsideId }, actor);
        const row = await readOneSetAside(tx, setAsideId);
        if (row) return viewOf(row);
      }
      throw new Problem(404, 'set_aside_unknown', 'Nothing of that id was set aside.');
    });
  }
}

async function redrive(tx: Tx, which: Parameters<typeof takeForRedrive>[1], actor: string): Promise<number> {
  const taken: RedrivenRecord[] = await takeForRedrive(tx, which, actor);
  await appendAudit(
    tx,
    taken.map(({ id, reason }) => ({
      actor,
      action: 'set_aside.redriven',
      providerId: null,
      subject: id,
      reason,
      sourceEventId: null,
    })),
  );
  await enqueue(tx, taken);
  return taken.length;
}

function viewOf(row: SetAsideRow): z.infer<typeof setAsideView> {
  return {
    id: row.id,
    status: row.redriven_at === null ? 'waiting' : 'redriven',
    topic: row.topic,
    partition: row.partition,
    offset: row.kafka_offset,
    reason: row.reason,
    detail: row.detail,
    set_aside_at: row.set_aside_at.toISOString(),
    redriven_at: row.redriven_at?.toISOString() ?? null,
    redriven_by: row.redriven_by,
  };
}
