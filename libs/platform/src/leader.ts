import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from './logging.js';
import { backOffMs } from './until-done.js';

export type LeadershipState = 'unknown' | 'leader' | 'follower';

/** How often a follower asks whether the place is free, and a leader shows that it is alive, ms. */
const ASK_MS = 500;
/** A leader that says nothing for so long is put down by the database: it may be paused, and others must go on. */
const SILENCE_MS = 3_000;

/**
 * One leader among all replicas, by an advisory lock on a connection of its own: whoever loses the connection has lost
 * the place. A former leader may not know it yet; what it does must therefore be fenced where it takes effect.
 */
export class Leader {
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  state: LeadershipState = 'unknown';

  /**
   * @param lock names the place, as a word for the log and as the two numbers of its advisory lock
   * @param lead what the leader does; `signal` aborts once it must end. It ends by itself only by throwing.
   */
  constructor(
    private readonly url: string,
    private readonly lock: { name: string; key: readonly [number, number] },
    private readonly logger: Logger,
    private readonly lead: (connection: pg.Client, signal: AbortSignal) => Promise<void>,
  ) {}

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    for (let failures = 0; !this.stopping.signal.aborted;) {
      const startedAt = Date.now();
      try {
        await this.standForElection();
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        failures = Date.now() - startedAt > 10_000 ? 1 : failures + 1;
        this.state = 'unknown';
        const waitMs = Math.round(backOffMs(failures));
        this.logger.warn(
          { err: error, failures, next_try_in_ms: waitMs },
          `${this.lock.name}: the leader stepped down`,
        );
        await delay(waitMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }

  private async standForElection(): Promise<void> {
    const over = new AbortController();
    const connection = new pg.Client({
      connectionString: this.url,
      application_name: `rescind-${this.lock.name}`,
      connectionTimeoutMillis: 3_000,
      query_timeout: 5_000,
      statement_timeout: 5_000,
      keepAlive: true,
    });
    connection.on('error', (error) => over.abort(error));
    connection.on('end', () => over.abort(new Error('the connection of the leader has ended')));
    const signal = AbortSignal.any([over.signal, this.stopping.signal]);
    let alive: NodeJS.Timeout | undefined;
    try {
      await connection.connect();
      alive = setInterval(() => {
        connection.query('select 1').catch((error: unknown) => over.abort(error));
      }, ASK_MS);
      await connection.query(`set idle_session_timeout = ${SILENCE_MS}`);
      while (!(await this.isElected(connection))) {
        this.state = 'follower';
        await delay(ASK_MS * (0.75 + Math.random() / 2), undefined, { signal });
      }
      this.state = 'leader';
      this.logger.info(`${this.lock.name}: this process leads`);
      await this.lead(connection, signal);
    } catch (error) {
      throw over.signal.aborted ? over.signal.reason : error;
    } finally {
      this.state = 'unknown';
      clearInterval(alive);
      // A database that does not answer must not keep us from standing again.
      await Promise.race([connection.end().catch(() => undefined), delay(1_000, undefined, { ref: false })]);
    }
  }

  private async isElected(connection: pg.Client): Promise<boolean> {
    const { rows } = await connection.query<{ elected: boolean }>('select pg_try_advisory_lock($1, $2) as elected', [
      ...this.lock.key,
    ]);
    return rows[0]!.elected;
  }
}
