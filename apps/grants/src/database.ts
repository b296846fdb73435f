import { setTimeout as delay } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { DatabaseUnavailable, isConflict, isUnavailable } from './database-errors.js';
import { MIGRATIONS } from './migrations/migrations.js';
import { rowsOf, type Tx } from './sql.js';

export interface DatabaseSettings {
  url: string;
  poolSize: number;
  /** Of one statement, and of a connection's making. */
  timeoutMs: number;
}

export const SCHEMA = 'grants';
/** Keys of our advisory locks; the first number is ours within the database. */
export const LOCKS = { space: 0x5e5c1d, migrations: 1, relay: 2, seal: 3 } as const;
const CONFLICT_RETRIES = 5;

/** The schema `grants` of a PostgreSQL database. */
export class Database {
  readonly source: DataSource;

  constructor(settings: DatabaseSettings) {
    this.source = new DataSource({
      type: 'postgres',
      url: settings.url,
      schema: SCHEMA,
      poolSize: settings.poolSize,
      connectTimeoutMS: Math.min(settings.timeoutMs, 3_000),
      applicationName: 'rescind-grants',
      logging: false,
      migrations: MIGRATIONS,
      migrationsTableName: 'migrations',
      // A lost idle connection is no news: whoever asks next gets another one, or an error of its own.
      poolErrorHandler: () => undefined,
      extra: {
        options: `-c search_path=${SCHEMA}`,
        statement_timeout: settings.timeoutMs,
        query_timeout: settings.timeoutMs + 1_000,
        idle_in_transaction_session_timeout: 60_000,
        keepAlive: true,
      },
    });
  }

  /** Connects and migrates; may be called again after it threw. Several replicas may do so at once. */
  async start(): Promise<void> {
    if (!this.source.isInitialized) await this.source.initialize();
    await this.migrate();
  }

  private async migrate(): Promise<void> {
    const runner = this.source.createQueryRunner();
    try {
      await runner.connect();
      await runner.query('set statement_timeout = 0');
      await runner.query('select pg_advisory_lock($1, $2)', [LOCKS.space, LOCKS.migrations]);
      await runner.query(`create schema if not exists ${SCHEMA}`);
      await this.source.runMigrations({ transaction: 'each' });
    } finally {
      await runner.query('select pg_advisory_unlock_all()').catch(() => undefined);
      await runner.query('reset statement_timeout').catch(() => undefined);
      await runner.release();
    }
  }

  /**
   * Everything that `work` does commits together or not at all; a deadlock is tried again from the start.
   * Throws `DatabaseUnavailable`; then it is unknown whether it has committed.
   */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.reachable(() => this.source.transaction(work));
      } catch (error) {
        if (!isConflict(error) || tries > CONFLICT_RETRIES) throw error;
        await delay(Math.random() * 10 * 2 ** tries);
      }
    }
  }

  /** Reads outside of a transaction. Throws `DatabaseUnavailable`. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.reachable(() => work(this.source.manager));
  }

  async ping(): Promise<void> {
    await this.read((tx) => rowsOf(tx, 'select 1'));
  }

  async close(): Promise<void> {
    if (this.source.isInitialized) await this.source.destroy();
  }

  private async reachable<T>(work: () => Promise<T>): Promise<T> {
    if (!this.source.isInitialized) throw new DatabaseUnavailable('not connected yet');
    try {
      return await work();
    } catch (error) {
      if (isUnavailable(error)) throw new DatabaseUnavailable((error as Error).message, { cause: error });
      throw error;
    }
  }
}
