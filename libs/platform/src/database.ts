import { setTimeout as delay } from 'node:timers/promises';
import { DataSource, type MigrationInterface } from 'typeorm';
import { z } from 'zod';
import { DatabaseUnavailable, isConflict, isUnavailable } from './database-errors.js';
import { rowsOf, type Tx } from './sql.js';

/** What a service with a schema of its own reads. Spread it into the service's `z.object`. */
export const databaseSettings = {
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, message: 'must be a postgres:// URL' }),
  /** Connections of this process; a leader has one more of its own. */
  DATABASE_POOL_SIZE: z.coerce.number().int().min(2).default(10),
  /** How long one statement may take before the database counts as away, ms. */
  DATABASE_TIMEOUT_MS: z.coerce.number().int().positive().default(10_000),
};

export interface DatabaseConfig {
  url: string;
  poolSize: number;
  /** Of one statement, and of a connection's making. */
  timeoutMs: number;
}

export const databaseConfigFrom = (env: z.infer<z.ZodObject<typeof databaseSettings>>): DatabaseConfig => ({
  url: env.DATABASE_URL,
  poolSize: env.DATABASE_POOL_SIZE,
  timeoutMs: env.DATABASE_TIMEOUT_MS,
});

export interface DatabaseSchema {
  /** Of PostgreSQL; nobody else writes in it. */
  name: string;
  /** In the order in which they run. */
  migrations: (new () => MigrationInterface)[];
  /** Two numbers of which no other service of this database makes an advisory lock. */
  migrationLock: readonly [number, number];
}

const CONFLICT_RETRIES = 5;

/** One schema of a PostgreSQL database, and who migrates it. */
export class Database {
  readonly source: DataSource;
  private isMigrated = false;

  constructor(
    config: DatabaseConfig,
    private readonly schema: DatabaseSchema,
  ) {
    this.source = new DataSource({
      type: 'postgres',
      url: config.url,
      schema: schema.name,
      poolSize: config.poolSize,
      connectTimeoutMS: Math.min(config.timeoutMs, 3_000),
      applicationName: `rescind-${schema.name}`,
      logging: false,
      migrations: schema.migrations,
      migrationsTableName: 'migrations',
      // A lost idle connection is no news: whoever asks next gets another one, or an error of its own.
      poolErrorHandler: () => undefined,
      extra: {
        options: `-c search_path=${schema.name}`,
        statement_timeout: config.timeoutMs,
        query_timeout: config.timeoutMs + 1_000,
        idle_in_transaction_session_timeout: 60_000,
        keepAlive: true,
      },
    });
  }

  /** Connects and migrates; may be called again after it threw. Several replicas may do so at once. */
  async start(): Promise<void> {
    if (!this.source.isInitialized) await this.source.initialize();
    await this.migrate();
    this.isMigrated = true;
  }

  private async migrate(): Promise<void> {
    const runner = this.source.createQueryRunner();
    try {
      await runner.connect();
      await runner.query('set statement_timeout = 0');
      await runner.query('select pg_advisory_lock($1, $2)', [...this.schema.migrationLock]);
      await runner.query(`create schema if not exists ${this.schema.name}`);
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
    if (!this.isMigrated) throw new DatabaseUnavailable('not connected or not migrated yet');
    try {
      return await work();
    } catch (error) {
      if (isUnavailable(error)) throw new DatabaseUnavailable((error as Error).message, { cause: error });
      throw error;
    }
  }
}
