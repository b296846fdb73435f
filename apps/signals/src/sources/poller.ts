import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { BrokerUnavailable } from '#kafka/errors.js';
import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { CannotUnseal, type EncryptionKeys } from '#providers/sealing.js';
import { FetchRefused, guardedFetch } from '#workos/guarded-fetch.js';
import type { SignalsConfig } from '../config.js';
import {
  answered,
  askForFewer,
  FIRST_POLL,
  isProgress,
  pollRequest,
  type PollState,
  readPollAnswer,
  retryAfterHeaderMs,
  type SetError,
  type Settled,
} from '../domain/polling.js';
import { retryAfterMs } from '../domain/retry.js';
import type { Intake } from './intake.js';
import { NoToken, SourceAuthorization } from './source-authorization.js';
import { UNREACHED } from './transmitter.js';
import { SetRefused } from './read-set.js';
import type { SignalsMetrics } from '../signals-metrics.js';
import { KeysUnavailable } from './source-keys.js';
import { type PolledSource, pollFailed, pollWorked, readPolledSources, setsRefused } from './sources.sql.js';

/** How soon a new source is polled, and a changed one as it is by then. */
const LOOK_EVERY_MS = 1_000;
/** An hour's outage of a transmitter must not become another ten minutes here. */
const LONGEST_REST_MS = 60_000;
/** Of an answer; a SET is a kilobyte or two. */
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;

export interface PollerParts {
  database: Database;
  intake: Pick<Intake, 'take'>;
  encryption: EncryptionKeys;
  settings: Pick<
    SignalsConfig,
    'allowLocalHosts' | 'deliveryTimeoutMs' | 'retry' | 'sourcePollIntervalMs' | 'sourcePollTimeoutMs'
  >;
  metrics: SignalsMetrics;
  logger: Logger;
}

/**
 * Gets SETs from the transmitters that are polled (RFC 8936), each by itself. A SET is acknowledged only after Kafka holds what it
 * means: whatever happens in between, it comes again, and is the same event again. So a former leader that does not know it
 * yet does no harm.
 */
export class Poller {
  constructor(private readonly parts: PollerParts) {}

  /** Runs until it must not any more, or throws what the database says. */
  async lead(connection: pg.Client, signal: AbortSignal): Promise<void> {
    const followed = new Map<string, { version: string; stop: AbortController; ended: Promise<void> }>();
    try {
      while (!signal.aborted) {
        const sources = await readPolledSources(connection);
        const versions = new Map(sources.map((source) => [source.id, versionOf(source)]));
        for (const [id, { version, stop }] of followed) if (versions.get(id) !== version) stop.abort();
        for (const source of sources) {
          if (followed.has(source.id)) continue;
          const stop = new AbortController();
          const ended = this.follow(source, AbortSignal.any([signal, stop.signal])).finally(() =>
            followed.delete(source.id),
          );
          followed.set(source.id, { version: versionOf(source), stop, ended });
        }
        await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
      }
    } finally {
      for (const { stop } of followed.values()) stop.abort();
      await Promise.all([...followed.values()].map(({ ended }) => ended));
    }
  }

