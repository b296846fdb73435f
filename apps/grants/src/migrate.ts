import { migrate } from '#platform/migrate.js';
import { main } from '#platform/serve.js';
import { GRANTS_SCHEMA } from './grants-schema.js';

await main(() => migrate('grants', GRANTS_SCHEMA, process.env));
