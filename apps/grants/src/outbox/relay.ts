import type pg from 'pg';
import { type Topic, TOPICS } from '#contracts/topics.js';
import type { EndOffsets, Ends } from '#kafka/end-offsets.js';
import type { FencedProducer } from '#kafka/fenced-producer.js';
import { heartbeatRecords } from '../domain/announcements.js';
import type { RecordPlace } from '#kafka/record.js';
import type { GrantsMetrics } from '../grants-metrics.js';
import {
  type AnnouncementRecord,
  deleteSent,
  OUTBOX_CHANNEL,
  type Progress,
  type QueuedRecord,
  readOutbox,
  readProgress,
} from './outbox.sql.js';
import { traced } from '../traces.js';

/** All that anything puts into the outbox for; `workos.events`: what was set aside and is sent again. */
export const RELAYED_TOPICS: readonly Topic[] = [
  TOPICS.revocations,
  TOPICS.revocationState,
  TOPICS.workosEventsDlq,
  TOPICS.workosEvents,
];

const CHUNK = 500;
/** Without being told of new rows, they are found within this time. */
const POLL_MS = 250;

export interface RelaySettings {
  heartbeatIntervalMs: number;
  chunk?: number;
  /** Default {@link POLL_MS}. */
  pollMs?: number;
}

/**
 * Publishes the outbox in order until Kafka has it, and says each second how far the events have been applied. A row is
 * deleted only once Kafka has acknowledged it; a crash in between publishes it again.
 *
 * It reads over the connection that makes it the leader, after it has fenced its predecessors: so whatever it reads, no
 * successor had begun by then, and if one begins later, what is sent afterwards is refused.
 */
export class Relay {
  private woken = true;
  private wakeUp: () => void = () => undefined;
  /** Where the events end, of which no heartbeat has spoken yet. */
  private ends: Ends | undefined;
  private lastBeatAt = 0;

  constructor(
    private readonly producer: Pick<FencedProducer, 'acquire' | 'sendAll' | 'partitionsOf'>,
    /** Of `workos.events`. */
    private readonly endOffsets: Pick<EndOffsets, 'newest'>,
    private readonly settings: RelaySettings,
    private readonly metrics: GrantsMetrics,
    /** Before anything is published: see recovery.ts. */
    private readonly recover: () => Promise<unknown> = () => Promise.resolve(),
  ) {}

  /** Runs until it must not any more, or throws: `Fenced`, `BrokerUnavailable`, or what the database says. */
  async lead(connection: pg.Client, signal: AbortSignal): Promise<void> {
    const wake = (): void => {
      this.woken = true;
      this.wakeUp();
    };
    connection.on('notification', wake);
    signal.addEventListener('abort', wake);
    try {
      await connection.query(`listen ${OUTBOX_CHANNEL}`);
      await this.recover();
      await this.producer.acquire();
      let nextBeat = 0;
      while (!signal.aborted) {
        this.woken = false;
        if (Date.now() >= nextBeat) {
          nextBeat = Date.now() + this.settings.heartbeatIntervalMs;
          // Meanwhile the outbox goes on.
          void this.endOffsets.newest(this.settings.heartbeatIntervalMs).then((ends) => {
            this.ends = ends;
            wake();
          });
        }
        await this.beat(connection, signal);
        await this.drain(
          connection,
          undefined,
          () => signal.aborted || this.ends !== undefined || Date.now() >= nextBeat,
        );
        await this.rest(Math.min(this.settings.pollMs ?? POLL_MS, nextBeat - Date.now()), signal);
      }
    } finally {
      connection.off('notification', wake);
      signal.removeEventListener('abort', wake);
    }
  }

  /**
   * First how far the events go, then how far we are, then everything that this promises, then the promise. Nothing is promised
   * of a moment of which it is not known how far they went: what is acknowledged and not read by us must show.
   */
  private async beat(connection: pg.Client, signal: AbortSignal): Promise<void> {
    const ends = this.ends;
    this.ends = undefined;
    if (ends === undefined || ends.at.getTime() <= this.lastBeatAt) return;
    const progress: Progress = await readProgress(connection, TOPICS.workosEvents);
    if (progress.upTo !== undefined) {
      await this.drain(connection, progress.upTo, () => signal.aborted);
      if (signal.aborted) return;
    }
    const partitions = this.producer.partitionsOf(TOPICS.revocationState);
    const { applied } = progress;
    await this.producer.sendAll(heartbeatRecords({ at: ends.at, partitions, applied, ends: ends.offsets }));
    this.lastBeatAt = ends.at.getTime();
    this.metrics.heartbeatSent(Date.now());
  }

  private async drain(connection: pg.Client, upTo: string | undefined, isDue: () => boolean): Promise<void> {
    const chunk = this.settings.chunk ?? CHUNK;
    while (!isDue()) {
      const rows = await readOutbox(connection, upTo, chunk);
      if (rows.length === 0) return;
      const { records, end } = traced(rows);
      const places = await this.producer.sendAll(records);
      end();
      await deleteSent(
        connection,
        rows.map(({ id }) => id),
        announcementRecords(rows, places),
      );
      this.metrics.published(rows);
      if (rows.length < chunk) return;
    }
  }

  private async rest(ms: number, signal: AbortSignal): Promise<void> {
    if (this.woken || signal.aborted || ms <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Where each announcement stands: it is kept for receipts. */
function announcementRecords(rows: readonly QueuedRecord[], places: readonly RecordPlace[]): AnnouncementRecord[] {
  return rows.flatMap(({ topic, value }, index) => {
    const place = places[index];
    if (topic !== TOPICS.revocations || value === null || place === undefined) return [];
    const { id: eventId } = JSON.parse(value.toString('utf8')) as { id: string };
    return [{ eventId, topic, ...place }];
  });
}
