import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { z } from 'zod';
import { Permits } from '#platform/api-key.guard.js';
import { valid } from '#platform/validation.js';
import { ProviderRegistry } from '#providers/registry.js';
import { type AccessAnswer, checkAccess } from './check-access.js';
import { Database } from '#platform/database.js';
import { id, plainText, providerOf } from '../scopes/selectors.js';

export const accessQuestion = z.strictObject({
  provider_id: id.optional(),
  user_id: id,
  organization_id: id.optional(),
  session_id: id.optional(),
  resource: plainText(500),
  scope: plainText(200),
});

@Permits('auditor', 'verify', 'grants:write')
@Controller('v1/access')
export class AccessController {
  constructor(
    private readonly database: Database,
    @Inject(ProviderRegistry) private readonly providers: Pick<ProviderRegistry, 'all'>,
  ) {}

  @Post('check')
  @HttpCode(200)
  check(@Body(valid(accessQuestion)) question: z.output<typeof accessQuestion>): Promise<AccessAnswer> {
    return this.database.read(async (tx) => {
      const providerId = await providerOf(tx, this.providers, question);
      return checkAccess(tx, {
        providerId,
        userId: question.user_id,
        organizationId: question.organization_id,
        sessionId: question.session_id,
        resource: question.resource,
        scope: question.scope,
      });
    });
  }
}
