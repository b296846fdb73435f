import type { DatabaseSchema } from '#platform/database.js';
import { AddTail1795824000000 } from './migrations/1795824000000-add-tail.js';
import { AddCanary1795824200000 } from './migrations/1795824200000-add-canary.js';
import { AddReconciliation1795824100000 } from './migrations/1795824100000-add-reconciliation.js';
import { CreateGrants1767225600000 } from './migrations/1767225600000-create-grants.js';
import { AddShadow1795737600002 } from './migrations/1795737600002-add-shadow.js';
import { AddAuditHead1795737600003 } from './migrations/1795737600003-add-audit-head.js';
import { AddReceipts1796169600000 } from './migrations/1796169600000-add-receipts.js';
import { AddMassMarking1796083200000 } from './migrations/1796083200000-add-mass-marking.js';
import { IndexLists1796169800000 } from './migrations/1796169800000-index-lists.js';
import { IndexOrganizations1797292800000 } from './migrations/1797292800000-index-organizations.js';
import { CountAnOrganizationAsOne1797033610000 } from './migrations/1797033610000-count-an-organization-as-one.js';
import { QueueStatementsForTheSeal1797033600000 } from './migrations/1797033600000-queue-statements-for-the-seal.js';
import { AddGuard1795737600001 } from './migrations/1795737600001-add-guard.js';

/** The number of grants in the two-number keys of advisory locks. */
const LOCK_SPACE = 0x5e5c1d;

export const GRANTS_SCHEMA: DatabaseSchema = {
  name: 'grants',
  migrations: [
    CreateGrants1767225600000,
    AddGuard1795737600001,
    AddShadow1795737600002,
    AddAuditHead1795737600003,
    AddTail1795824000000,
    AddReconciliation1795824100000,
    AddCanary1795824200000,
    AddReceipts1796169600000,
    AddMassMarking1796083200000,
    IndexLists1796169800000,
    QueueStatementsForTheSeal1797033600000,
    CountAnOrganizationAsOne1797033610000,
    IndexOrganizations1797292800000,
  ],
  migrationLock: [LOCK_SPACE, 1],
  rights: {
    appendOnly: [
      'audit',
      'audit_chain',
      'audit_tiles',
      'scope_closings',
      'revocations',
      'announcement_records',
      'shadow_revocations',
    ],
    kept: ['scopes', 'grants', 'receipts', 'set_aside', 'audit_head', 'guard_trips'],
  },
};

/** Of all replicas one publishes the outbox. */
export const RELAY_LOCK = { name: 'grants-relay', key: [LOCK_SPACE, 2] } as const;
/** One at a time adds to the chain of the audit. */
export const SEAL_LOCK = [LOCK_SPACE, 3] as const;
/** One at a time re-opens what an undone trip had closed. */
export const UNDO_LOCK = [LOCK_SPACE, 7] as const;
/** One reads the Events API. */
export const TAIL_LOCK = { name: 'grants-tail', key: [LOCK_SPACE, 11] } as const;
/** One compares WorkOS's lists with what we know. */
export const RECONCILIATION_LOCK = { name: 'grants-reconciliation', key: [LOCK_SPACE, 12] } as const;
/** One sends the synthetic revocations. */
export const CANARY_LOCK = { name: 'grants-canary', key: [LOCK_SPACE, 13] } as const;
