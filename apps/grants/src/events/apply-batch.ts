import { type Topic, TOPICS } from '#contracts/topics.js';
import type { WorkOSEvent } from '#contracts/workos-event.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { effectsOf, type SuspensionRule, wouldBeEffectsOf } from '#revocation/effects.js';
import { type AuditEntry, appendAudit } from '../audit/audit.sql.js';
import { type ChangedScopes, changeScopes, type MarkingLimits } from '../scopes/change-scopes.js';
import { decodeBatch, type DecodedRecord, type RejectedRecord } from './decode-batch.js';
import { writeDirectory } from '../directory/directory.sql.js';
import type { GuardOf } from '../guard/guard.js';
import type { OutboxRecord } from '../domain/announcements.js';
import { directoryChanges } from '../domain/directory.js';
import type { SourcedUpdate } from '../domain/fold.js';
import { enqueue, movePosition } from '../outbox/outbox.sql.js';
import { insertReceipts } from './receipts.sql.js';
import { recordShadow } from '../shadow/shadow.js';
import { headerBytes, insertSetAside, setAsideId } from '../set-aside/set-aside.sql.js';
import type { Tx } from '#platform/sql.js';

export interface ApplyOptions {
  suspensionOf: (providerId: string) => SuspensionRule | undefined;
  limits: MarkingLimits;
  guardOf?: GuardOf;
  /** Event id → the trace that goes on with what it changes. */
  traceOf?: (eventId: string) => string | undefined;
}

export interface AppliedBatch extends ChangedScopes {
  /** Events that had not come before. */
  fresh: number;
  setAside: RejectedRecord[];
  decoded: DecodedRecord[];
}

/**
 * Applies records of one partition. Everything commits together or not at all: receipts, scopes, grants, directory, audit,
 * outbox, position; a record that cannot be read is set aside, and the rest goes on. Applying them again changes nothing.
 */
export async function applyBatch(
  tx: Tx,
  records: readonly ConsumedRecord[],
  options: ApplyOptions,
  { decoded, rejected } = decodeBatch(records),
): Promise<AppliedBatch> {
  const fresh = await insertReceipts(tx, decoded);
  await writeDirectory(tx, directoryChanges(decoded.map(({ event }) => event)));
  const events = decoded.map(({ event }) => event);
  await recordShadow(
    tx,
    sourcedUpdates(
      events.filter(({ shadow }) => shadow),
      wouldBeEffectsOf,
      options,
    ),
  );
  const changed = await changeScopes(tx, sourcedUpdates(events, effectsOf, options), options.limits, options.guardOf);
  await setAside(tx, rejected);
  await moveBehind(tx, records);
  return { ...changed, fresh, setAside: rejected, decoded };
}

function sourcedUpdates(
  events: readonly WorkOSEvent[],
  meaning: typeof effectsOf,
  { suspensionOf, traceOf = () => undefined }: ApplyOptions,
): SourcedUpdate[] {
  return events.flatMap((event) =>
    meaning(event, suspensionOf(event.providerId)).map((update) => ({
      ...update,
      source: { eventId: event.id, occurredAt: event.occurredAt, actor: null, traceparent: traceOf(event.id) },
    })),
  );
}

/** Keeps what cannot be read, and passes events on to the dead-letter topic: original bytes and headers, and the reason. */
export async function setAside(tx: Tx, rejected: readonly RejectedRecord[]): Promise<void> {
  const fresh = await insertSetAside(tx, rejected);
  await appendAudit(tx, fresh.map(auditOfSetAside));
  await enqueue(tx, fresh.filter(({ record }) => record.topic === TOPICS.workosEvents).map(deadLetter));
}

function auditOfSetAside({ record, reason, detail }: RejectedRecord): AuditEntry {
  const { topic, partition, offset } = record;
  return {
    actor: 'rescind',
    action: 'record.set_aside',
    providerId: null,
    subject: setAsideId(record),
    reason,
    sourceEventId: null,
    detail: { topic, partition, offset, ...(detail === null ? {} : { detail }) },
  };
}

function deadLetter({ record, reason, detail }: RejectedRecord): OutboxRecord {
  return {
    topic: TOPICS.workosEventsDlq,
    key: record.key,
    value: record.value,
    headers: {
      ...headerBytes(record.headers),
      'rescind-reason': Buffer.from(reason),
      ...(detail === null ? {} : { 'rescind-detail': Buffer.from(detail) }),
      'rescind-topic': Buffer.from(record.topic),
      'rescind-partition': Buffer.from(String(record.partition)),
      'rescind-offset': Buffer.from(record.offset),
    },
  };
}

export async function moveBehind(tx: Tx, records: readonly ConsumedRecord[]): Promise<void> {
  const last = records.at(-1);
  if (last) await movePosition(tx, last.topic as Topic, last.partition, String(BigInt(last.offset) + 1n));
}
