import { Controller, Get, Query } from '@nestjs/common';
import { z } from 'zod';
import { valid } from '#platform/validation.js';
import { type AuditRow, readAudit } from './audit.sql.js';
import { Database } from '#platform/database.js';
import { numberedPageQuery, page } from './paging.js';
import { plainText } from './selectors.js';

export const auditQuery = z.object({
  /** A scope key, a grant's id, … */
  subject: plainText(1_000).optional(),
  source_event_id: plainText(255).optional(),
  provider_id: plainText(255).optional(),
  ...numberedPageQuery,
});

export const auditView = z.object({
  id: z.string(),
  at: z.string(),
  actor: z.string(),
  action: z.string(),
  provider_id: z.string().nullable(),
  subject: z.string(),
  reason: z.string().nullable(),
  source_event_id: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()).nullable(),
  /** Place and hash in the chain; null until it is sealed, which takes moments. */
  seq: z.string().nullable(),
  hash: z.string().nullable(),
});

@Controller('v1/audit')
export class AuditController {
  constructor(private readonly database: Database) {}

  @Get()
  list(@Query(valid(auditQuery)) { cursor, limit, ...filter }: z.output<typeof auditQuery>) {
    return this.database.read(async (tx) => {
      const rows = await readAudit(tx, filter, { before: cursor?.[0], limit: limit + 1 });
      return page(rows, limit, (row) => [row.id], viewOf);
    });
  }
}

function viewOf(row: AuditRow): z.infer<typeof auditView> {
  return { ...row, at: row.at.toISOString(), hash: row.hash?.toString('hex') ?? null };
}