  /** Asks one transmitter again and again. */
  private async follow(source: PolledSource, signal: AbortSignal): Promise<void> {
    const { encryption, settings } = this.parts;
    const options = { allowLocalHosts: settings.allowLocalHosts, timeoutMs: settings.deliveryTimeoutMs };
    const authorization = new SourceAuthorization(source.id, source.poll, encryption, options);
    let state = FIRST_POLL;
    let failures = 0;
    while (!signal.aborted) {
      const turn = await this.turn(source, authorization, state, signal);
      if (signal.aborted) return;
      state = turn.state;
      failures = turn.failed ? failures + 1 : 0;
      const backOff = { ...settings.retry, longestMs: Math.min(settings.retry.longestMs, LONGEST_REST_MS) };
      const restMs = turn.failed ? Math.max(turn.failed.retryAfterMs, retryAfterMs(failures, backOff)) : turn.restMs;
      if (restMs > 0) await delay(restMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** One request, and everything that follows from its answer. Never throws. */
  private async turn(
    source: PolledSource,
    authorization: SourceAuthorization,
    state: PollState,
    signal: AbortSignal,
  ): Promise<Turn> {
    const { database, metrics, settings } = this.parts;
    const startedAt = performance.now();
    let next = state;
    try {
      const sets = await this.ask(source, authorization, state, signal);
      const { settled, problem } = await this.takeAll(source, sets);
      next = answered(state, settled);
      if (problem !== undefined) throw problem;
      await database.transaction((tx) => pollWorked(tx, source.id));
      metrics.polled(source.name, 'answered');
      const restMs = startedAt + settings.sourcePollIntervalMs - performance.now();
      return { state: next, restMs: isProgress(state, settled) ? 0 : restMs };
    } catch (error) {
      if (signal.aborted) return { state: next, restMs: 0 };
      // It may hold a request for longer than we wait. Whether it is there at all, the next one asks.
      if (state.waits && error instanceof FetchRefused && error.code === 'timeout') {
        return { state: { ...state, waits: false }, restMs: 0 };
      }
      if (error instanceof FetchRefused && error.code === 'too_large') next = askForFewer(state);
      return { state: next, restMs: 0, failed: await this.failed(source, error) };
    }
  }

  private async ask(
    { poll }: PolledSource,
    authorization: SourceAuthorization,
    state: PollState,
    signal: AbortSignal,
  ): Promise<[string, unknown][]> {
    const { settings } = this.parts;
    const answer = await guardedFetch(poll.endpoint_url, {
      allowLocalHosts: settings.allowLocalHosts,
      timeoutMs: state.waits ? settings.sourcePollTimeoutMs : settings.deliveryTimeoutMs,
      maxBytes: MAX_ANSWER_BYTES,
      signal,
      send: {
        method: 'POST',
        body: pollRequest(state),
        headers: {
          authorization: await authorization.header(signal),
          'content-type': 'application/json',
          accept: 'application/json',
          ...(state.setErrs.size > 0 ? { 'content-language': 'en' } : {}),
        },
      },
    });
    if (answer.status !== 200) {
      if (answer.status === 401 || answer.status === 403) authorization.forget();
      throw new PollRefused(answer.status, retryAfterHeaderMs(answer.retryAfter, new Date()));
    }
    const sets = readPollAnswer(answer.body.toString('utf8'));
    if (!sets) throw new NoPollAnswer();
    return sets;
  }

  /** What cannot be taken now is not acknowledged, and comes again. */
  private async takeAll(
    source: PolledSource,
    sets: [string, unknown][],
  ): Promise<{ settled: Settled; problem: unknown }> {
    const { database, intake } = this.parts;
    const arrivedAt = performance.now();
    const ack: string[] = [];
    const setErrs = new Map<string, SetError>();
    const problems: unknown[] = [];
    await Promise.all(
      sets.map(async ([jti, set]) => {
        try {
          if (typeof set !== 'string') throw new SetRefused('invalid_request', 'A SET is a string.');
          // A refusal is final here: its keys are read anew before it is refused for them.
          await intake.take(source, set, { jti, keysMaxAgeMs: () => performance.now() - arrivedAt });
          ack.push(jti);
        } catch (error) {
          if (error instanceof SetRefused) setErrs.set(jti, { err: error.err, description: error.message });
          else problems.push(error);
        }
      }),
    );
    const [refusal] = setErrs.values();
    if (refusal) {
      const words = `${refusal.err}: ${refusal.description}`;
      await database.transaction((tx) => setsRefused(tx, source.id, setErrs.size, words));
    }
    return { settled: { ack, setErrs }, problem: problems[0] };
  }

  private async failed(source: PolledSource, error: unknown): Promise<{ retryAfterMs: number }> {
    const { database, metrics, logger } = this.parts;
    const words = wordsOf(error);
    metrics.polled(source.name, 'failed');
    logger.warn({ source_id: source.id, why: words, ...(isExpected(error) ? {} : { err: error }) }, 'not polled');
    // Where the database is away, the leader's own connection is too.
    await database.transaction((tx) => pollFailed(tx, source.id, words)).catch(() => undefined);
    return { retryAfterMs: error instanceof PollRefused ? error.retryAfterMs : 0 };
  }
}

interface Turn {
  state: PollState;
  /** Before the next one, where this one did not fail. */
  restMs: number;
  failed?: { retryAfterMs: number };
}

/** Another one: whoever follows the source begins anew. */
const versionOf = ({ audience, jwks_uri, poll }: PolledSource): string =>
  JSON.stringify([audience, jwks_uri, poll.secret, poll.changed_at]);

class PollRefused extends Error {
  override readonly name = 'PollRefused';
  constructor(
    readonly status: number,
    readonly retryAfterMs: number,
  ) {
    super(`answered ${status}`);
  }
}

class NoPollAnswer extends Error {
  override readonly name = 'NoPollAnswer';
}

const isExpected = (error: unknown): boolean =>
  [PollRefused, NoPollAnswer, NoToken, FetchRefused, KeysUnavailable, BrokerUnavailable, CannotUnseal].some(
    (kind) => error instanceof kind,
  );

/** For whoever has to mend it. */
function wordsOf(error: unknown): string {
  if (error instanceof FetchRefused) {
    return error.code === 'too_large' ? 'its answer was larger than 2 MiB' : UNREACHED[error.code];
  }
  if (error instanceof NoToken) return error.message;
  if (error instanceof NoPollAnswer) return 'it answered something that is not as RFC 8936 says';
  if (error instanceof KeysUnavailable) return 'the keys of its issuer cannot be had, so that its SETs wait';
  if (error instanceof BrokerUnavailable) return 'Kafka does not answer, so that its SETs wait';
  if (error instanceof CannotUnseal) return 'no key in RESCIND_ENCRYPTION_KEYS opens its secret: give it anew';
  if (!(error instanceof PollRefused)) return 'its SETs could not be taken, a fault of ours: see the log';
  const why: Record<number, string> = {
    401: ': it does not take our authorization',
    403: ': it does not take our authorization',
    404: ': it has no such stream',
    429: ': it is asked too often',
  };
  return `it answered ${error.status}${why[error.status] ?? ''}`;
}
