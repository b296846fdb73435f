import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import { Public } from '#platform/api-key.guard.js';
import { Database } from '#platform/database.js';
import { canSignIn } from './auth-kit.js';
import { readProviders } from '../providers/identity-providers.sql.js';

export const signInProviderView = z.object({ id: z.string(), name: z.string() });

/** What the page offers to somebody who is not signed in yet. */
@Public()
@Controller('auth/providers')
export class SignInProvidersController {
  constructor(private readonly database: Database) {}

  @Get()
  async list(): Promise<{ data: z.infer<typeof signInProviderView>[]; next_cursor: null }> {
    const rows = await this.database.read(readProviders);
    const data = rows.filter(canSignIn).map(({ id, settings }) => ({ id, name: settings.name }));
    return { data, next_cursor: null };
  }
}
