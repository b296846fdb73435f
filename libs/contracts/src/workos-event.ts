import { z } from 'zod';
import { checked } from './checked.js';
import type { CloudEvent } from './cloud-event.js';
import { decodeCloudEvent, identityProviderSource, problemFields } from './cloud-event.js';
import type { IdentityProviderData } from './identity-provider.js';
import { type Moment, parseTime } from './moment.js';
import { Rejected } from './rejected.js';
import { MAX_ID_LENGTH } from './storable.js';

/**
 * What WorkOS said, as our own rule needs it: the fields that decide something, and no others. Whatever else WorkOS
 * sends stays in the record (`raw`) untouched. Shapes: WorkOS OpenAPI specification, `data` of each event type.
 */

const id = z.string().min(1).max(MAX_ID_LENGTH);
/** A name of a type becomes a key too, and is no longer than an id. */
const eventName = id;
/** What decides nothing must not keep an event from having its effect: of another shape, it counts as left out. */
const asNone = <T extends z.ZodType>(schema: T): z.ZodCatch<z.ZodOptional<T>> => schema.optional().catch(undefined);
const optionalText = asNone(z.string().nullable());

const user = z.object({
  id,
  email: optionalText,
  first_name: optionalText,
  last_name: optionalText,
  name: optionalText,
  external_id: optionalText,
  metadata: z.record(z.string(), z.unknown()).nullish(),
  updated_at: optionalText,
});
/** `user.deleted` normally carries the whole user, but only the id decides: a trimmed one must still revoke. */
const deletedUser = z.object({ id });
const membership = z.object({
  id: asNone(id),
  user_id: id,
  organization_id: id,
  status: z.string(),
  role: asNone(z.object({ slug: z.string() }).nullable()),
});
/** Its status decides nothing: WorkOS leaves the last one in it. */
const deletedMembership = membership.omit({ status: true });
const organization = z.object({ id, name: optionalText });
const session = z.object({ id, user_id: asNone(id.nullable()), organization_id: asNone(id.nullable()) });
const deletedOrganization = z.object({ id });
/**
 * Not from WorkOS: what another transmitter of Shared Signals has said, in our words. A user, an organization, both (the
 * membership) or a session. `account_for_ever`, `account`: of a user, closed; `sessions`: what was issued until then is void.
 */
const receivedSignal = z
  .object({
    user_id: id.optional(),
    organization_id: id.optional(),
    session_id: id.optional(),
    ends: z.enum(['account_for_ever', 'account', 'sessions']),
  })
  .refine(
    ({ user_id, organization_id, session_id, ends }) =>
      ends === 'sessions'
        ? user_id !== undefined || organization_id !== undefined || session_id !== undefined
        : user_id !== undefined && organization_id === undefined && session_id === undefined,
    'names no scope that this can end',
  );

export type WorkOSUser = z.infer<typeof user>;
export type ReceivedSignal = z.infer<typeof receivedSignal>;

export const DATA_SCHEMAS = {
  'user.created': user,
  'user.updated': user,
  'user.deleted': deletedUser,
  'organization_membership.created': membership,
  'organization_membership.updated': membership,
  'organization_membership.deleted': deletedMembership,
  'organization.created': organization,
  'organization.updated': organization,
  'organization.deleted': deletedOrganization,
  'session.created': session,
  'session.revoked': session,
  'signal.received': receivedSignal,
} as const;

export type KnownType = keyof typeof DATA_SCHEMAS;
export const KNOWN_TYPES = Object.keys(DATA_SCHEMAS) as KnownType[];
/** Those that WorkOS sends; it does not like to be asked for others. */
export const WORKOS_TYPES = KNOWN_TYPES.filter((type) => type !== 'signal.received');

interface Common {
  /** WorkOS's id of the event, the same in every delivery and in the Events API. */
  id: string;
  providerId: string;
  /** WorkOS's own time of the event (`created_at`); decisions use no other clock, see {@link ENDS_FOR_EVER}. */
  occurredAt: Moment;
  /** What changed, with the old values, where WorkOS says so (`context.previous_attributes`). */
  previousAttributes: Readonly<Record<string, unknown>>;
  /** It came in while its provider was in shadow mode: it has no effect. */
  shadow: boolean;
  /** WorkOS never sent it: it states a difference that a comparison with WorkOS's own lists has found. */
  reconciled: boolean;
}

