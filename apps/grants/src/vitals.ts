import type { KafkaBatchServer } from '#kafka/batch-server.js';
import type { Logger } from '#platform/logging.js';
import { BackgroundLoop } from './background-loop.js';
import { forgetIdempotencyKeys } from './grants/create-grant.js';
import type { Database } from '#platform/database.js';
import type { GrantsMetrics } from './grants-metrics.js';
import type { Leader } from '#platform/leader.js';
import { countPausedTrips, forgetGuardClosings } from './guard/guard.sql.js';
import { countMarkingJobs } from './marking/marking-jobs.sql.js';
import { outboxAge } from './outbox/outbox.sql.js';
import { countWaiting } from './set-aside/set-aside.sql.js';

const EVERY_MS = 2_000;
const FORGET_EVERY_MS = 3_600_000;

/** What is looked at now and then: for metrics, and for whoever asks whether this process is well. */
export class Vitals extends BackgroundLoop {
  private outbox = { seconds: 0, rows: 0 };
  private jobs = 0;
  private lag: Record<string, number> = {};

  constructor(
    database: Database,
    private readonly server: KafkaBatchServer,
    private readonly leader: Leader,
    metrics: GrantsMetrics,
    logger: Logger,
  ) {
    let forgotAt = 0;
    super('take the vital signs', EVERY_MS, logger, async () => {
      const [outbox, waiting, jobs, pausedTrips] = await database.read(async (tx) => [
        await outboxAge(tx),
        await countWaiting(tx),
        await countMarkingJobs(tx),
        await countPausedTrips(tx),
      ]);
      this.outbox = outbox;
      this.jobs = jobs;
      metrics.observed({ outbox, waiting, jobs, pausedTrips, leading: leader.state === 'leader' });
      if (Date.now() - forgotAt > FORGET_EVERY_MS) {
        await database.transaction(forgetIdempotencyKeys);
        await database.transaction(forgetGuardClosings);
        forgotAt = Date.now();
      }
      for (const [topic, partitions] of Object.entries(await server.lag())) {
        const records = Object.values(partitions).reduce((sum, lag) => sum + Number(lag), 0);
        this.lag[topic] = records;
        metrics.lagging(topic, records);
      }
      return false;
    });
  }

  /** For `/health/ready`. */
  facts(): Record<string, unknown> {
    return {
      relay: this.leader.state,
      outbox: { age_seconds: Math.round(this.outbox.seconds * 1000) / 1000, rows: this.outbox.rows },
      marking_jobs: this.jobs,
      lag: this.lag,
      assignment: this.server.assignment(),
    };
  }
}
