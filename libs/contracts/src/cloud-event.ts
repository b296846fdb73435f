import { z } from 'zod';
import { checked } from './checked.js';
import { Rejected } from './rejected.js';

/** CloudEvents 1.0, structured content mode in JSON (CloudEvents JSON format, section 3). */
export const CLOUD_EVENT_CONTENT_TYPE = 'application/cloudevents+json; charset=utf-8';
/** Of every record: without it a reader that knows CloudEvents alone does not take it for one. */
export const CLOUD_EVENT_HEADERS = { 'content-type': CLOUD_EVENT_CONTENT_TYPE };

export interface CloudEvent<Data = unknown> {
  specversion: '1.0';
  /** Unique within `source`; a consumer that saw both has seen this event. */
  id: string;
  /** Where it happened: `/identity-providers/<provider id>` or `/grants`. */
  source: string;
  type: string;
  subject?: string;
  /** RFC 3339. */
  time?: string;
  datacontenttype: 'application/json';
  /** Extension: the identity provider that everything in the event belongs to. */
  providerid?: string;
  /** Extension: it came in while its provider was in shadow mode, and has no effect. */
  shadow?: boolean;
  /** Extension: how it came in where that was not a webhook. See `Via`. */
  via?: string;
  /** Extension: when webhook-ingress took it in, RFC 3339. */
  receivedat?: string;
  data: Data;
}

/** What its author says of an event; the rest is the same for all of ours. */
export type EventSaid<Data> = Omit<CloudEvent<Data>, 'specversion' | 'datacontenttype'>;

/** The value and headers of a record in structured JSON mode (Kafka protocol binding for CloudEvents, section 3.3). */
export function encodeCloudEvent<Data>({ data, providerid, ...said }: EventSaid<Data>): {
  value: Buffer;
  headers: { 'content-type': string };
} {
  const event: CloudEvent<Data> = {
    specversion: '1.0',
    ...said,
    datacontenttype: 'application/json',
    ...(providerid === undefined ? {} : { providerid }),
    data,
  };
  return { value: Buffer.from(JSON.stringify(event)), headers: CLOUD_EVENT_HEADERS };
}

/** What {@link decodeCloudEvent} accepts. */
export const cloudEvent = z.object({
  specversion: z.literal('1.0'),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string().min(1),
  subject: z.string().optional(),
  time: z.string().optional(),
  datacontenttype: z.literal('application/json'),
  providerid: z.string().min(1).optional(),
  shadow: z.boolean().optional(),
  via: z.string().optional(),
  receivedat: z.string().optional(),
  data: z.unknown(),
});

/** Throws `Rejected('record_malformed')` unless `value` is one CloudEvent in structured JSON mode. */
export function decodeCloudEvent(value: Buffer | null): CloudEvent {
  if (value === null) throw new Rejected('record_malformed', 'the record has no value');
  let json: unknown;
  try {
    json = JSON.parse(value.toString('utf8'));
  } catch {
    throw new Rejected('record_malformed', 'the value is not JSON');
  }
  const parsed = checked(cloudEvent, json);
  if (!parsed.success) throw new Rejected('record_malformed', problemFields(parsed.error));
  return parsed.data;
}

/** The names of the fields at fault, without their values. */
export function problemFields(error: z.ZodError): string {
  return [...new Set(error.issues.map((issue) => issue.path.join('.') || 'the whole'))].join(', ');
}

export const identityProviderSource = (providerId: string): string => `/identity-providers/${providerId}`;
