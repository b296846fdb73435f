import type { DatabaseSchema } from '#platform/database.js';
import { CreateGrants1767225600000 } from './migrations/1767225600000-create-grants.js';
import { AddShadow1795737600002 } from './migrations/1795737600002-add-shadow.js';
import { AddGuard1795737600001 } from './migrations/1795737600001-add-guard.js';

/** The number of grants in the two-number keys of advisory locks. */
const LOCK_SPACE = 0x5e5c1d;

export const GRANTS_SCHEMA: DatabaseSchema = {
  name: 'grants',
  migrations: [CreateGrants1767225600000, AddGuard1795737600001, AddShadow1795737600002],
  migrationLock: [LOCK_SPACE, 1],
};

/** Of all replicas one publishes the outbox. */
export const RELAY_LOCK = { name: 'grants-relay', key: [LOCK_SPACE, 2] } as const;
/** One at a time adds to the chain of the audit. */
export const SEAL_LOCK = [LOCK_SPACE, 3] as const;
/** One at a time re-opens what an undone trip had closed. */
export const UNDO_LOCK = [LOCK_SPACE, 7] as const;
