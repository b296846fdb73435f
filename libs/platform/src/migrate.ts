import { z } from 'zod';
import { loadConfig, serviceSettings } from './config.js';
import { Database, databaseConfigFrom, type DatabaseSchema, databaseSettings } from './database.js';
import { createLogger } from './logging.js';

const migrationConfig = z.object({ LOG_LEVEL: serviceSettings.LOG_LEVEL, ...databaseSettings });

/**
 * Brings the schema of a service up to date and ends: the body of a `migrate.ts`, for installations in which the service itself may
 * not (its role owns nothing). Several may run at once, also beside the service. Throws where the database is away.
 */
export async function migrate(service: string, schema: DatabaseSchema, env: NodeJS.ProcessEnv): Promise<void> {
  const config = loadConfig(migrationConfig, env);
  const logger = createLogger(`${service}-migration`, config.LOG_LEVEL);
  const database = new Database(databaseConfigFrom(config), schema);
  try {
    await database.start();
    logger.info({ schema: schema.name }, 'the schema is up to date');
  } finally {
    await database.close();
  }
}
