import { Controller, Get, Inject } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '#platform/database.js';
import { CONFIG, type GrantsConfig } from '../config.js';
import { type CanaryRun, readRuns } from './canary.sql.js';

const runView = z.object({
  at: z.string(),
  accepted_ms: z.number().nullable(),
  refused_ms: z.number().nullable(),
  problem: z.string().nullable(),
});
export const canaryView = z.object({
  /** unknown: nobody has sent one lately. */
  status: z.enum(['refused', 'failing', 'unknown', 'not_configured']),
  last: runView.nullable(),
  /** Of the last hour, from the webhook to the refusal, ms. */
  last_hour: z.object({
    runs: z.int(),
    failed: z.int(),
    p50_ms: z.number().nullable(),
    p99_ms: z.number().nullable(),
    worst_ms: z.number().nullable(),
  }),
});

@Controller('v1/canary')
export class CanaryController {
  constructor(
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: GrantsConfig,
  ) {}

  @Get()
  async canary(): Promise<z.infer<typeof canaryView>> {
    const runs = await this.database.read(readRuns);
    return summary(runs, this.config.canary?.everyMs, Date.now());
  }
}

/** @param everyMs undefined: there is none. */
export function summary(
  runs: readonly CanaryRun[],
  everyMs: number | undefined,
  now: number,
): z.infer<typeof canaryView> {
  const [last] = runs;
  const times = runs.flatMap(({ refusedMs }) => refusedMs ?? []).sort((a, b) => a - b);
  const quantile = (share: number): number | null => times[Math.ceil(times.length * share) - 1] ?? null;
  return {
    status: statusOf(last, everyMs, now),
    last: last ? viewOf(last) : null,
    last_hour: {
      runs: runs.length,
      failed: runs.length - times.length,
      p50_ms: rounded(quantile(0.5)),
      p99_ms: rounded(quantile(0.99)),
      worst_ms: rounded(times.at(-1) ?? null),
    },
  };
}

function statusOf(
  last: CanaryRun | undefined,
  everyMs: number | undefined,
  now: number,
): z.infer<typeof canaryView>['status'] {
  if (everyMs === undefined) return 'not_configured';
  if (!last || now - last.startedAt.getTime() > 3 * everyMs + 30_000) return 'unknown';
  return last.problem === null ? 'refused' : 'failing';
}

const rounded = (ms: number | null): number | null => (ms === null ? null : Math.round(ms * 10) / 10);

function viewOf(run: CanaryRun): z.infer<typeof runView> {
  return {
    at: run.startedAt.toISOString(),
    accepted_ms: rounded(run.acceptedMs),
    refused_ms: rounded(run.refusedMs),
    problem: run.problem,
  };
}
