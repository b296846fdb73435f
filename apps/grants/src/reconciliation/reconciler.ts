import { setTimeout as delay } from 'node:timers/promises';
import { CLOUD_EVENT_HEADERS } from '#contracts/cloud-event.js';
import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { TOPICS } from '#contracts/topics.js';
import { encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { backOffMs } from '#platform/until-done.js';
import type { ProviderRegistry } from '#providers/registry.js';
import { type Page, type WorkOSApi, WorkOSApiError, type WorkOSObject } from '#workos/api-client.js';
import { hasTail } from '../tail/tail.js';
import type { Difference, RepairEvent } from './differences.js';
import {
  countClosings,
  finishRun,
  insertDifferences,
  insertSeen,
  markRepaired,
  moveRun,
  readRepairs,
  readRunning,
  type Run,
} from './reconciliation.sql.js';
import { LookAhead } from './look-ahead.js';
import { type ReconciliationSettings, requestDueRuns } from './requests.js';
import { counted, type Step, takeStep } from './steps.js';

export interface ReconcilerParts {
  database: Database;
  providers: Pick<ProviderRegistry, 'all' | 'get'>;
  publisher: Pick<BatchPublisher, 'publish'>;
  apiOf: (provider: IdentityProviderData) => WorkOSApi;
  settings: ReconciliationSettings;
  logger: Logger;
}

const LOOK_EVERY_MS = 500;
const SCHEDULE_EVERY_MS = 60_000;
const LONGEST_REST_MS = 60_000;
const REPAIRS_A_STEP = 500;
/** Of what is merely unknown here, a report names no more than this. */
export const MOST_UNKNOWN_NAMED = 1_000;

/**
 * Compares what WorkOS lists with what we know, one run at a time, one replica at a time. Each step is kept as soon as it is
 * done, so whoever comes next goes on from there; a step that is done twice finds the same and publishes the same events.
 */
export class Reconciler {
  private nextRequestAt = 0;
  /** Of the run and the phase that is being worked on. */
  private readonly ahead = new LookAhead<Page<WorkOSObject> | undefined>();
  private aheadIn = '';

  constructor(private readonly parts: ReconcilerParts) {}

  async lead(signal: AbortSignal): Promise<void> {
    const { database, logger, settings, providers } = this.parts;
    this.ahead.forget();
    let scheduleAt = 0;
    for (let failures = 0; !signal.aborted;) {
      let waitMs = 0;
      let run: Run | undefined;
      try {
        if (settings.everyMs > 0 && Date.now() >= scheduleAt) {
          scheduleAt = Date.now() + SCHEDULE_EVERY_MS;
          const due = providers.all().filter(hasTail);
          await database.transaction((tx) => requestDueRuns(tx, due, settings));
        }
        [run] = await database.read(readRunning);
        if (run) await this.advance(run, signal);
        else waitMs = LOOK_EVERY_MS;
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.ahead.forget();
        const refusal = error instanceof WorkOSApiError ? error : undefined;
        if (run && refusal && !refusal.retryable) {
          const { id } = run;
          await database
            .transaction((tx) => finishRun(tx, id, 'failed', `WorkOS answered ${refusal.status} to ${refusal.path}`))
            .catch(() => undefined);
        }
        waitMs = refusal?.retryAfterMs ?? Math.min(LONGEST_REST_MS, backOffMs(failures));
        logger.warn({ err: error, reconciliation: run?.id, next_try_in_ms: waitMs }, 'could not compare');
      }
      if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** One step; all of it is kept, or nothing. */
  async advance(run: Run, signal: AbortSignal): Promise<void> {
    const { database, providers, logger } = this.parts;
    const provider = providers.get(run.providerId);
    if (!provider || !hasTail(provider)) {
      await database.transaction((tx) => finishRun(tx, run.id, 'failed', 'the provider has no API key any more'));
      return;
    }
    if (run.phase === 'repair') return this.repair(run, provider);
    const workingOn = `${run.id} ${run.phase}`;
    if (workingOn !== this.aheadIn) this.ahead.forget();
    this.aheadIn = workingOn;
    const rule = provider.suspension_rule;
    const step = await takeStep(run, {
      database,
      api: this.parts.apiOf(provider),
      suspension: rule ? { metadataKey: rule.metadata_key, value: rule.value } : undefined,
      pace: () => this.pace(signal),
      ahead: this.ahead,
      now: Date.now,
    });
    const next = await this.keep(run, step, provider);
    if (next.phase !== run.phase)
      logger.info({ reconciliation: run.id, phase: next.phase, ...next.progress }, 'compared');
  }

  private async keep(run: Run, step: Step, provider: IdentityProviderData): Promise<Run> {
    // To learn of somebody takes nothing away, so it need not wait for the end of the comparison, nor be listed one by one.
    const unknown = step.differences.filter(isUnknownHere);
    const others = step.differences.filter((difference) => !isUnknownHere(difference));
    if (!run.dryRun)
      await this.publish(
        unknown.flatMap(({ event }) => event ?? []),
        provider,
      );
    let next = step.next;
    for (const { kind } of step.differences) next = counted(next, kind, 1);
    const named = unknown.filter(({ kind }) => (run.progress[kind] ?? 0) < MOST_UNKNOWN_NAMED);
    // What was published already, and what never will be, needs no event.
    const reported = named.map(({ event: _, ...difference }) => difference);
    await this.parts.database.transaction(async (tx) => {
      if (!(await moveRun(tx, run, next))) return;
      for (const { kind, ids } of step.seen) await insertSeen(tx, run.id, kind, ids);
      await insertDifferences(tx, run.id, [...reported, ...others]);
    });
    return next;
  }

  /** Publishes what was found to `workos.events`, where it has its effect like any other event. */
  private async repair(run: Run, provider: IdentityProviderData): Promise<void> {
    const { database } = this.parts;
    const [closings, repairs] = await database.read(async (tx) => [
      await countClosings(tx, run.id),
      await readRepairs(tx, run.id, REPAIRS_A_STEP),
    ]);
    if (run.dryRun || repairs.length === 0) {
      await database.transaction((tx) => finishRun(tx, run.id, 'done'));
      return;
    }
    if (closings > run.maxClosings) {
      const problem = `it would end access of ${closings} people, memberships or organizations, and max_closings is ${run.maxClosings}: look at the differences; is it the right API key?`;
      await database.transaction((tx) => finishRun(tx, run.id, 'stopped', problem));
      return;
    }
    await this.publish(
      repairs.map(({ event }) => event),
      provider,
    );
    await database.transaction(async (tx) => {
      if (!(await moveRun(tx, run, counted(run, 'repaired', repairs.length)))) return;
      await markRepaired(
        tx,
        run.id,
        repairs.map(({ seq }) => seq),
      );
    });
  }

  private async publish(events: readonly RepairEvent[], provider: IdentityProviderData): Promise<void> {
    const { publisher } = this.parts;
    await Promise.all(
      events.map((event) => {
        const body = Buffer.from(JSON.stringify(event));
        const envelope = readWorkOSEnvelope(body);
        const value = encodeWorkOSRecord(body, envelope, provider, new Date(), 'reconciliation');
        return publisher.publish(TOPICS.workosEvents, { key: envelope.key, value, headers: CLOUD_EVENT_HEADERS });
      }),
    );
  }

  private async pace(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const at = Math.max(now, this.nextRequestAt);
    this.nextRequestAt = at + 1000 / this.parts.settings.requestsPerSecond;
    if (at > now) await delay(at - now, undefined, { signal });
  }
}

const isUnknownHere = ({ kind }: Difference): boolean => kind.endsWith('_unknown_here');
