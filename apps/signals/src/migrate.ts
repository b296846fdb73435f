import { migrate } from '#platform/migrate.js';
import { main } from '#platform/serve.js';
import { SIGNALS_SCHEMA } from './signals-schema.js';

await main(() => migrate('signals', SIGNALS_SCHEMA, process.env));