export type WorkOSEvent =
  | {
      [Type in KnownType]: Common & { type: Type; data: z.infer<(typeof DATA_SCHEMAS)[Type]> };
    }[KnownType]
  /** A type that we do not know is accepted, kept and counted, and has no effect. */
  | (Common & { type: 'unknown'; name: string });

const envelope = z.object({
  id,
  event: eventName,
  data: z.looseObject({}),
  created_at: asNone(z.string()),
  context: asNone(z.object({ previous_attributes: asNone(z.record(z.string(), z.unknown()).nullable()) }).nullable()),
});

/** `data` of a record of `workos.events`: what WorkOS sends, as far as anything is decided by it. Undefined: of any other type. */
export const workosEventData = (type?: KnownType): z.ZodType =>
  type === undefined ? envelope : envelope.extend({ event: z.literal(type), data: DATA_SCHEMAS[type] });

/** What routing needs of it. */
const routing = envelope.pick({ id: true, event: true, data: true });

/** Their moment decides nothing: whenever it was, it is for ever. Without one they count as having happened when they came. */
const ENDS_FOR_EVER: ReadonlySet<KnownType> = new Set(['user.deleted', 'organization.deleted', 'session.revoked']);

/** How an event came, as the record around it says. */
export type Arrival = Partial<Pick<Common, 'shadow' | 'reconciled'>> & { receivedAt?: Moment };

/**
 * Reads one WorkOS event from a parsed webhook body or an Events API entry.
 * Throws `Rejected('event_malformed')` where a field that decides something is missing or of the wrong type.
 */
export function decodeWorkOSEvent(
  json: unknown,
  providerId: string,
  { shadow = false, reconciled = false, receivedAt = NaN }: Arrival = {},
): WorkOSEvent {
  const parsed = checked(envelope, json);
  if (!parsed.success) throw new Rejected('event_malformed', problemFields(parsed.error));
  const { id, event, data, created_at, context } = parsed.data;
  const common = { id, providerId, previousAttributes: context?.previous_attributes ?? {}, shadow, reconciled };

  const said = firstTime(timeOf(created_at), timeOf(data['updated_at']));
  if (!isKnown(event)) return { ...common, occurredAt: said, type: 'unknown', name: event };
  const occurredAt = ENDS_FOR_EVER.has(event) ? firstTime(said, receivedAt) : said;
  if (Number.isNaN(occurredAt)) throw new Rejected('event_malformed', 'created_at');

  const decoded = checked<unknown>(DATA_SCHEMAS[event], data);
  if (!decoded.success) throw new Rejected('event_malformed', `data: ${problemFields(decoded.error)}`);
  return { ...common, occurredAt, type: event, data: decoded.data } as WorkOSEvent;
}

const timeOf = (value: unknown): Moment => (typeof value === 'string' ? parseTime(value) : NaN);
const firstTime = (a: Moment, b: Moment): Moment => (Number.isNaN(a) ? b : a);
const isKnown = (type: string): type is KnownType => Object.hasOwn(DATA_SCHEMAS, type);

export const WORKOS_EVENT_TYPE_PREFIX = 'com.workos.';

/**
 * How an event came into `workos.events` where it was not by webhook. `events-api`: the tail of WorkOS's Events API found it,
 * and no webhook had brought it. `reconciliation`: WorkOS never sent it, it states what a comparison with its lists has found.
 * `signal`: another transmitter of Shared Signals said it.
 */
export const VIAS = ['events-api', 'reconciliation', 'signal'] as const;
export type Via = (typeof VIAS)[number];

/** A record of `workos.events`, read: the CloudEvent around it, and what WorkOS said. */
export interface WorkOSRecord {
  event: WorkOSEvent;
  /** When webhook-ingress took it in, ms; for latency alone, no decision uses it. */
  receivedAt: Moment;
  /** Undefined: by webhook. */
  via: Via | undefined;
  /** The event as WorkOS wrote it. */
  raw: unknown;
}

/** Throws `Rejected` (`record_malformed` or `event_malformed`) where no retry can make the record acceptable. */
export function decodeWorkOSRecord(value: Buffer | null): WorkOSRecord {
  const record = decodeCloudEvent(value);
  if (!record.type.startsWith(WORKOS_EVENT_TYPE_PREFIX)) throw new Rejected('record_malformed', 'type');
  if (!record.providerid) throw new Rejected('record_malformed', 'providerid');
  const via = VIAS.find((known) => known === record.via);
  const receivedAt = timeOf(record.receivedat);
  const event = decodeWorkOSEvent(record.data, record.providerid, {
    shadow: record.shadow === true,
    reconciled: via === 'reconciliation',
    receivedAt,
  });
  return { event, receivedAt, via, raw: record.data };
}

