import { Database, type DatabaseConfig } from '#platform/database.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import { keyOf, type Scope, type ScopeKey } from '#revocation/scope.js';
import { OPEN } from '#revocation/scope-state.js';
import { changeScopes } from '../scopes/change-scopes.js';
import { stateRecord } from '../domain/announcements.js';
import type { SourcedUpdate } from '../domain/fold.js';
import { GRANTS_SCHEMA } from '../grants-schema.js';
import { enqueueMarking } from '../marking/marking-jobs.sql.js';
import { enqueue } from '../outbox/outbox.sql.js';
import { lockScopes, readEveryState, scopeOfRow } from '../scopes/scopes.sql.js';
import type { Difference } from './compare.js';

/** What the live state lacks. */
export interface Repairs {
  /** To be merged: a state only grows, so what is there already changes nothing. */
  updates: SourcedUpdate[];
  /** Their grants are to be marked again. */
  unmarked: Scope[];
  /** Their states are to be published again. */
  unpublished: ScopeKey[];
}

interface ClosingRow {
  scope_key: string;
  closed_at: number;
  reason: string;
  source_event_id: string;
  occurred_at: number;
  actor: string | null;
}
interface IdRow {
  provider_id: string;
  kind: Scope['kind'];
  user_id: string | null;
  organization_id: string | null;
  session_id: string | null;
}

/** From the rebuilt state, which is the one in the search path. */
export async function repairsOf(tx: Tx, live: string, differences: readonly Difference[]): Promise<Repairs> {
  const scopeKeys = differences.filter(({ what }) => what === 'scope').map(({ key }) => key);
  const closingKeys = differences.filter(({ what }) => what === 'closing').map(({ key }) => key.split(' ')[0]!);
  const states = await readEveryState(tx, 'current', [...new Set([...scopeKeys, ...closingKeys])]);
  const closings = await rowsOf<ClosingRow>(tx, 'select * from scope_closings where scope_key = any($1)', [
    states.map(({ key }) => key),
  ]);
  const updates = states.flatMap(({ key, scope, state }): SourcedUpdate[] => {
    const opened = { ...OPEN, openedAt: state.openedAt, tokensBefore: state.tokensBefore };
    const source = { eventId: null, occurredAt: state.closing?.occurredAt ?? 0, actor: 'replay' };
    return [
      ...closings
        .filter(({ scope_key }) => scope_key === key)
        .map((row) => {
          const eventId = row.source_event_id === '' ? null : row.source_event_id;
          const closing = { reason: row.reason, sourceEventId: eventId, occurredAt: row.occurred_at };
          return {
            scope,
            state: { ...OPEN, closedAt: row.closed_at, closing },
            reason: row.reason,
            source: { eventId, occurredAt: row.occurred_at, actor: row.actor },
          };
        }),
      { scope, state: opened, reason: null, source },
    ];
  });
  const grants = await rowsOf<IdRow>(
    tx,
    `select distinct provider_id, 'user' as kind, user_id, null as organization_id, null as session_id
     from ${live}.grants where id = any($1)`,
    [differences.filter(({ what }) => what === 'mark').map(({ key }) => key)],
  );
  return {
    updates,
    unmarked: grants.map((row) => scopeOfRow(row)),
    unpublished: differences.filter(({ what }) => what === 'topic').map(({ key }) => key),
  };
}

/** Into the live state, by the code that an event goes through: marks, audit and announcements follow. */
export async function putBack(config: DatabaseConfig, { updates, unmarked, unpublished }: Repairs): Promise<void> {
  const live = new Database(config, GRANTS_SCHEMA);
  await live.start();
  try {
    await live.transaction(async (tx) => {
      const scopes = [...updates.map(({ scope }) => scope)];
      await lockScopes(tx, scopes, 'update');
      await changeScopes(tx, updates, { inline: 5_000 });
      await enqueueMarking(tx, unmarked);
      const done = new Set(scopes.map(keyOf));
      const states = await readEveryState(
        tx,
        'current',
        unpublished.filter((key) => !done.has(key)),
      );
      const now = new Date();
      await enqueue(
        tx,
        states.flatMap(({ scope, state }) => stateRecord({ scope, before: OPEN, after: state }, now) ?? []),
      );
    });
  } finally {
    await live.close();
  }
}
