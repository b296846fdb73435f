import { FOR_EVER, NEVER } from '#contracts/moment.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import type { Scope } from '#revocation/scope.js';
import { OPEN } from '#revocation/scope-state.js';
import type { SourcedUpdate } from '../domain/fold.js';
import { scopeOfRow } from '../scopes/scopes.sql.js';

interface HandRow {
  provider_id: string;
  kind: Scope['kind'];
  user_id: string | null;
  organization_id: string | null;
  session_id: string | null;
  moment: number;
  occurred_at: number;
  reason: string;
  actor: string | null;
}

/**
 * What people have done by hand to scopes: no event tells of it, their own records do. Closings stand in `scope_closings`
 * without an event; openings (also those that undo a mass deprovisioning) in the audit, which nobody can rewrite.
 */
export async function handUpdates(tx: Tx, live: string): Promise<SourcedUpdate[]> {
  const closings = await rowsOf<HandRow>(
    tx,
    `select s.provider_id, s.kind, s.user_id, s.organization_id, s.session_id, c.closed_at as moment, c.occurred_at,
       c.reason, c.actor
     from ${live}.scope_closings c join ${live}.scopes s using (scope_key) where c.source_event_id = ''`,
  );
  const openings = await rowsOf<HandRow>(
    tx,
    `select s.provider_id, s.kind, s.user_id, s.organization_id, s.session_id,
       (a.detail ->> 'opened_at')::float8 as moment, (a.detail ->> 'opened_at')::float8 as occurred_at,
       a.reason, a.actor
     from ${live}.audit a join ${live}.scopes s on s.scope_key = a.subject
     where a.action = 'scope.opened' and a.source_event_id is null`,
  );
  return [
    ...closings.map((row) => {
      const closing = { reason: row.reason, sourceEventId: null, occurredAt: row.occurred_at };
      return updateOf(row, { ...OPEN, closedAt: row.moment, closing }, row.reason);
    }),
    ...openings.map((row) => updateOf(row, { ...OPEN, openedAt: row.moment }, null)),
  ].filter(({ state }) => state.closedAt !== NEVER || (state.openedAt !== NEVER && state.openedAt !== FOR_EVER));
}

function updateOf(row: HandRow, state: SourcedUpdate['state'], reason: string | null): SourcedUpdate {
  const source = { eventId: null, occurredAt: row.occurred_at, actor: row.actor };
  return { scope: scopeOfRow(row), state, reason, source };
}
