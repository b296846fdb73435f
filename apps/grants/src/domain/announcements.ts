import { createHash } from 'node:crypto';
import { CLOUD_EVENT_CONTENT_TYPE, type CloudEvent } from '#contracts/cloud-event.js';
import { momentToWire } from '#contracts/moment.js';
import {
  HEARTBEAT_KEY,
  HEARTBEAT_TYPE,
  type HeartbeatData,
  REVOCATION_TYPE,
  type RevocationData,
  SCOPE_STATE_TYPE,
} from '#contracts/revocation.js';
import { type Topic, TOPICS } from '#contracts/topics.js';
import { keyOf } from '#revocation/scope.js';
import { isHarmless } from '#revocation/scope-state.js';
import { stateToWire } from '#revocation/wire.js';
import type { ScopeChange, Step } from './fold.js';

/** A record to be published, as it stands in the outbox. */
export interface OutboxRecord {
  topic: Topic;
  key: Buffer | null;
  value: Buffer | null;
  headers: Record<string, Buffer>;
  /** By the key where left out; never so in the outbox. */
  partition?: number;
}

const SOURCE = '/grants';
const HEADERS = { 'content-type': Buffer.from(CLOUD_EVENT_CONTENT_TYPE) };
/** More ids than this are left out: ask `GET /v1/grants`. */
export const MOST_GRANT_IDS = 1_000;

/** The newest state of a scope; undefined where it can make nothing void, which nobody needs to be told. */
export function stateRecord({ scope, after, traceparent }: ScopeChange, now: Date): OutboxRecord | undefined {
  if (isHarmless(after)) return undefined;
  const data = stateToWire(scope, after);
  const id = digest(JSON.stringify(data));
  const event = {
    ...envelope(`state_${id}`, SCOPE_STATE_TYPE, now),
    subject: data.scope,
    providerid: scope.providerId,
    data,
  };
  return record(TOPICS.revocationState, data.scope, event, traceparent);
}

export interface Announcement {
  data: RevocationData;
  actor: string | null;
  record: OutboxRecord;
}

/**
 * What downstream services are told of a step that ended access. The same step has the same id however often it is
 * announced. `grantIds` undefined: too many, or not marked yet.
 */
export function announcement(step: Step, grantIds: readonly string[] | undefined, now: Date): Announcement {
  const { scope, reason, source } = step.update;
  const closing = step.update.state.closing;
  const data: RevocationData = {
    ...stateToWire(scope, step.after),
    reason,
    source_event_id: source.eventId,
    occurred_at: momentToWire(closing?.occurredAt ?? source.occurredAt),
    ...(grantIds === undefined || grantIds.length > MOST_GRANT_IDS ? {} : { revoked_grant_ids: [...grantIds] }),
  };
  const event = {
    ...envelope(revocationId(data), REVOCATION_TYPE, now),
    subject: data.scope,
    providerid: scope.providerId,
    data,
  };
  return {
    data,
    actor: source.actor,
    record: record(TOPICS.revocations, keyOf(scope), event, source.traceparent),
  };
}

/** The id of the CloudEvent that announces it. */
export function revocationId({ scope, source_event_id, occurred_at, reason }: RevocationData): string {
  return `revocation_${digest(JSON.stringify([scope, source_event_id, occurred_at, reason]))}`;
}

/** One for each of the partitions of `access.revocation-state`. */
export function heartbeatRecords({ at, ...rest }: Omit<HeartbeatData, 'at'> & { at: Date }): OutboxRecord[] {
  const data: HeartbeatData = { at: at.toISOString(), ...rest };
  const event = { ...envelope(`heartbeat_${at.getTime()}`, HEARTBEAT_TYPE, at), data };
  const heartbeat = record(TOPICS.revocationState, HEARTBEAT_KEY, event);
  return Array.from({ length: rest.partitions }, (_, partition) => ({ ...heartbeat, partition }));
}

function envelope(id: string, type: string, now: Date): Omit<CloudEvent, 'data'> {
  return {
    specversion: '1.0',
    id,
    source: SOURCE,
    type,
    time: now.toISOString(),
    datacontenttype: 'application/json',
  };
}

/** @param traceparent stands with the row, so that the trace goes on whenever the relay comes to it */
function record(topic: Topic, key: string, event: CloudEvent, traceparent?: string): OutboxRecord {
  const headers = traceparent === undefined ? HEADERS : { ...HEADERS, traceparent: Buffer.from(traceparent) };
  return { topic, key: Buffer.from(key), value: Buffer.from(JSON.stringify(event)), headers };
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);
