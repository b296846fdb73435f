import { Controller, Get, Query } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '#platform/database.js';
import { valid } from '#platform/validation.js';
import { readChanges } from './changes.sql.js';

export const changeQuery = z.strictObject({
  provider_id: z
    .string()
    .max(255)
    .refine((id) => !id.includes('\0'), 'is no id')
    .optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z
    .string()
    .regex(/^\d{1,18}$/, 'must be a next_cursor of this list')
    .optional(),
});

export const changeView = z.object({
  id: z.string(),
  at: z.string(),
  /** The name of an API key; `providers-file`; or `portal`. */
  actor: z.string(),
  action: z.string(),
  provider_id: z.string().nullable(),
  /** The version of the provider that it made. */
  version: z.int().nullable(),
  detail: z.record(z.string(), z.unknown()).nullable(),
});

@Controller('v1/audit')
export class ChangesController {
  constructor(private readonly database: Database) {}

  /** Who changed which provider, newest first. */
  @Get()
  async list(
    @Query(valid(changeQuery)) { provider_id, limit, cursor }: z.output<typeof changeQuery>,
  ): Promise<{ data: z.output<typeof changeView>[]; next_cursor: string | null }> {
    const rows = await this.database.read((tx) =>
      readChanges(tx, { providerId: provider_id }, { before: cursor, limit: limit + 1 }),
    );
    const shown = rows.slice(0, limit);
    return {
      data: shown.map((row) => ({ ...row, at: row.at.toISOString() })),
      next_cursor: rows.length > limit ? shown.at(-1)!.id : null,
    };
  }
}
