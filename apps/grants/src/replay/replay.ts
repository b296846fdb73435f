import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { decodeCloudEvent } from '#contracts/cloud-event.js';
import { TOPICS } from '#contracts/topics.js';
import { withoutShadow } from '#contracts/workos-event.js';
import type { KafkaClient } from '#kafka/client.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { Database, type DatabaseConfig } from '#platform/database.js';
import { codeOf } from '#platform/database-errors.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import type { SuspensionRule } from '#revocation/effects.js';
import { applyBatch } from '../events/apply-batch.js';
import { changeScopes } from '../scopes/change-scopes.js';
import { GRANTS_SCHEMA } from '../grants-schema.js';
import { handUpdates } from './by-hand.js';
import { compare, compareTopic, type Difference, wireStates } from './compare.js';
import { putBack, type Repairs, repairsOf } from './put-back.js';

const LIVE = GRANTS_SCHEMA.name;
const CHUNK = 1_000;
/** SQLSTATE */
const INSUFFICIENT_PRIVILEGE = '42501';
const PUBLISHED_WITHIN_MS = 60_000;

export interface ReplayOptions {
  database: DatabaseConfig;
  client: KafkaClient;
  /** What is retained: the receipts, byte for byte as they came, or the topic; what the topic lacks, the receipts have. */
  source: 'receipts' | 'kafka';
  suspensionOf: (providerId: string) => SuspensionRule | undefined;
  /** The schema in which the rebuilt state is left; otherwise one of its own, which is dropped. */
  keepIn?: string | undefined;
  /** Puts back what the live state lacks. Nothing is ever taken away. */
  repair?: boolean;
  say?: (what: string) => void;
}

export interface ReplayReport {
  /** Records that were applied. */
  records: number;
  scopes: number;
  grants: number;
  differences: Difference[];
}

/**
 * Builds grants' state from scratch, in a schema of its own, by the very code that builds the live one, from the events that
 * are retained and from the records of what was done by hand; then compares the two, and the compacted topic. Grants may go
 * on meanwhile: the comparison is of one moment.
 */
export async function replay(options: ReplayOptions): Promise<ReplayReport> {
  const { say = () => undefined } = options;
  const name = options.keepIn ?? `${LIVE}_replay_${randomBytes(4).toString('hex')}`;
  if (!/^[a-z][a-z0-9_]{0,50}$/.test(name) || name === LIVE) {
    throw new Error(`name a schema of small letters, digits and _ that is not ${LIVE}, where the live state is`);
  }
  const scratch = new Database(options.database, { ...GRANTS_SCHEMA, name });
  try {
    await startScratch(scratch);
    let records = options.source === 'kafka' ? await applyTopic(scratch, options) : 0;
    if (options.source === 'receipts') records += await applyReceipts(scratch, options);
    say(`${records} records applied; comparing`);
    const compared = await scratch.source.transaction('REPEATABLE READ', async (tx) => {
      // What has come since. By their absence, not by their number: a lower one may be committed later.
      for (;;) {
        const more = await readReceipts(
          tx,
          `not exists (select 1 from receipts s
          where s.event_id = r.event_id and s.provider_id = r.provider_id)`,
        );
        if (more.length === 0) break;
        await applyBatch(
          tx,
          more.map(({ record }) => record),
          applyOptions(options),
        );
        records += more.length;
      }
      await changeScopes(tx, await handUpdates(tx, LIVE), { inline: CHUNK });
      return {
        ...(await compare(tx, LIVE)),
        states: await wireStates(tx, name),
        lastQueued: (await rowsOf<{ id: string | null }>(tx, `select max(id) as id from ${LIVE}.outbox`))[0]!.id,
      };
    });
    await untilPublished(scratch, compared.lastQueued);
    const onTopic = await compareTopic(options.client, compared.states, (keys) =>
      scratch.read((tx) => wireStates(tx, LIVE, keys)),
    );
    const differences = [...compared.differences, ...onTopic];
    if (options.repair && differences.length > 0) {
      const repairs: Repairs = await scratch.read((tx) => repairsOf(tx, LIVE, differences));
      await putBack(options.database, repairs);
    }
    return { records, scopes: compared.states.size, grants: compared.grants, differences };
  } finally {
    await scratch.close();
    if (options.keepIn === undefined) await drop(options.database, name);
  }
}

