import type { Logger } from '#platform/logging.js';
import type { Database } from '#platform/database.js';
import { isClosed, OPEN } from '#revocation/scope-state.js';
import { FOR_EVER } from '#contracts/moment.js';
import { keyOf } from '#revocation/scope.js';
import { BackgroundLoop } from '../background-loop.js';
import { changeScopes, type MarkingLimits } from '../scopes/change-scopes.js';
import type { SourcedUpdate } from '../domain/fold.js';
import { clock } from '../grants/grants.sql.js';
import { markUndone, takeScopesToReopen, type Undone } from './guard.sql.js';
import { UNDO_LOCK } from '../grants-schema.js';
import { lockScopes, readScopeIds } from '../scopes/scopes.sql.js';
import type { Tx } from '#platform/sql.js';

const POLL_MS = 2_000;
const CHUNK = 500;

/** Opens again what undone trips had closed, a chunk a transaction, from where whoever did so before has stopped. */
export class GuardUndoing extends BackgroundLoop {
  constructor(database: Database, limits: MarkingLimits, logger: Logger) {
    super('undo a mass deprovisioning', POLL_MS, logger, async () => {
      return (await database.transaction((tx) => reopenNextChunk(tx, CHUNK, limits))) === CHUNK;
    });
  }
}

/**
 * Re-opens scopes, as the person does who undid the trip: each with a moment of now, later than its closing, so the rule
 * needs no exception. A tombstone stays; so does what was closed by something else since: by hand, or by an event that
 * the trip does not hold. Answers how many scopes it has looked at.
 */
export async function reopenNextChunk(tx: Tx, chunk: number, limits: MarkingLimits): Promise<number> {
  const wanted = await takeScopesToReopen(tx, chunk, UNDO_LOCK);
  if (wanted.length === 0) return 0;
  const scopes = await readScopeIds(
    tx,
    wanted.map(({ scopeKey }) => scopeKey),
  );
  const states = await lockScopes(tx, scopes, 'update');
  const scopeOf = new Map(scopes.map((scope) => [keyOf(scope), scope]));
  const now = await clock(tx);
  const updates: SourcedUpdate[] = [];
  const done = wanted.map((scope): { scope: typeof scope; undone: Undone } => {
    const state = states.get(scope.scopeKey)!;
    if (state.closedAt === FOR_EVER) return { scope, undone: 'tombstone' };
    const { sourceEventId } = state.closing!;
    if (!isClosed(state) || sourceEventId === null || !scope.eventIds.includes(sourceEventId)) {
      return { scope, undone: 'left' };
    }
    // Our clock may be behind the one that said when it was closed.
    const openedAt = Math.max(now, state.closedAt + 1);
    updates.push({
      scope: scopeOf.get(scope.scopeKey)!,
      state: { ...OPEN, openedAt },
      reason: null,
      source: { eventId: null, occurredAt: now, actor: scope.decidedBy, note: scope.note },
    });
    return { scope, undone: 'reopened' };
  });
  await changeScopes(tx, updates, limits);
  await markUndone(tx, done);
  return wanted.length;
}
