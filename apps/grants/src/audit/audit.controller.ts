import { Controller, Get, Query } from '@nestjs/common';
import { z } from 'zod';
import { valid } from '#platform/validation.js';
import { type AuditRow, readAudit, readAuditOfPerson } from './audit.sql.js';
import { providersOf } from '../directory/directory.sql.js';
import type { Tx } from '#platform/sql.js';
import { Database } from '#platform/database.js';
import { numberedPageQuery, page } from '../paging.js';
import { plainText } from '../scopes/selectors.js';

export const auditQueryFields = z.object({
  /** A scope key, a grant's id, … */
  subject: plainText(1_000).optional(),
  source_event_id: plainText(255).optional(),
  provider_id: plainText(255).optional(),
  /** All that was done to somebody, through whatever of theirs; the two above do not go with it. */
  user_id: plainText(255).optional(),
  ...numberedPageQuery,
});

export const auditQuery = auditQueryFields.refine(
  ({ user_id, subject, source_event_id }) =>
    user_id === undefined || (subject === undefined && source_event_id === undefined),
  'give user_id, or subject and source_event_id',
);

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
      const wanted = { before: cursor?.[0], limit: limit + 1 };
      const rows =
        filter.user_id === undefined
          ? await readAudit(tx, filter, wanted)
          : await readAuditOfPerson(tx, await personOf(tx, filter.user_id, filter.provider_id), wanted);
      return page(rows, limit, (row) => [row.id], viewOf);
    });
  }
}

async function personOf(tx: Tx, userId: string, providerId: string | undefined) {
  const providerIds = providerId === undefined ? await providersOf(tx, { user_id: userId }) : [providerId];
  return { userId, providerIds };
}

function viewOf(row: AuditRow): z.infer<typeof auditView> {
  return { ...row, at: row.at.toISOString(), hash: row.hash?.toString('hex') ?? null };
}
