import type pg from 'pg';
import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { type EncryptionKeys, unseal } from '#providers/sealing.js';
import { checked } from '#contracts/checked.js';
import { FetchRefused, guardedFetch } from '#workos/guarded-fetch.js';
import { z } from 'zod';
import type { SignalsConfig } from '../config.js';
import { MOST_REFUSALS, type Outcome, outcomeOf, retryAfterMs } from '../domain/retry.js';
import {
  conclude,
  type Conclusion,
  disableStream,
  dropPending,
  type Due,
  forgetSettled,
  headsOf,
  QUEUE_CHANNEL,
  readDueStreams,
  readSendingStream,
  readWindow,
  type SendingStream,
  streamFailed,
  streamWorks,
} from './queue.sql.js';
import { requestOf } from './requests.js';
import type { SignalsMetrics } from '../signals-metrics.js';
import type { Signing } from './signing.js';
import { streamSecretOwner } from '../streams/streams.sql.js';

/** What is looked at of one stream at a time, and so what is in memory of it. */
const WINDOW = 100;
/** To one receiver at once; of different subjects. */
const AT_ONCE_TO_ONE = 8;
const STREAMS_AT_ONCE = 32;
/** Without being told of new rows, they are found within this time. */
const POLL_MS = 250;
const FORGET_EVERY_MS = 60_000;
const FORGET_CHUNK = 5_000;
const MAX_ANSWER_BYTES = 16 * 1024;

export interface SenderParts {
  database: Database;
  signing: Signing;
  encryption: EncryptionKeys;
  settings: Pick<SignalsConfig, 'issuer' | 'allowLocalHosts' | 'deliveryTimeoutMs' | 'retry' | 'keepDeliveriesDays'>;
  metrics: SignalsMetrics;
  logger: Logger;
}

/**
 * Empties the queue: of each receiver by itself, so that one that is away holds up nobody else; of each subject in order. What
 * was sent is settled only once the receiver has acknowledged it, so that a crash in between sends it again, under the same
 * `jti`. A former leader that does not know it yet does no more harm than that.
 */
export class Sender {
  private readonly active = new Map<string, Promise<void>>();
  private wakeUp: () => void = () => undefined;
  private woken = false;
  private forgotAt = 0;

  constructor(private readonly parts: SenderParts) {}

  /** Runs until it must not any more, or throws what the database says. */
  async lead(connection: pg.Client, signal: AbortSignal): Promise<void> {
    const wake = (): void => {
      this.woken = true;
      this.wakeUp();
    };
    connection.on('notification', wake);
    signal.addEventListener('abort', wake);
    try {
      await connection.query(`listen ${QUEUE_CHANNEL}`);
      while (!signal.aborted) {
        this.woken = false;
        for (const stream of await readDueStreams(connection)) this.begin(stream.id, signal, wake);
        await this.forget();
        await this.rest(signal);
      }
    } finally {
      connection.off('notification', wake);
      signal.removeEventListener('abort', wake);
      await Promise.all(this.active.values());
    }
  }

  private begin(streamId: string, signal: AbortSignal, wake: () => void): void {
    if (this.active.has(streamId) || this.active.size >= STREAMS_AT_ONCE) return;
    const { database, logger, settings } = this.parts;
    const work = this.empty(streamId, signal)
      .catch(async (error: unknown) => {
        logger.warn({ err: error, stream_id: streamId }, 'could not send');
        const wait = retryAfterMs(1, settings.retry);
        await database.transaction((tx) => streamFailed(tx, streamId, (error as Error).name, wait));
      })
      // The database is away: then the leader's own connection is too.
      .catch(() => undefined)
      .finally(() => {
        this.active.delete(streamId);
        wake();
      });
    this.active.set(streamId, work);
  }

  /** Sends what waits for one stream until nothing is due, or the receiver cannot be told. */
  private async empty(streamId: string, signal: AbortSignal): Promise<void> {
    const { database } = this.parts;
    for (;;) {
      if (signal.aborted) return;
      const { stream, window } = await database.read(async (tx) => ({
        stream: await readSendingStream(tx, streamId),
        window: await readWindow(tx, streamId, WINDOW),
      }));
      const heads = headsOf(window);
      if (!stream || heads.length === 0) return;
      const outcomes = await this.sendAll(stream, heads, signal);
      if (outcomes.some(({ kind }) => kind === 'gone' || kind === 'unavailable')) {
        await this.pauseAfter(stream, outcomes);
        return;
      }
      if (stream.failures > 0) await database.transaction((tx) => streamWorks(tx, streamId));
    }
  }

