import { Controller, Get, Query } from '@nestjs/common';
import { z } from 'zod';
import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { type Moment, momentToWire } from '#contracts/moment.js';
import { Database } from '#platform/database.js';
import type { Tx } from '#platform/sql.js';
import { valid } from '#platform/validation.js';
import { ProviderRegistry } from '#providers/registry.js';
import { numberedPageQuery, page } from '../paging.js';
import { id } from '../scopes/selectors.js';
import { hasTail } from '../tail/tail.js';
import { type Certificate, certify } from './certificate.js';
import { type MissedRow, readEvidence, readMissed } from './completeness.sql.js';

export const certificateView = z.object({
  provider_id: z.string(),
  /** Everything that happened at WorkOS from then on, by WorkOS's clock, … */
  complete_from: z.string().nullable(),
  /** … until then has been applied here, or was set aside and is counted as not applied. */
  complete_up_to: z.string().nullable(),
  checked_at: z.string().nullable(),
  status: z.enum(['complete', 'behind', 'unknown', 'not_configured']),
  /** For a person. */
  problem: z.string().optional(),
});

export const missedWebhookQuery = z.object({ provider_id: id.optional(), ...numberedPageQuery });
export const missedWebhookView = z.object({
  provider_id: z.string(),
  event_id: z.string(),
  type: z.string(),
  user_id: z.string().nullable(),
  organization_id: z.string().nullable(),
  occurred_at: z.string().nullable(),
  repaired_at: z.string(),
  /** From WorkOS's own time of the event to its being applied here. */
  late_by_ms: z.int().nullable(),
  /** It came later all the same. */
  webhook_arrived_at: z.string().nullable(),
});

@Controller('v1')
export class CompletenessController {
  constructor(
    private readonly database: Database,
    private readonly providers: ProviderRegistry,
  ) {}

  @Get('completeness')
  async completeness(): Promise<{ data: z.infer<typeof certificateView>[] }> {
    const evidence = await this.database.read(readEvidence);
    const now = Date.now();
    return {
      data: this.providers
        .all()
        .map((provider) => certificateViewOf(provider.id, certify(evidence.get(provider.id), hasTail(provider), now))),
    };
  }

  @Get('missed-webhooks')
  missed(@Query(valid(missedWebhookQuery)) { provider_id, cursor, limit }: z.output<typeof missedWebhookQuery>) {
    return this.database.read(async (tx) => {
      const rows = await readMissed(tx, provider_id, { before: cursor?.[0], limit: limit + 1 });
      return page(rows, limit, (row) => [row.seq], missedViewOf);
    });
  }
}

/** The certificate of one provider, of the moment of `tx`. */
export async function certificateOf(
  tx: Tx,
  provider: IdentityProviderData | undefined,
  providerId: string,
  now: Moment,
): Promise<Omit<z.infer<typeof certificateView>, 'provider_id'>> {
  const evidence = await readEvidence(tx);
  return termsOf(certify(evidence.get(providerId), provider !== undefined && hasTail(provider), now));
}

const certificateViewOf = (providerId: string, certificate: Certificate): z.infer<typeof certificateView> => ({
  provider_id: providerId,
  ...termsOf(certificate),
});

function termsOf(certificate: Certificate): Omit<z.infer<typeof certificateView>, 'provider_id'> {
  const { completeFrom, completeUpTo, checkedAt, status, problem } = certificate;
  return {
    complete_from: completeFrom === undefined ? null : momentToWire(completeFrom),
    complete_up_to: completeUpTo === undefined ? null : momentToWire(completeUpTo),
    checked_at: checkedAt === undefined ? null : momentToWire(checkedAt),
    status,
    ...(problem === undefined ? {} : { problem }),
  };
}

function missedViewOf(row: MissedRow): z.infer<typeof missedWebhookView> {
  return {
    provider_id: row.provider_id,
    event_id: row.event_id,
    type: row.type,
    user_id: row.user_id,
    organization_id: row.organization_id,
    occurred_at: row.occurred_at === null ? null : momentToWire(row.occurred_at),
    repaired_at: row.applied_at.toISOString(),
    late_by_ms: row.occurred_at === null ? null : Math.round(row.applied_at.getTime() - row.occurred_at),
    webhook_arrived_at: row.webhook_at?.toISOString() ?? null,
  };
}
