import type { DatabaseSchema } from '#platform/database.js';
import { CreateSignals1796428800000 } from './migrations/1796428800000-create-signals.js';
import { AddPolledSources1797465600000 } from './migrations/1797465600000-add-polled-sources.js';
import { NoteUnknownSubjects1797465610000 } from './migrations/1797465610000-note-unknown-subjects.js';
import { AddSourceStreams1797724800000 } from './migrations/1797724800000-add-source-streams.js';

/** The number of signals in the two-number keys of advisory locks. */
const LOCK_SPACE = 0x5e5c1f;

export const SIGNALS_SCHEMA: DatabaseSchema = {
  name: 'signals',
  migrations: [
    CreateSignals1796428800000,
    AddPolledSources1797465600000,
    NoteUnknownSubjects1797465610000,
    AddSourceStreams1797724800000,
  ],
  migrationLock: [LOCK_SPACE, 1],
  rights: { appendOnly: ['attempts'], kept: ['receivers', 'signing_keys', 'user_states'] },
};

/** Of all replicas one sends. */
export const SENDER_LOCK = { name: 'signals-sender', key: [LOCK_SPACE, 2] } as const;
/** One at a time makes a key. */
export const SIGNING_KEY_LOCK = [LOCK_SPACE, 3] as const;
/** Of all replicas one polls. */
export const POLLER_LOCK = { name: 'signals-poller', key: [LOCK_SPACE, 4] } as const;
