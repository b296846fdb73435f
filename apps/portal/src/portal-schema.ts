import type { DatabaseSchema } from '#platform/database.js';
import { AddModeAndGuard1767312000000 } from './migrations/1767312000000-add-mode-and-guard.js';
import { ConfirmClaimMappings1795910400000 } from './migrations/1795910400000-confirm-claim-mappings.js';
import { AddSessions1795996800000 } from './migrations/1795996800000-add-sessions.js';
import { AddApiKeys1795996900000 } from './migrations/1795996900000-add-api-keys.js';
import { AddPeople1795997000000 } from './migrations/1795997000000-add-people.js';
import { AddSigningKeys1796169700000 } from './migrations/1796169700000-add-signing-keys.js';
import { AddLastSignIn1796601600000 } from './migrations/1796601600000-add-last-sign-in.js';
import { CreatePortal1767225600000 } from './migrations/1767225600000-create-portal.js';

/** The portal's number in the two-number keys of advisory locks. */
const LOCK_SPACE = 0x5e5c1e;

export const PORTAL_SCHEMA: DatabaseSchema = {
  name: 'portal',
  migrations: [
    CreatePortal1767225600000,
    AddModeAndGuard1767312000000,
    ConfirmClaimMappings1795910400000,
    AddSessions1795996800000,
    AddApiKeys1795996900000,
    AddPeople1795997000000,
    AddSigningKeys1796169700000,
    AddLastSignIn1796601600000,
  ],
  migrationLock: [LOCK_SPACE, 1],
  rights: { appendOnly: ['changes'], kept: ['identity_providers', 'signing_keys'] },
};

export const PUBLICATION_LOCK = { name: 'portal-publication', key: [LOCK_SPACE, 2] } as const;
