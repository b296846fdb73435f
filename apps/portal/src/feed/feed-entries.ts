import { decodeCloudEvent } from '#contracts/cloud-event.js';
import { CANARY_PROVIDER_ID } from '#contracts/identity-provider.js';
import { REFUSAL_TYPE, refusalData } from '#contracts/refusal.js';
import { Rejected } from '#contracts/rejected.js';
import { REVOCATION_TYPE, revocationData } from '#contracts/revocation.js';
import { TOPICS } from '#contracts/topics.js';
import { decodeWorkOSRecord, type WorkOSEvent } from '#contracts/workos-event.js';
import type { ConsumedRecord } from '#kafka/record.js';

export type FeedEvent = 'webhook' | 'applied' | 'revoked' | 'refused' | 'provider' | 'guard';

/** What a person sees of one thing that happened: ids, reasons and times, never what WorkOS said of somebody. */
export interface FeedData {
  /** RFC 3339. */
  at: string;
  event_id?: string;
  type?: string;
  provider_id?: string;
  user_id?: string;
  organization_id?: string;
  session_id?: string;
  scope?: string;
  reason?: string;
  grant_ids?: string[];
  guard_trip_id?: string;
  /** Since webhook-ingress had taken the event in, ms. */
  latency_ms?: number;
}

export interface FeedEntry {
  event: FeedEvent;
  data: FeedData;
}

/**
 * Whether this was about that very person; all that a person is told of. What befell a whole organization is not told to each of
 * its people.
 */
export const isAbout = (
  { provider_id, user_id }: FeedData,
  person: { readonly providerId: string; readonly userId: string },
): boolean => provider_id === person.providerId && user_id === person.userId;

/** Of one announcement; more are asked for at `GET /v1/grants`. */
const MOST_GRANT_IDS = 50;
const REMEMBERED_EVENTS = 10_000;

/** Turns records into what is shown of them. It remembers when events came in, to say how long their effects took. */
export class FeedEntries {
  /** Event id → when it came in, ms; `applied` once that was told. */
  private readonly events = new Map<string, { receivedAt: number; applied: boolean }>();

  /**
   * Nothing where the record cannot be read: grants sets it aside, and says so. Nor of the canary, which is nobody: what comes of
   * it is on the page of health.
   */
  of(record: ConsumedRecord): FeedEntry[] {
    return this.all(record).filter(({ data }) => data.provider_id !== CANARY_PROVIDER_ID);
  }

  private all(record: ConsumedRecord): FeedEntry[] {
    try {
      switch (record.topic) {
        case TOPICS.workosEvents:
          return [this.webhook(record)];
        case TOPICS.revocations:
          return this.revocation(record);
        case TOPICS.refusals:
          return [refusal(record)];
        case TOPICS.identityProviders:
          return [providerChange(record)];
        default:
          return [];
      }
    } catch {
      return [];
    }
  }

  private webhook({ value, timestamp }: ConsumedRecord): FeedEntry {
    const { event, receivedAt } = decodeWorkOSRecord(value);
    const at = Number.isNaN(receivedAt) ? Number(timestamp) : receivedAt;
    if (!this.events.has(event.id)) this.remember(event.id, at);
    return {
      event: 'webhook',
      data: {
        at: new Date(at).toISOString(),
        event_id: event.id,
        type: event.type === 'unknown' ? event.name : event.type,
        provider_id: event.providerId,
        ...peopleOf(event),
      },
    };
  }

  private revocation({ value, timestamp }: ConsumedRecord): FeedEntry[] {
    const record = decodeCloudEvent(value);
    if (record.type !== REVOCATION_TYPE) return [];
    const revocation = revocationData.parse(record.data);
    const { source_event_id, provider_id, user_id, organization_id, session_id, scope, reason } = revocation;
    const source = source_event_id === null ? undefined : this.events.get(source_event_id);
    const about = {
      ...(source_event_id === null ? {} : { event_id: source_event_id }),
      provider_id,
      ...(user_id === undefined ? {} : { user_id }),
      ...(organization_id === undefined ? {} : { organization_id }),
      ...(session_id === undefined ? {} : { session_id }),
      scope,
      ...(reason === null ? {} : { reason }),
    };
    const entries: FeedEntry[] = [];
    const appliedAt = Date.parse(record.time ?? '');
    if (source && !source.applied && !Number.isNaN(appliedAt)) {
      source.applied = true;
      entries.push({ event: 'applied', data: { ...about, ...moment(appliedAt, source.receivedAt) } });
    }
    const grants = revocation.revoked_grant_ids?.slice(0, MOST_GRANT_IDS);
    entries.push({
      event: 'revoked',
      data: {
        ...about,
        ...(grants ? { grant_ids: grants } : {}),
        ...moment(Number(timestamp), source?.receivedAt),
      },
    });
    return entries;
  }

  private remember(id: string, receivedAt: number): void {
    if (this.events.size >= REMEMBERED_EVENTS) this.events.delete(this.events.keys().next().value!);
    this.events.set(id, { receivedAt, applied: false });
  }
}

/** Clocks of two machines may differ; nothing took less than no time. */
function moment(at: number, receivedAt: number | undefined): Pick<FeedData, 'at' | 'latency_ms'> {
  return {
    at: new Date(at).toISOString(),
    ...(receivedAt === undefined ? {} : { latency_ms: Math.max(0, at - receivedAt) }),
  };
}

function refusal({ value }: ConsumedRecord): FeedEntry {
  const record = decodeCloudEvent(value);
  if (record.type !== REFUSAL_TYPE) throw new Rejected('record_malformed', 'type');
  return { event: 'refused', data: refusalData.parse(record.data) as FeedData };
}

function providerChange({ key, value, timestamp }: ConsumedRecord): FeedEntry {
  const type = value === null ? 'provider_deleted' : 'provider_published';
  const at = new Date(Number(timestamp)).toISOString();
  return { event: 'provider', data: { at, type, provider_id: key?.toString() ?? '' } };
}

function peopleOf(event: WorkOSEvent): Pick<FeedData, 'user_id' | 'organization_id' | 'session_id'> {
  if (event.type === 'unknown') return {};
  const data: { id?: string; user_id?: string | null; organization_id?: string | null } = event.data;
  const [kind] = event.type.split('.');
  return {
    ...ids('user_id', kind === 'user' ? data.id : data.user_id),
    ...ids('organization_id', kind === 'organization' ? data.id : data.organization_id),
    ...ids('session_id', kind === 'session' ? data.id : undefined),
  };
}

const ids = <Key extends string>(key: Key, id: string | null | undefined): { [K in Key]?: string } =>
  (id === null || id === undefined ? {} : { [key]: id }) as { [K in Key]?: string };
