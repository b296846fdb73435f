import { Controller, Get, Query } from '@nestjs/common';
import { z } from 'zod';
import { momentToWire, NEVER } from '#contracts/moment.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import type { ScopeState } from '#revocation/scope-state.js';

export const scopeQuery = z.object({ scope: z.string().min(1).max(1_000) });
export const scopeView = z.object({
  scope: z.string(),
  closed_at: z.string().nullable(),
  opened_at: z.string().nullable(),
  tokens_before: z.string().nullable(),
});

/** What this replica refuses by. */
export abstract class KnownScopes {
  abstract stateOf(key: string): Pick<ScopeState, 'closedAt' | 'openedAt' | 'tokensBefore'> | undefined;
  /** Why the view may lack something; undefined where it does not. */
  abstract problem(): string | undefined;
}

@Controller('v1/scopes')
export class ScopesController {
  constructor(private readonly known: KnownScopes) {}

  /** The state of one scope in the memory of this replica, for people and for the canary. */
  @Get()
  state(@Query(valid(scopeQuery)) { scope }: z.output<typeof scopeQuery>): z.infer<typeof scopeView> {
    const problem = this.known.problem();
    if (problem !== undefined) {
      throw new Problem(503, 'view_stale', problem, { headers: { 'retry-after': '1' } });
    }
    const state = this.known.stateOf(scope);
    return {
      scope,
      closed_at: momentToWire(state?.closedAt ?? NEVER),
      opened_at: momentToWire(state?.openedAt ?? NEVER),
      tokens_before: momentToWire(state?.tokensBefore ?? NEVER),
    };
  }
}
