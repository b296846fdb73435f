import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { Caller } from '#platform/caller.js';
import { Database } from '#platform/database.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { ProviderRegistry } from '#providers/registry.js';
import { appendAudit } from '../audit/audit.sql.js';
import { numberedPageQuery, page } from '../paging.js';
import { id } from '../scopes/selectors.js';
import { hasTail } from '../tail/tail.js';
import { DIFFERENCES } from './differences.js';
import {
  type DifferenceRow,
  finishRun,
  PHASES,
  readDifferences,
  readRun,
  readRuns,
  type RunRow,
} from './reconciliation.sql.js';
import { requestRun } from './requests.js';

export const reconciliationRequest = z.strictObject({
  provider_id: id,
  /** Only reports. */
  dry_run: z.boolean().default(true),
  /** A run that would close more than this stops before it closes any. Default: 5 % of the known people, at least 50. */
  max_closings: z.number().int().min(0).max(10_000_000).optional(),
});
const STATUSES = ['running', 'done', 'cancelled', 'stopped', 'failed'] as const;
export const reconciliationQuery = z.object({
  provider_id: id.optional(),
  status: z.enum(STATUSES).optional(),
  ...numberedPageQuery,
});
export const differenceQuery = z.object({ kind: z.enum(DIFFERENCES).optional(), ...numberedPageQuery });

export const reconciliationView = z.object({
  id: z.string(),
  provider_id: z.string(),
  dry_run: z.boolean(),
  max_closings: z.int(),
  status: z.enum(STATUSES),
  problem: z.string().nullable(),
  requested_by: z.string(),
  requested_at: z.string(),
  finished_at: z.string().nullable(),
  progress: z.object({
    phase: z.enum(PHASES),
    organizations_seen: z.int(),
    users_seen: z.int(),
    memberships_seen: z.int(),
    sessions_seen: z.int(),
    repaired: z.int(),
  }),
  /** kind → how many. */
  differences: z.record(z.string(), z.int()),
});

export const differenceView = z.object({
  kind: z.enum(DIFFERENCES),
  user_id: z.string().nullable(),
  organization_id: z.string().nullable(),
  session_id: z.string().nullable(),
  detail: z.string().nullable(),
  /** Of the event that repairs it. Null: a warning, or merely unknown here. */
  event_id: z.string().nullable(),
  repaired_at: z.string().nullable(),
});

@Controller('v1/reconciliations')
export class ReconciliationController {
  constructor(
    private readonly database: Database,
    private readonly providers: ProviderRegistry,
  ) {}

  /** Answers at once; `GET /v1/reconciliations/<id>` tells how it goes. */
  @Post()
  @HttpCode(202)
  async request(
    @Body(valid(reconciliationRequest)) request: z.output<typeof reconciliationRequest>,
    @Caller() requestedBy: string,
  ): Promise<{ id: string }> {
    const provider = this.providers.get(request.provider_id);
    if (!provider) throw new Problem(404, 'provider_unknown', 'There is no identity provider of that id.');
    if (!hasTail(provider)) {
      throw new Problem(
        409,
        'api_key_missing',
        'Give the provider an API key first: PATCH /v1/identity-providers/<id>.',
      );
    }
    const run = await this.database.transaction((tx) =>
      requestRun(tx, {
        providerId: provider.id,
        dryRun: request.dry_run,
        maxClosings: request.max_closings,
        requestedBy,
      }),
    );
    if (!run) {
      throw new Problem(409, 'reconciliation_running', 'One of that provider is under way: wait for it, or cancel it.');
    }
    return { id: run.id };
  }

  @Get()
  list(@Query(valid(reconciliationQuery)) { cursor, limit, ...filter }: z.output<typeof reconciliationQuery>) {
    return this.database.read(async (tx) => {
      const rows = await readRuns(tx, filter, { before: cursor?.[0], limit: limit + 1 });
      return page(rows, limit, (row) => [row.seq], viewOf);
    });
  }

  @Get(':id')
  async get(@Param('id') runId: string): Promise<z.infer<typeof reconciliationView>> {
    return viewOf(await this.require(runId));
  }

  @Get(':id/differences')
  async differences(
    @Param('id') runId: string,
    @Query(valid(differenceQuery)) { kind, cursor, limit }: z.output<typeof differenceQuery>,
  ) {
    const run = await this.require(runId);
    return this.database.read(async (tx) => {
      const rows = await readDifferences(tx, run.id, { kind }, { after: cursor?.[0], limit: limit + 1 });
      return page(rows, limit, (row) => [row.seq], differenceViewOf);
    });
  }

  /** What is repaired by then stays so. */
  @Post(':id/cancel')
  @HttpCode(200)
  async cancel(@Param('id') runId: string, @Caller() actor: string): Promise<z.infer<typeof reconciliationView>> {
    const run = await this.require(runId);
    const ended = await this.database.transaction(async (tx) => {
      const cancelled = await finishRun(tx, run.id, 'cancelled');
      if (cancelled) {
        await appendAudit(tx, [
          {
            actor,
            action: 'reconciliation.cancelled',
            providerId: run.provider_id,
            subject: run.id,
            reason: null,
            sourceEventId: null,
          },
        ]);
      }
      return cancelled ?? (await readRun(tx, run.id))!;
    });
    return viewOf(ended);
  }

  private async require(runId: string): Promise<RunRow> {
    const run = id.safeParse(runId).success ? await this.database.read((tx) => readRun(tx, runId)) : undefined;
    if (!run) throw new Problem(404, 'reconciliation_unknown', 'There is no reconciliation of that id.');
    return run;
  }
}

function viewOf(row: RunRow): z.infer<typeof reconciliationView> {
  const n = (what: string): number => row.progress[what] ?? 0;
  return {
    id: row.id,
    provider_id: row.provider_id,
    dry_run: row.dry_run,
    max_closings: row.max_closings,
    status: row.status,
    problem: row.problem,
    requested_by: row.requested_by,
    requested_at: row.requested_at.toISOString(),
    finished_at: row.finished_at?.toISOString() ?? null,
    progress: {
      phase: row.phase,
      organizations_seen: n('organizations_seen'),
      users_seen: n('users_seen'),
      memberships_seen: n('memberships_seen'),
      sessions_seen: n('sessions_seen'),
      repaired: n('repaired'),
    },
    differences: Object.fromEntries(DIFFERENCES.filter((kind) => n(kind) > 0).map((kind) => [kind, n(kind)])),
  };
}

function differenceViewOf(row: DifferenceRow): z.infer<typeof differenceView> {
  return {
    kind: row.kind,
    user_id: row.user_id,
    organization_id: row.organization_id,
    session_id: row.session_id,
    detail: row.detail,
    event_id: row.event?.id ?? null,
    repaired_at: row.repaired_at?.toISOString() ?? null,
  };
}
