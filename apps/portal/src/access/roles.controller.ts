import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { Caller } from '#platform/caller.js';
import { Database } from '#platform/database.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { deleteRole, insertRole, readRoleAssignments, type RoleRow } from './roles.sql.js';
import { recordChange } from '../providers/changes.sql.js';
import { newId } from '../providers/webhook-secret.js';

const role = z.enum(['administrator', 'auditor']);
const text = z
  .string()
  .trim()
  .min(1)
  .max(255)
  .regex(/^[^\p{Cc}]+$/u);

/** Who gets the role: one user, whoever has a verified address, or whoever has a role in an organization. */
export const newRoleBody = z.discriminatedUnion('kind', [
  z.strictObject({ role, provider_id: text, kind: z.literal('user'), value: text }),
  z.strictObject({ role, provider_id: text, kind: z.literal('email'), value: text.toLowerCase().pipe(z.email()) }),
  z.strictObject({
    role,
    provider_id: text,
    kind: z.literal('organization_role'),
    value: text.regex(/^[^/]+\/[^/]+$/, '<organization id>/<role>'),
  }),
]);

export const roleView = z.object({
  id: z.string(),
  role,
  provider_id: z.string(),
  kind: z.enum(['user', 'email', 'organization_role']),
  value: z.string(),
  created_at: z.string(),
  created_by: z.string(),
});

@Controller('v1/role-assignments')
export class RolesController {
  constructor(private readonly database: Database) {}

  /** From their next request on. */
  @Post()
  assign(
    @Body(valid(newRoleBody)) body: z.output<typeof newRoleBody>,
    @Caller() actor: string,
  ): Promise<z.infer<typeof roleView>> {
    return this.database.transaction(async (tx) => {
      const row = await insertRole(tx, { id: newId('role'), ...body, created_by: actor });
      await recordChange(tx, {
        actor,
        action: 'role_assigned',
        providerId: row.provider_id,
        version: null,
        detail: body,
      });
      return viewOf(row);
    });
  }

  @Get()
  async list(): Promise<{ data: z.infer<typeof roleView>[]; next_cursor: null }> {
    const rows = await this.database.read(readRoleAssignments);
    return { data: rows.map(viewOf), next_cursor: null };
  }

  /** Also from their next request on. */
  @Delete(':id')
  @HttpCode(204)
  async withdraw(@Param('id') id: string, @Caller() actor: string): Promise<void> {
    await this.database.transaction(async (tx) => {
      const row = id.includes('\0') ? undefined : await deleteRole(tx, id);
      if (!row) throw new Problem(404, 'role_assignment_unknown', 'There is no role assignment of that id.');
      const { role, provider_id: providerId, kind, value } = row;
      const detail = { role, kind, value };
      await recordChange(tx, { actor, action: 'role_withdrawn', providerId, version: null, detail });
    });
  }
}

const viewOf = (row: RoleRow): z.infer<typeof roleView> => ({ ...row, created_at: row.created_at.toISOString() });