/** The envelope, checked just as far as routing needs; the rest is checked where it decides something. */
export interface WorkOSEnvelope {
  id: string;
  type: string;
  createdAt?: string;
  /** Kafka key: everything about one person goes to one partition. */
  key: string;
}

/** Throws `Rejected('body_malformed')` unless the body is a WorkOS event as far as routing needs to know. */
export function readWorkOSEnvelope(body: Buffer): WorkOSEnvelope {
  const json = parseUtf8(body);
  if (!isRouted(json)) {
    const parsed = checked(routing, json);
    if (parsed.success) return envelopeOf(parsed.data, json);
    throw new Rejected('body_malformed', problemFields(parsed.error));
  }
  return envelopeOf(json, json);
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function parseUtf8(body: Buffer): unknown {
  try {
    return JSON.parse(UTF8.decode(body));
  } catch {
    throw new Rejected('body_malformed', 'the body is not JSON in UTF-8');
  }
}

type Routing = z.infer<typeof routing>;

/** What {@link routing} accepts, in a tenth of the time; where it says no, the schema says why. */
function isRouted(json: unknown): json is Routing {
  if (typeof json !== 'object' || json === null) return false;
  const { id, event, data } = json as Record<string, unknown>;
  return isId(id) && isId(event) && typeof data === 'object' && data !== null && !Array.isArray(data);
}

const isId = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH;

function envelopeOf({ id, event, data }: Routing, json: unknown): WorkOSEnvelope {
  const createdAt = (json as { created_at?: unknown }).created_at;
  return {
    id,
    type: event,
    ...(typeof createdAt === 'string' ? { createdAt } : {}),
    key: keyOf(event, data) ?? id,
  };
}

/** What is longer than an id is none: it would be hashed for seconds, and stored three times. */
function keyOf(type: string, data: Record<string, unknown>): string | undefined {
  const own = type.startsWith('user.') || type.startsWith('organization.') ? data['id'] : undefined;
  return [own, data['user_id'], data['organization_id'], data['id']].find(isId);
}

/**
 * A record of `workos.events` around the very bytes that WorkOS sent: `data` is the body, not a copy of its meaning.
 * `body` must be what {@link readWorkOSEnvelope} accepted. Whether the event has an effect is written into the record, so
 * that everybody who ever reads it comes to the same answer.
 */
export function encodeWorkOSRecord(
  body: Buffer,
  envelope: WorkOSEnvelope,
  provider: Pick<IdentityProviderData, 'id' | 'mode'>,
  receivedAt: Date,
  via?: Via,
): Buffer {
  const time = envelope.createdAt === undefined ? NaN : parseTime(envelope.createdAt);
  const attributes: Omit<CloudEvent, 'data'> = {
    specversion: '1.0',
    id: envelope.id,
    source: identityProviderSource(provider.id),
    type: `${WORKOS_EVENT_TYPE_PREFIX}${envelope.type}`,
    subject: envelope.key,
    ...(Number.isNaN(time) ? {} : { time: new Date(time).toISOString() }),
    datacontenttype: 'application/json',
    providerid: provider.id,
    ...(provider.mode === 'shadow' ? { shadow: true } : {}),
    ...(via === undefined ? {} : { via }),
    receivedat: receivedAt.toISOString(),
  };
  const head = JSON.stringify(attributes);
  return Buffer.concat([Buffer.from(`${head.slice(0, -1)},"data":`), body, Buffer.from('}')]);
}

const SHADOW = Buffer.from(',"shadow":true,');

/**
 * The same record as if its provider had been enforced when it came, byte for byte but for that. `value` must be one that
 * {@link encodeWorkOSRecord} made: the attribute stands before `data`, and its quotes cannot stand inside of a string.
 */
export function withoutShadow(value: Buffer): Buffer {
  const at = value.indexOf(SHADOW);
  if (at === -1 || at > value.indexOf(',"data":')) throw new Error('not a record of an event in shadow mode');
  return Buffer.concat([value.subarray(0, at), Buffer.from(','), value.subarray(at + SHADOW.length)]);
}
