import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Kind } from './domain/signals.js';

type Backlog = readonly { kind: string; pending: number; seconds: number; refused: number }[];
type PollAges = readonly { name: string; seconds: number; interrupted: boolean }[];
type Unverified = readonly { name: string; seconds: number }[];

/** What signals says of itself. */
export class SignalsMetrics {
  private readonly records: Counter;
  private readonly queued: Counter;
  private readonly unread: Counter;
  private readonly deliveries: Counter<'kind' | 'outcome'>;
  private readonly duration: Histogram<'kind'>;
  private readonly received: Counter<'outcome'>;
  private readonly polls: Counter<'source' | 'outcome'>;

  /**
   * @param backlog what waits now; undefined where that is not known
   * @param pollAges of each source that is polled
   * @param unverified of each source whose stream we have made
   */
  constructor(
    registry: Registry,
    backlog: () => Promise<Backlog | undefined>,
    pollAges: () => Promise<PollAges | undefined>,
    unverified: () => Promise<Unverified | undefined>,
  ) {
    const registers = [registry];
    this.records = new Counter({
      name: 'rescind_signals_records_total',
      help: 'Records of revocations and states that were taken in.',
      registers,
    });
    this.queued = new Counter({
      name: 'rescind_signals_queued_total',
      help: 'Signals put into the queue of some receiver.',
      registers,
    });
    this.unread = new Counter({
      name: 'rescind_signals_records_unreadable_total',
      help: 'Records that could not be read; a fault of ours.',
      registers,
    });
    this.deliveries = new Counter({
      name: 'rescind_signals_deliveries_total',
      help: 'Tries to tell a receiver, by kind and outcome.',
      labelNames: ['kind', 'outcome'],
      registers,
    });
    this.duration = new Histogram({
      name: 'rescind_signals_delivery_seconds',
      help: 'How long receivers take to answer.',
      labelNames: ['kind'],
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      registers,
    });
    this.received = new Counter({
      name: 'rescind_signals_received_total',
      help: 'SETs of other transmitters, by outcome: taken, no_effect, unknown_subject, or the error of RFC 8935.',
      labelNames: ['outcome'],
      registers,
    });
    this.polls = new Counter({
      name: 'rescind_signals_polls_total',
      help: 'Requests for SETs to other transmitters, by source and outcome: answered, failed.',
      labelNames: ['source', 'outcome'],
      registers,
    });
    const ofPolled = gaugesOf(registers, 'source', pollAges, ({ name }) => name);
    const ofConnected = gaugesOf(registers, 'source', unverified, ({ name }) => name);
    ofPolled(
      'rescind_signals_poll_age_seconds',
      'How long ago everything was taken that a transmitter had to say, by source.',
      ({ seconds }) => seconds,
    );
    ofPolled(
      'rescind_signals_source_interrupted',
      '1: the transmitter that is polled has said that its stream is paused or disabled.',
      ({ interrupted }) => (interrupted ? 1 : 0),
    );
    ofConnected(
      'rescind_signals_source_unverified_seconds',
      'How long no verification has come that a transmitter was asked for, by source; 0: none is waited for.',
      ({ seconds }) => seconds,
    );
    const ofBacklog = gaugesOf(registers, 'kind', backlog, ({ kind }) => kind);
    ofBacklog('rescind_signals_backlog', 'Signals that wait for their receiver, by kind.', ({ pending }) => pending);
    ofBacklog(
      'rescind_signals_backlog_seconds',
      'How long the oldest signal has been waiting, by kind.',
      ({ seconds }) => seconds,
    );
    ofBacklog(
      'rescind_signals_refused',
      'Signals that were set aside because their receiver refuses them, by kind.',
      ({ refused }) => refused,
    );
  }

  taken(records: number, queued: number): void {
    this.records.inc(records);
    this.queued.inc(queued);
  }

  unreadable(): void {
    this.unread.inc();
  }

  tried(kind: Kind, outcome: string, durationMs: number): void {
    this.deliveries.inc({ kind, outcome });
    this.duration.observe({ kind }, durationMs / 1000);
  }

  acknowledged(count: number): void {
    this.deliveries.inc({ kind: 'set_poll', outcome: 'delivered' }, count);
  }

  polled(source: string, outcome: 'answered' | 'failed'): void {
    this.polls.inc({ source, outcome });
  }

  receivedSet(outcome: string): void {
    this.received.inc({ outcome });
  }
}

/**
 * Gauges of rows that are read when they are asked for, a label for each row; they stay as they were while that cannot be done. Of one
 * scrape one reading: each gauge is collected by itself, and none may show what the scrape before it read.
 */
function gaugesOf<T>(
  registers: Registry[],
  label: string,
  readAll: () => Promise<readonly T[] | undefined>,
  labelOf: (row: T) => string,
): (name: string, help: string, valueOf: (row: T) => number) => void {
  let reading: Promise<readonly T[] | undefined> | undefined;
  const read = (): Promise<readonly T[] | undefined> =>
    (reading ??= readAll().finally(() => {
      reading = undefined;
    }));
  return (name, help, valueOf) => {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      async collect() {
        const now = await read();
        if (!now) return;
        this.reset();
        for (const row of now) this.set({ [label]: labelOf(row) }, valueOf(row));
      },
    });
  };
}
