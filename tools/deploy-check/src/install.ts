import { join } from 'node:path';
import { Tools } from './tools.js';

/** `npm run deploy:tools`: builds with Go what `npm run deploy:check` needs and is not here; says what could not be built. */
new Tools(join(import.meta.dirname, '../../../../.local/tools')).install();
