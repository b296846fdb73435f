import { join } from 'node:path';
import type { RecordSchemas } from './records.js';
import type { Contract } from './schema.js';

/** What the last release has promised to the next one: its database and topics, and the records on them. */
export interface Released {
  version: string;
  /** What was released; it is run by `npm run test:upgrade`. */
  commit: string;
  contract: Contract;
  records: RecordSchemas;
}

export const RELEASED = join(import.meta.dirname, 'released.json');
