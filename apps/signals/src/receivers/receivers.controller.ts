import { randomBytes } from 'node:crypto';
import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { sha256 } from '#platform/api-key.guard.js';
import { Caller } from '#platform/caller.js';
import { Database } from '#platform/database.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { newId } from '../ids.js';
import { insertReceiver, readReceivers, type ReceiverRow, revokeReceiver } from './receivers.sql.js';
import { Signing } from '../sending/signing.js';

export const newReceiverBody = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}$/, 'letters, digits, blank, dot, hyphen and underscore'),
  /** What it expects as `aud`; left out: its id. */
  audience: z
    .string()
    .min(1)
    .max(500)
    .regex(/^[^\p{Cc}]*$/u)
    .optional(),
});

export const receiverView = z.object({
  id: z.string(),
  name: z.string(),
  audience: z.string(),
  created_at: z.string(),
  created_by: z.string(),
  revoked_at: z.string().nullable(),
});
/** The key is shown this once, and kept nowhere. */
export const newReceiverView = receiverView.extend({ key: z.string() });

/** Who may make streams of their own; for administrators. */
@Controller('v1')
export class ReceiversController {
  constructor(
    private readonly database: Database,
    private readonly signing: Signing,
  ) {}

  @Post('receivers')
  async create(
    @Body(valid(newReceiverBody)) { name, audience }: z.output<typeof newReceiverBody>,
    @Caller() actor: string,
  ): Promise<z.infer<typeof newReceiverView>> {
    const key = `rsr_${randomBytes(32).toString('base64url')}`;
    const id = newId('receiver');
    const row = await this.database.transaction((tx) =>
      insertReceiver(tx, { id, name, audience: audience ?? id, sha256: sha256(key), created_by: actor }),
    );
    if (!row) throw new Problem(409, 'receiver_name_taken', 'Another receiver has this name.');
    return { ...viewOf(row), key };
  }

  @Get('receivers')
  async list(): Promise<{ data: z.infer<typeof receiverView>[]; next_cursor: null }> {
    return { data: (await this.database.read(readReceivers)).map(viewOf), next_cursor: null };
  }

  /** Its key is worth nothing from the next request on, and its streams end. */
  @Delete('receivers/:id')
  @HttpCode(204)
  async revoke(@Param('id') id: string): Promise<void> {
    if (id.includes('\0') || !(await this.database.transaction((tx) => revokeReceiver(tx, id)))) {
      throw new Problem(404, 'receiver_unknown', 'There is no receiver of that id.');
    }
  }

  /** Makes a key that signs once everybody has had the time to fetch it. */
  @Post('signing-keys')
  async rotate(): Promise<{ kid: string }> {
    return { kid: await this.signing.rotate() };
  }
}

function viewOf({ id, name, audience, created_at, created_by, revoked_at }: ReceiverRow): z.infer<typeof receiverView> {
  return {
    id,
    name,
    audience,
    created_at: created_at.toISOString(),
    created_by,
    revoked_at: revoked_at?.toISOString() ?? null,
  };
}
