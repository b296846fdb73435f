import { decodeStateRecord, type ScopeStateData } from '#contracts/revocation.js';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { TopicReader } from '#kafka/topic-reader.js';
import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import type { ScopeKey } from '#revocation/scope.js';
import { merge, OPEN, sameState } from '#revocation/scope-state.js';
import { scopeFromWire, stateFromWire } from '#revocation/wire.js';
import { changeScopes, type MarkingLimits } from '../scopes/change-scopes.js';
import { stateRecord } from '../domain/announcements.js';
import type { SourcedUpdate } from '../domain/fold.js';
import { enqueue } from './outbox.sql.js';
import { readStates, readStatesAfter } from '../scopes/scopes.sql.js';

const CHUNK = 500;
const CONSUMED = [TOPICS.workosEvents, TOPICS.signIns] as const;

export interface RecoveryParts {
  database: Database;
  client: KafkaClient;
  groupId: string;
  limits: MarkingLimits;
  logger: Logger;
}

/** What Postgres and Kafka say of one past. Offsets are the next ones; -1n: none. */
export interface Pasts {
  /** topic/partition → as Postgres has it, as Kafka has it for our group, and the end of the partition. */
  partitions: { topic: string; partition: number; applied: bigint; committed: bigint; end: bigint }[];
  isStateTopicEmpty: boolean;
}

export interface Disagreement {
  /** The database was restored from a backup, or is new: Kafka has what it lacks. */
  databaseWentBack: boolean;
  /** Kafka was made anew: partitions that are shorter than what was applied. */
  shortened: { topic: string; partition: number }[];
  /** And the states that verifiers start from are gone. */
  statesAreGone: boolean;
}

/**
 * Postgres commits before Kafka does, so it is never behind in the same past. Where it is, or where a partition ends before
 * what was applied, one of the two was made anew or restored.
 */
export function disagreement({ partitions, isStateTopicEmpty }: Pasts): Disagreement {
  return {
    databaseWentBack: partitions.some(
      ({ applied, committed, end }) => committed <= end && committed > applied && committed > 0n,
    ),
    shortened: partitions.filter(({ applied, end }) => applied > end),
    statesAreGone: isStateTopicEmpty,
  };
}

/**
 * Makes Postgres and Kafka agree on one past, before anything is applied or published; changes nothing where they do.
 *
 * Postgres restored from a backup: what was closed since then stands on `access.revocation-state` alone (by hand, and by
 * events that will be read again), and is merged back first, since a state that is published without it would replace it.
 * Kafka made anew: the positions begin again, and every state is published again.
 */
export async function recover(parts: RecoveryParts): Promise<Disagreement> {
  const { database, logger } = parts;
  const found = disagreement(await readPasts(parts));
  if (found.databaseWentBack) {
    const merged = await mergeStatesBack(parts);
    logger.warn({ scopes: merged }, 'the database had gone back: what was closed since is merged back from Kafka');
  }
  if (found.shortened.length > 0) {
    await database.transaction((tx) => forgetPositions(tx, found.shortened));
    logger.warn({ partitions: found.shortened }, 'Kafka was made anew: these are read from their beginning');
  }
  if (found.statesAreGone) {
    const published = await publishEveryState(database);
    if (published > 0) logger.warn({ scopes: published }, 'the state topic was empty: every state is published again');
  }
  return found;
}

async function readPasts({ database, client, groupId }: RecoveryParts): Promise<Pasts> {
  const committed = await client.committedOffsets(groupId, CONSUMED);
  const applied = await database.read((tx) =>
    rowsOf<{ topic: string; partition: number; next_offset: string }>(
      tx,
      'select topic, partition, next_offset from consumer_positions',
    ),
  );
  const partitions: Pasts['partitions'] = [];
  for (const topic of CONSUMED) {
    for (const [number, end] of Object.entries(await client.endOffsets(topic))) {
      const partition = Number(number);
      const row = applied.find((one) => one.topic === topic && one.partition === partition);
      partitions.push({
        topic,
        partition,
        applied: BigInt(row?.next_offset ?? -1),
        committed: committed[topic]?.[partition] ?? -1n,
        end: BigInt(end),
      });
    }
  }
  const ends = Object.values(await client.endOffsets(TOPICS.revocationState));
  return { partitions, isStateTopicEmpty: ends.every((end) => end === '0') };
}

async function forgetPositions(tx: Tx, partitions: readonly { topic: string; partition: number }[]): Promise<void> {
  for (const { topic, partition } of partitions) {
    await tx.query('delete from consumer_positions where topic = $1 and partition = $2', [topic, partition]);
  }
}

/** Merges what the state topic knows into Postgres. Answers how many scopes changed. */
async function mergeStatesBack({ database, client, limits, logger }: RecoveryParts): Promise<number> {
  const newest = new Map<ScopeKey, ScopeStateData>();
  const reader = new TopicReader(client, {
    topics: [TOPICS.revocationState],
    onRecords: (records) => {
      for (const { value } of records) {
        if (value === null) continue;
        const record = decodeStateRecord(value);
        if (record.kind === 'scope') newest.set(record.data.scope, record.data);
      }
    },
    logger,
  });
  try {
    await reader.start();
    await reader.caughtUp;
  } finally {
    await reader.close();
  }
  let changed = 0;
  const known = [...newest.values()].sort((a, b) => (a.scope < b.scope ? -1 : 1));
  for (let at = 0; at < known.length; at += CHUNK) {
    const chunk = known.slice(at, at + CHUNK);
    changed += await database.transaction(async (tx) => {
      const stored = await readStates(
        tx,
        chunk.map(({ scope }) => scope),
      );
      const updates = chunk.flatMap((data): SourcedUpdate[] => {
        const state = stateFromWire(data);
        const before = stored.get(data.scope) ?? OPEN;
        if (sameState(before, merge(before, state))) return [];
        const actor = data.source_event_id === null ? 'recovery' : null;
        const occurredAt = state.closing?.occurredAt ?? state.tokensBefore;
        const source = { eventId: data.source_event_id, occurredAt, actor };
        return [{ scope: scopeFromWire(data), state, reason: data.reason, source }];
      });
      await changeScopes(tx, updates, limits);
      return updates.length;
    });
  }
  return changed;
}

/** Puts the state of every scope into the outbox, in chunks; what changes meanwhile comes behind. */
export async function publishEveryState(database: Database): Promise<number> {
  let published = 0;
  for (let after = ''; ;) {
    const last = await database.transaction(async (tx) => {
      const states = await readStatesAfter(tx, after, CHUNK);
      const records = states.flatMap(
        ({ scope, state }) => stateRecord({ scope, before: OPEN, after: state }, new Date()) ?? [],
      );
      await enqueue(tx, records);
      published += records.length;
      return states.at(-1)?.key;
    });
    if (last === undefined) return published;
    after = last;
  }
}
