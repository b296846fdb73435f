import { Rejected } from '#contracts/rejected.js';
import { isStorable } from '#contracts/storable.js';
import { decodeWorkOSRecord, type Via, type WorkOSEvent } from '#contracts/workos-event.js';
import type { ConsumedRecord } from '#kafka/record.js';

export interface DecodedRecord {
  record: ConsumedRecord;
  event: WorkOSEvent;
  receivedAt: number;
  via: Via | undefined;
}

export interface RejectedRecord {
  record: ConsumedRecord;
  reason: string;
  detail: string | null;
}

/** Reads each record; what no retry can make acceptable is told apart, and does not hold up the rest. */
export function decodeBatch(records: readonly ConsumedRecord[]): {
  decoded: DecodedRecord[];
  rejected: RejectedRecord[];
} {
  const decoded: DecodedRecord[] = [];
  const rejected: RejectedRecord[] = [];
  for (const record of records) {
    try {
      const { event, receivedAt, via } = decodeWorkOSRecord(record.value);
      assertStorableIds(event);
      decoded.push({ record, event, receivedAt, via });
    } catch (error) {
      // Decoding is a function of the bytes alone, so whatever it fails with, it will fail with again.
      const { code, detail } = error instanceof Rejected ? error : new Rejected('record_malformed', 'unreadable');
      rejected.push({ record, reason: code, detail: detail ?? null });
    }
  }
  return { decoded, rejected };
}

/** Ids become keys and must come back as they were. */
function assertStorableIds(event: WorkOSEvent): void {
  const ids = [event.id, event.providerId, ...idsOf(event)];
  if (!ids.every(isStorable)) throw new Rejected('event_malformed', 'an id');
}

function idsOf(event: WorkOSEvent): string[] {
  if (event.type === 'unknown') return [event.name];
  const { id, user_id, organization_id, session_id } = event.data as Record<string, string | null | undefined>;
  return [id, user_id, organization_id, session_id].filter((value) => typeof value === 'string');
}

/** Whom an event is about, as far as it says so. */
export function subjectOf(event: WorkOSEvent): { userId: string | null; organizationId: string | null } {
  switch (event.type) {
    case 'user.created':
    case 'user.updated':
    case 'user.deleted':
      return { userId: event.data.id, organizationId: null };
    case 'organization.created':
    case 'organization.updated':
    case 'organization.deleted':
      return { userId: null, organizationId: event.data.id };
    case 'organization_membership.created':
    case 'organization_membership.updated':
    case 'organization_membership.deleted':
    case 'session.created':
    case 'session.revoked':
    case 'signal.received':
      return { userId: event.data.user_id ?? null, organizationId: event.data.organization_id ?? null };
    case 'unknown':
      return { userId: null, organizationId: null };
  }
}
