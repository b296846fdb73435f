import { createHash } from 'node:crypto';
import type { Moment } from '#contracts/moment.js';
import { madeStorable } from '#contracts/storable.js';
import type { ReceivedSignal } from '#contracts/workos-event.js';
import {
  CAEP_SESSION_REVOKED,
  RISC_ACCOUNT_DISABLED,
  RISC_ACCOUNT_PURGED,
  SSF_STREAM_UPDATED,
  SSF_VERIFICATION,
} from './event-types.js';
import { scopeOfSubject } from './subject.js';

/** Of a source: as whom it may speak of whom. */
export interface SpokenOf {
  sourceId: string;
  providerId: string;
  /** The names that an issuer of this provider's users may have. */
  issuers: readonly string[];
}

/** A SET, its signature checked. */
export interface CheckedSet {
  jti: string;
  iat: number;
  toe?: number | undefined;
  txn?: string | undefined;
  sub_id?: unknown;
  events: Readonly<Record<string, unknown>>;
}

/** What a SET does here: an event for `workos.events`, or nothing, and why. */
export type Meaning = { event: ReceivedEvent } | { nothing: 'event_type' } | { nothing: 'subject'; format: string };

export interface ReceivedEvent {
  id: string;
  event: 'signal.received';
  /** `jti` and `txn` as the SET has them, so that it is found again with whoever sent it. */
  data: ReceivedSignal & { source_id: string; event_type: string; jti: string; txn?: string };
  created_at: string;
}

const ENDS = new Map<string, ReceivedSignal['ends']>([
  [RISC_ACCOUNT_PURGED, 'account_for_ever'],
  [RISC_ACCOUNT_DISABLED, 'account'],
  [CAEP_SESSION_REVOKED, 'sessions'],
]);

/**
 * What a SET of another transmitter means. From the SET alone, with its own time: it may come twice, late or in any order, and
 * means the same. What would let somebody in (`account-enabled`) means nothing here.
 */
export function meaningOf(set: CheckedSet, { sourceId, providerId, issuers }: SpokenOf): Meaning {
  const [[type, given] = ['', {}]] = Object.entries(set.events);
  const ends = ENDS.get(type);
  if (ends === undefined) return { nothing: 'event_type' };
  const event = (typeof given === 'object' && given !== null ? given : {}) as Record<string, unknown>;
  // Before SSF 1.0 the subject stood within the event.
  const subject = set.sub_id ?? event['subject'];
  const scope =
    typeof subject === 'object' && subject !== null
      ? scopeOfSubject(
          subject as Record<string, unknown>,
          (issuer) => (issuers.includes(issuer) ? [providerId] : []),
          providerId,
        )
      : undefined;
  if (!scope || (ends !== 'sessions' && scope.kind !== 'user'))
    return { nothing: 'subject', format: formatOf(subject) };
  return {
    event: {
      id: `signal_${createHash('sha256')
        .update(JSON.stringify([sourceId, set.jti]))
        .digest('hex')
        .slice(0, 32)}`,
      event: 'signal.received',
      data: {
        ...('userId' in scope ? { user_id: scope.userId } : {}),
        ...('organizationId' in scope ? { organization_id: scope.organizationId } : {}),
        ...('sessionId' in scope ? { session_id: scope.sessionId } : {}),
        ends,
        source_id: sourceId,
        event_type: type,
        jti: set.jti,
        ...(set.txn === undefined ? {} : { txn: set.txn }),
      },
      created_at: new Date(momentOf(set, event)).toISOString(),
    },
  };
}

/** Of a subject that is not understood, what may be told of it: not whom it names. */
function formatOf(subject: unknown): string {
  const { format } = (typeof subject === 'object' ? (subject ?? {}) : {}) as Record<string, unknown>;
  return typeof format === 'string' && /^[\w-]{1,40}$/.test(format) ? format : 'none';
}

/** What a SET says of the stream that it came over (SSF 1.0, sections 8.1.4 and 8.1.5). */
export type StreamWord =
  | { kind: 'verification'; state: string | null }
  | { kind: 'status'; status: StreamStatus; reason: string | null; at: Moment };

const STREAM_STATUSES = ['enabled', 'paused', 'disabled'] as const;
export type StreamStatus = (typeof STREAM_STATUSES)[number];
const MOST_REASON = 500;

/** What is kept of the words of a transmitter, and shown to people. */
export const keptReason = (reason: unknown): string | null =>
  typeof reason === 'string' ? madeStorable(reason).slice(0, MOST_REASON) : null;

/** Undefined: nothing, or nothing that can be understood. */
export function wordOnStream(set: CheckedSet): StreamWord | undefined {
  const [[type, given] = ['', {}]] = Object.entries(set.events);
  const event = (typeof given === 'object' && given !== null ? given : {}) as Record<string, unknown>;
  if (type === SSF_VERIFICATION) {
    const { state } = event;
    return {
      kind: 'verification',
      state: typeof state === 'string' ? madeStorable(state) : null,
    };
  }
  if (type !== SSF_STREAM_UPDATED) return undefined;
  const status = STREAM_STATUSES.find((known) => known === event['status']);
  if (status === undefined) return undefined;
  const reason = event['reason'];
  return {
    kind: 'status',
    status,
    reason: keptReason(reason),
    at: momentOf(set, event),
  };
}

/** When it happened; never after it was said, so that nobody is shut out of a time that is still to come. */
function momentOf({ iat, toe }: CheckedSet, event: Record<string, unknown>): Moment {
  const said = [event['event_timestamp'], toe, iat].find(
    (seconds): seconds is number => typeof seconds === 'number' && seconds > 0,
  )!;
  return Math.min(said, iat) * 1000;
}
