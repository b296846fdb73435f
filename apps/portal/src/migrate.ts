import { migrate } from '#platform/migrate.js';
import { main } from '#platform/serve.js';
import { PORTAL_SCHEMA } from './portal-schema.js';

await main(() => migrate('portal', PORTAL_SCHEMA, process.env));