  /** A few at once; no more once the receiver is away, or is not to be told any more. */
  private async sendAll(stream: SendingStream, heads: readonly Due[], signal: AbortSignal): Promise<Outcome[]> {
    const waiting = [...heads];
    const outcomes: Outcome[] = [];
    let goesOn = true;
    const sendOn = async (): Promise<void> => {
      for (let due = waiting.shift(); due && goesOn && !signal.aborted; due = waiting.shift()) {
        const { outcome, isEnabled } = await this.send(stream, due);
        outcomes.push(outcome);
        goesOn &&= isEnabled && outcome.kind !== 'unavailable' && outcome.kind !== 'gone';
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE_TO_ONE }, sendOn));
    return outcomes;
  }

  private async send(stream: SendingStream, due: Due): Promise<{ outcome: Outcome; isEnabled: boolean }> {
    const { database, metrics, logger } = this.parts;
    const startedAt = performance.now();
    const outcome = await this.ask(stream, due);
    const durationMs = Math.round((performance.now() - startedAt) * 10) / 10;
    const error = outcome.kind === 'delivered' ? null : outcome.error;
    const then = this.then(outcome, due);
    const { status } = outcome;
    const isEnabled = await database.transaction((tx) =>
      conclude(tx, stream.id, due.id, { status, durationMs, error, then }),
    );
    metrics.tried(stream.kind, outcome.kind, durationMs);
    const line = { stream_id: stream.id, jti: due.jti, type: due.signal.type, status, duration_ms: durationMs };
    if (outcome.kind === 'delivered') logger.info(line, 'signal delivered');
    else logger.warn({ ...line, error, set_aside: then === 'refused' }, 'signal not delivered');
    return { outcome, isEnabled };
  }

  private then(outcome: Outcome, { refusals }: Due): Conclusion['then'] {
    if (outcome.kind === 'delivered') return 'delivered';
    if (outcome.kind !== 'refused') return null;
    if (refusals + 1 >= MOST_REFUSALS) return 'refused';
    return { waitMs: retryAfterMs(refusals + 1, this.parts.settings.retry) };
  }

  private async ask(stream: SendingStream, due: Due): Promise<Outcome> {
    const { signing, encryption, settings } = this.parts;
    const secret = stream.secret === null ? undefined : unseal(stream.secret, streamSecretOwner(stream.id), encryption);
    const request = await requestOf(stream, due, secret, settings.issuer, signing, new Date());
    try {
      const answer = await guardedFetch(stream.url, {
        allowLocalHosts: settings.allowLocalHosts,
        timeoutMs: settings.deliveryTimeoutMs,
        maxBytes: MAX_ANSWER_BYTES,
        send: { method: 'POST', ...request },
      });
      return outcomeOf(
        answer.status,
        stream.kind === 'webhook',
        stream.kind === 'set_push' ? errOf(answer.body) : undefined,
      );
    } catch (error) {
      if (!(error instanceof FetchRefused)) throw error;
      return { kind: 'unavailable', status: null, error: error.code };
    }
  }

  /** The receiver rests; where it wants no more, for good. */
  private async pauseAfter(stream: SendingStream, outcomes: readonly Outcome[]): Promise<void> {
    const { database, settings } = this.parts;
    const failed = outcomes.find(({ kind }) => kind === 'gone') ?? outcomes.find(({ kind }) => kind === 'unavailable');
    const error = failed && 'error' in failed ? failed.error : 'unknown';
    const answered = outcomes.some(({ kind }) => kind === 'delivered');
    await database.transaction(async (tx) => {
      if (failed?.kind === 'gone') {
        await disableStream(tx, stream.id, 'It answered 410: it wants no more.');
        await dropPending(tx, stream.id);
        return;
      }
      // Where some of it passed, the receiver is not away.
      if (answered) await streamWorks(tx, stream.id);
      await streamFailed(tx, stream.id, error, retryAfterMs(answered ? 1 : stream.failures + 1, settings.retry));
    });
  }

  private async forget(): Promise<void> {
    if (performance.now() - this.forgotAt < FORGET_EVERY_MS && this.forgotAt > 0) return;
    this.forgotAt = performance.now();
    const { database, settings } = this.parts;
    await database.transaction((tx) => forgetSettled(tx, settings.keepDeliveriesDays, FORGET_CHUNK));
  }

  private async rest(signal: AbortSignal): Promise<void> {
    if (this.woken || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const refusal = z.object({
  err: z
    .string()
    .max(100)
    .regex(/^[\w-]+$/),
});

/** RFC 8935, section 2.3: why a SET is refused, as one word. */
function errOf(body: Buffer): string | undefined {
  try {
    const parsed = checked(refusal, JSON.parse(body.toString('utf8')));
    return parsed.success ? parsed.data.err : undefined;
  } catch {
    return undefined;
  }
}
