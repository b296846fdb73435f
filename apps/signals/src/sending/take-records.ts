import { CANARY_PROVIDER_ID } from '#contracts/identity-provider.js';
import { checked } from '#contracts/checked.js';
import { decodeCloudEvent } from '#contracts/cloud-event.js';
import { parseTime } from '#contracts/moment.js';
import { Rejected } from '#contracts/rejected.js';
import { REVOCATION_TYPE, revocationData, SCOPE_STATE_TYPE, scopeStateData } from '#contracts/revocation.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';
import { keyOf } from '#revocation/scope.js';
import { sameState, type ScopeState } from '#revocation/scope-state.js';
import { scopeFromWire, stateFromWire, stateToWire } from '#revocation/wire.js';
import type { ScopeStateData } from '#contracts/revocation.js';
import { type Change, changeOf, jtiOf, type Kind, type SaidRecord, signalsOf } from '../domain/signals.js';
import { enqueue, type NewDelivery } from './queue.sql.js';

/**
 * Reads a record of `access.revocations` or `access.revocation-state`; undefined for one that nobody is told of (a heartbeat, the
 * canary's). Throws `Rejected('record_malformed')`.
 */
export function decodeSaid(record: ConsumedRecord): SaidRecord | undefined {
  // A scope that was removed from the compacted topic says nothing.
  if (record.value === null) return undefined;
  const { id, type, time, providerid, data } = decodeCloudEvent(record.value);
  if (providerid === CANARY_PROVIDER_ID) return undefined;
  if (type !== REVOCATION_TYPE && type !== SCOPE_STATE_TYPE) return undefined;
  const parsed = checked(type === REVOCATION_TYPE ? revocationData : scopeStateData, data);
  if (!parsed.success) throw new Rejected('record_malformed', 'data');
  const writtenAt = time === undefined ? NaN : parseTime(time);
  const said: SaidRecord = {
    id,
    data: parsed.data,
    revocation: type === REVOCATION_TYPE ? parsed.data : undefined,
    writtenAt: Number.isNaN(writtenAt) ? Number(record.timestamp) : writtenAt,
  };
  // States are of use for accounts alone.
  return said.revocation === undefined && scopeFromWire(said.data).kind !== 'user' ? undefined : said;
}

interface Listener {
  id: string;
  kind: Kind;
  events_requested: string[] | null;
}

/**
 * Puts what the records say into the queue of everybody who is to be told, and moves the position behind them: all of it
 * commits together. Answers how much was new. `issuerOf` names the issuer of a provider's users.
 */
export async function takeRecords(
  tx: Tx,
  records: readonly ConsumedRecord[],
  said: readonly SaidRecord[],
  issuerOf: (providerId: string) => string,
): Promise<number> {
  const changes = await changesOf(tx, said);
  const listeners = await rowsOf<Listener>(
    tx,
    `select id, kind, events_requested from streams where status <> 'disabled' order by id`,
  );
  const deliveries: NewDelivery[] = changes.flatMap((change) =>
    listeners.flatMap(({ id: streamId, kind, events_requested: wanted }) =>
      signalsOf(change, kind, issuerOf(change.scope.providerId))
        .filter(({ type }) => wanted === null || wanted.includes(type))
        .map((signal) => ({ streamId, jti: jtiOf(signal, streamId), signal })),
    ),
  );
  const queued = await enqueue(tx, deliveries);
  await moveBehind(tx, records);
  return queued;
}

/** Users are locked first, in one order: whoever says something of the same one comes behind us in the queue. */
async function changesOf(tx: Tx, said: readonly SaidRecord[]): Promise<Change[]> {
  const users = [
    ...new Set(
      said
        .map(({ data }) => scopeFromWire(data))
        .filter(({ kind }) => kind === 'user')
        .map(keyOf),
    ),
  ];
  const states = await lockUsers(tx, users.sort());
  const former = new Map(states);
  const changes = said.map((record) => {
    const change = changeOf(record, states.get(record.data.scope));
    if (change.scope.kind === 'user') states.set(record.data.scope, change.after);
    return change;
  });
  const changed = changes.filter(({ scope, after }) => {
    const before = former.get(keyOf(scope));
    return scope.kind === 'user' && (before === undefined || !sameState(before, after));
  });
  await writeUsers(
    tx,
    new Map(changed.map(({ scope }) => [keyOf(scope), stateToWire(scope, states.get(keyOf(scope))!)])),
  );
  return changes;
}

async function lockUsers(tx: Tx, scopes: readonly string[]): Promise<Map<string, ScopeState>> {
  if (scopes.length === 0) return new Map();
  // A row for each, so that there is something to lock.
  await tx.query(
    `insert into user_states (scope, state) select scope, 'null' from unnest($1::text[]) as scope order by scope
     on conflict do nothing`,
    [scopes],
  );
  const rows = await rowsOf<{ scope: string; state: ScopeStateData | null }>(
    tx,
    'select scope, state from user_states where scope = any($1) order by scope for update',
    [scopes],
  );
  return new Map(rows.flatMap(({ scope, state }) => (state === null ? [] : [[scope, stateFromWire(state)]])));
}

async function writeUsers(tx: Tx, states: ReadonlyMap<string, ScopeStateData>): Promise<void> {
  if (states.size === 0) return;
  await tx.query(
    `update user_states u set state = n.state::jsonb
     from unnest($1::text[], $2::text[]) as n (scope, state) where u.scope = n.scope`,
    columns(
      [...states],
      ([scope]) => scope,
      ([, state]) => JSON.stringify(state),
    ),
  );
}

/** The next offset that is not in the queue yet. */
export async function readPosition(tx: Tx, topic: string, partition: number): Promise<string> {
  const [row] = await rowsOf<{ next_offset: string }>(
    tx,
    'select next_offset from positions where topic = $1 and partition = $2',
    [topic, partition],
  );
  return row?.next_offset ?? '0';
}

async function moveBehind(tx: Tx, records: readonly ConsumedRecord[]): Promise<void> {
  const { topic, partition, offset } = records.at(-1)!;
  await tx.query(
    `insert into positions (topic, partition, next_offset) values ($1, $2, $3)
     on conflict (topic, partition) do update set next_offset = excluded.next_offset`,
    [topic, partition, (BigInt(offset) + 1n).toString()],
  );
}
