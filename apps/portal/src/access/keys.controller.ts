import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { API_KEY_SCOPES } from '#contracts/api-key.js';
import { ApiKeys, sha256 } from '#platform/api-key.guard.js';
import { Caller } from '#platform/caller.js';
import { Database } from '#platform/database.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { newApiKey } from './keys.js';
import { type ApiKeyRow, insertApiKey, readApiKeys, revokeApiKey } from './keys.sql.js';
import { ApiKeyUses } from './key-uses.js';
import { recordChange } from '../providers/changes.sql.js';
import { newId } from '../providers/webhook-secret.js';

export const newApiKeyBody = z.strictObject({
  /** It goes into the audit, so that it may look like nobody else: `portal`, `workos`, `Ada <ada@…>`. */
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}$/, 'letters, digits, blank, dot, hyphen and underscore'),
  scopes: z.array(z.enum(API_KEY_SCOPES)).min(1),
});

export const apiKeyView = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(API_KEY_SCOPES)),
  created_at: z.string(),
  created_by: z.string(),
  /** To the minute; null: never. */
  last_used_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
});
/** The key itself is shown this once, and kept nowhere. */
export const newApiKeyView = apiKeyView.extend({ api_key: z.string() });

/** Names that the audit uses for what is no API key. */
const RESERVED = ['portal', 'workos', 'providers-file', 'first-administrator'];

@Controller('v1/api-keys')
export class ApiKeysController {
  constructor(
    private readonly database: Database,
    @Inject(ApiKeys) private readonly configured: ApiKeys,
    @Inject(ApiKeyUses) private readonly uses: ApiKeyUses,
  ) {}

  @Post()
  async create(
    @Body(valid(newApiKeyBody)) { name, scopes }: z.output<typeof newApiKeyBody>,
    @Caller() actor: string,
  ): Promise<z.infer<typeof newApiKeyView>> {
    if (RESERVED.includes(name.toLowerCase()) || this.configured.hasName(name)) {
      throw new Problem(409, 'api_key_name_taken', 'This name stands for somebody else in the audit.');
    }
    const apiKey = newApiKey();
    const row = await this.database.transaction(async (tx) => {
      const key = { id: newId('key'), name, scopes: [...new Set(scopes)], sha256: sha256(apiKey), createdBy: actor };
      const inserted = await insertApiKey(tx, key);
      const detail = { api_key_id: key.id, name, scopes: key.scopes };
      await recordChange(tx, { actor, action: 'api_key_created', providerId: null, version: null, detail });
      return inserted;
    });
    return { ...this.viewOf(row), api_key: apiKey };
  }

  @Get()
  async list(): Promise<{ data: z.infer<typeof apiKeyView>[]; next_cursor: null }> {
    const rows = await this.database.read(readApiKeys);
    return { data: rows.map((row) => this.viewOf(row)), next_cursor: null };
  }

  /** The services follow within moments; at the portal it is worth nothing from the next request on. */
  @Delete(':id')
  @HttpCode(204)
  async revoke(@Param('id') id: string, @Caller() actor: string): Promise<void> {
    await this.database.transaction(async (tx) => {
      const revoked = id.includes('\0') ? undefined : await revokeApiKey(tx, id);
      if (!revoked) throw new Problem(404, 'api_key_unknown', 'There is no API key of that id.');
      if (revoked.name === undefined) return;
      const detail = { api_key_id: id, name: revoked.name };
      await recordChange(tx, { actor, action: 'api_key_revoked', providerId: null, version: null, detail });
    });
  }

  private viewOf(row: ApiKeyRow): z.infer<typeof apiKeyView> {
    const { id, name, scopes, created_at, created_by, revoked_at } = row;
    const uses = [row.last_used_at?.toISOString(), this.uses.lastUseOf(id)].filter((at) => at !== undefined);
    return {
      id,
      name,
      scopes,
      created_at: created_at.toISOString(),
      created_by,
      last_used_at: uses.sort().at(-1) ?? null,
      revoked_at: revoked_at?.toISOString() ?? null,
    };
  }
}