async function startScratch(scratch: Database): Promise<void> {
  try {
    await scratch.start();
  } catch (error) {
    if (codeOf(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    const who = 'The role of DATABASE_URL may not make the schema in which the state is rebuilt';
    throw new Error(`${who}: set MIGRATION_DATABASE_URL, to the role that migrates.`, { cause: error });
  }
}

/** As whoever has made it. */
async function drop({ url, migrationUrl }: DatabaseConfig, schema: string): Promise<void> {
  const owner = new pg.Client({ connectionString: migrationUrl ?? url });
  await owner.connect();
  try {
    await owner.query(`drop schema if exists ${schema} cascade`);
  } finally {
    await owner.end();
  }
}

const applyOptions = ({ suspensionOf }: ReplayOptions) => ({ suspensionOf, limits: { inline: CHUNK } });

const isShadow = (value: Buffer): boolean => decodeCloudEvent(value).shadow === true;

interface ReceiptRecord {
  seq: string;
  record: ConsumedRecord;
}

async function readReceipts(tx: Tx, which: string, parameters: unknown[] = []): Promise<ReceiptRecord[]> {
  const rows = await rowsOf<{
    seq: string;
    outcome: string;
    topic: string;
    partition: number;
    kafka_offset: string;
    value: Buffer;
  }>(
    tx,
    `select seq, outcome, topic, partition, kafka_offset, value from ${LIVE}.receipts r where ${which}
     order by seq limit ${CHUNK}`,
    parameters,
  );
  return rows.map(({ seq, outcome, topic, partition, kafka_offset: offset, value }) => ({
    seq,
    record: {
      topic,
      partition,
      offset,
      key: null,
      // It came in shadow mode and was sent again since: what counts is the second time.
      value: outcome !== 'shadow' && isShadow(value) ? withoutShadow(value) : value,
      headers: {},
      timestamp: '0',
    },
  }));
}

async function applyReceipts(scratch: Database, options: ReplayOptions): Promise<number> {
  let applied = 0;
  for (let after = '0'; ;) {
    const read = await scratch.transaction(async (tx) => {
      const receipts = await readReceipts(tx, 'seq > $1', [after]);
      if (receipts.length > 0) {
        await applyBatch(
          tx,
          receipts.map(({ record }) => record),
          applyOptions(options),
        );
      }
      return receipts;
    });
    applied += read.length;
    if (read.length < CHUNK) return applied;
    after = read.at(-1)!.seq;
    if (applied % 50_000 === 0) options.say?.(`${applied} records applied`);
  }
}

/** Everything that the live state has applied, from the topic itself. */
async function applyTopic(scratch: Database, options: ReplayOptions): Promise<number> {
  const positions = await scratch.read((tx) =>
    rowsOf<{ partition: number; next_offset: string }>(
      tx,
      `select partition, next_offset from ${LIVE}.consumer_positions where topic = $1`,
      [TOPICS.workosEvents],
    ),
  );
  const ends = new Map(positions.map(({ partition, next_offset: offset }) => [partition, BigInt(offset)]));
  let applied = 0;
  const reader = new TopicReader(options.client, {
    topics: [TOPICS.workosEvents],
    onRecords: async (read) => {
      const records = read.filter(({ partition, offset }) => BigInt(offset) < (ends.get(partition) ?? 0n));
      for (let at = 0; at < records.length; at += CHUNK) {
        const chunk = records.slice(at, at + CHUNK);
        await scratch.transaction((tx) => applyBatch(tx, chunk, applyOptions(options)));
        applied += chunk.length;
      }
    },
  });
  try {
    await reader.start();
    await reader.caughtUp;
  } finally {
    await reader.close();
  }
  return applied;
}

/** What was queued when the states were compared is on its way to the topic. */
async function untilPublished(scratch: Database, last: string | null): Promise<void> {
  if (last === null) return;
  const deadline = performance.now() + PUBLISHED_WITHIN_MS;
  for (;;) {
    const [row] = await scratch.read((tx) =>
      rowsOf<{ waits: boolean }>(tx, `select exists (select 1 from ${LIVE}.outbox where id <= $1) as waits`, [last]),
    );
    if (!row!.waits) return;
    if (performance.now() > deadline) throw new Error('the outbox is not being published: is grants running?');
    await delay(100);
  }
}
