import { setTimeout as delay } from 'node:timers/promises';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { z } from 'zod';
import { noteDatabaseCertificates } from './database-certificates.js';
import { DatabaseUnavailable, isConflict, isUnavailable } from './database-errors.js';
import { excessOf, grantRights, type SchemaRights } from './database-roles.js';
import type { Logger } from './logging.js';
import { rowsOf, type Tx } from './sql.js';

/** What a service with a schema of its own reads. Spread it into the service's `z.object`. */
export const databaseSettings = {
  /** PostgreSQL, `postgres://…`; with `sslmode=verify-full` its certificate is checked. */
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, message: 'must be a postgres:// URL' }),
  /** Of the role that owns the schema and changes it; where it is given, DATABASE_URL's needs no more than to work in it. */
  MIGRATION_DATABASE_URL: z
    .union([z.literal(''), z.url({ protocol: /^postgres(ql)?$/, message: 'must be a postgres:// URL' })])
    .optional(),
  /** What to do where DATABASE_URL's role could rewrite the audit: it owns the schema, or is a superuser. */
  DATABASE_EXCESS_RIGHTS: z.enum(['warn', 'refuse']).default('warn'),
  /** Connections of this process; a leader has one more of its own. */
  DATABASE_POOL_SIZE: z.coerce.number().int().min(2).default(10),
  /** How long one statement may take before the database counts as away, ms. */
  DATABASE_TIMEOUT_MS: z.coerce.number().int().positive().default(10_000),
};

export interface DatabaseConfig {
  url: string;
  /** Undefined: migrated with `url`. */
  migrationUrl?: string | undefined;
  excessRights?: 'warn' | 'refuse';
  poolSize: number;
  /** Of one statement, and of a connection's making. */
  timeoutMs: number;
}

export const databaseConfigFrom = (env: z.infer<z.ZodObject<typeof databaseSettings>>): DatabaseConfig => ({
  url: env.DATABASE_URL,
  migrationUrl: env.MIGRATION_DATABASE_URL || undefined,
  excessRights: env.DATABASE_EXCESS_RIGHTS,
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
  rights: SchemaRights;
}

const CONFLICT_RETRIES = 5;
const LOCK_POLL_MS = 100;

/** One schema of a PostgreSQL database, and who migrates it. */
export class Database {
  readonly source: DataSource;
  private isMigrated = false;

  constructor(
    private readonly config: DatabaseConfig,
    private readonly schema: DatabaseSchema,
    private readonly logger?: Pick<Logger, 'warn'>,
  ) {
    this.source = this.sourceOf(config.url, config.poolSize);
  }

  /** @param timeoutMs of one statement; 0: as long as it takes */
  private sourceOf(url: string, poolSize: number, timeoutMs = this.config.timeoutMs): DataSource {
    const { config, schema } = this;
    return new DataSource({
      type: 'postgres',
      url,
      schema: schema.name,
      poolSize,
      connectTimeoutMS: Math.min(config.timeoutMs, 3_000),
      applicationName: `rescind-${schema.name}`,
      logging: false,
      migrations: schema.migrations,
      migrationsTableName: 'migrations',
      // A lost idle connection is no news: whoever asks next gets another one, or an error of its own.
      poolErrorHandler: () => undefined,
      extra: {
        options: `-c search_path=${schema.name}`,
        ...(timeoutMs > 0 && { statement_timeout: timeoutMs, query_timeout: timeoutMs + 1_000 }),
        idle_in_transaction_session_timeout: 60_000,
        keepAlive: true,
        onConnect: noteDatabaseCertificates,
      },
    });
  }

  /** Connects and migrates; may be called again after it threw. Several replicas may do so at once. */
  async start(): Promise<void> {
    if (!this.source.isInitialized) await this.source.initialize();
    if (await this.mustMigrate()) await this.migrate();
    await this.checkRights();
    this.isMigrated = true;
  }

  /** Rights of a role are looked after with each migration, so who has one of their own asks it each time. */
  private async mustMigrate(): Promise<boolean> {
    if (this.config.migrationUrl !== undefined) return true;
    const { name, migrations } = this.schema;
    const [table] = await rowsOf<{ there: boolean }>(
      this.source.manager,
      `select to_regclass($1) is not null as there`,
      [`${name}.migrations`],
    );
    if (!table!.there) return true;
    const rows = await rowsOf<{ name: string }>(this.source.manager, `select name from ${name}.migrations`);
    const done = new Set(rows.map((row) => row.name));
    return migrations.some((Migration) => !done.has(Migration.name));
  }

  private async migrate(): Promise<void> {
    const { url, migrationUrl } = this.config;
    const [who] = await rowsOf<{ role: string }>(this.source.manager, 'select current_user as role');
    // An index over ten million rows takes longer than any request may.
    const source = await this.sourceOf(migrationUrl ?? url, 2, 0).initialize();
    try {
      await this.migrateWith(source, async (runner) => {
        if (migrationUrl !== undefined) await grantRights(runner, this.schema.name, this.schema.rights, who!.role);
      });
    } finally {
      await source.destroy();
    }
  }

  /** Throws where the role has too many rights and that is refused. */
  private async checkRights(): Promise<void> {
    const excess = await excessOf(this.source.manager, this.schema.name, this.schema.rights);
    if (excess === undefined) return;
    if (this.config.excessRights === 'refuse') throw new Error(`DATABASE_EXCESS_RIGHTS=refuse: ${excess}`);
    this.logger?.warn(`${excess}; see deploy/postgres/roles.sql`);
  }

  private async migrateWith(source: DataSource, then: (runner: QueryRunner) => Promise<void>): Promise<void> {
    const runner = source.createQueryRunner();
    try {
      await runner.connect();
      await this.takeMigrationLock(runner);
      // Not "if not exists": that asks for the right to make schemas even where there is nothing to make.
      const [schema] = (await runner.query('select to_regnamespace($1) is not null as there', [this.schema.name])) as [
        { there: boolean },
      ];
      if (!schema.there) await runner.query(`create schema ${this.schema.name}`);
      await source.runMigrations({ transaction: 'each' });
      await then(runner);
    } finally {
      await runner.query('select pg_advisory_unlock_all()').catch(() => undefined);
      await runner.release();
    }
  }

  /** Asks for it rather than waits: whoever waits holds up `create index concurrently` of whoever has it, for ever. */
  private async takeMigrationLock(runner: QueryRunner): Promise<void> {
    for (;;) {
      const [turn] = (await runner.query('select pg_try_advisory_lock($1, $2) as mine', [
        ...this.schema.migrationLock,
      ])) as [{ mine: boolean }];
      if (turn.mine) return;
      await delay(LOCK_POLL_MS);
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

  /** For readiness: why it does not answer; undefined where it does. */
  async problem(): Promise<string | undefined> {
    try {
      await this.read((tx) => rowsOf(tx, 'select 1'));
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
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
