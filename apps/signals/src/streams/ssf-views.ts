import { z } from 'zod';
import { isStorable } from '#contracts/storable.js';
import { SUPPORTED_EVENTS } from '../domain/event-types.js';
import { STATUSES, type StreamRow } from './streams.sql.js';

export const PUSH = 'urn:ietf:rfc:8935';
export const POLL = 'urn:ietf:rfc:8936';

export const text = (most: number) => z.string().min(1).max(most).refine(isStorable, 'must be text');

export const streamId = text(100);

/** What a header may hold (RFC 9110, section 5.5). */
export const headerValue = z
  .string()
  .regex(/^[\x21-\x7e]([\x20-\x7e]{0,2000}[\x21-\x7e])?$/, 'must be the value of a header');

/** What a receiver supplies (SSF 1.0, section 8.1.1). Who supplies nothing about delivery polls. */
export const receiverSupplied = (url: z.ZodType<string>) => ({
  delivery: z
    .discriminatedUnion('method', [
      z.object({ method: z.literal(PUSH), endpoint_url: url, authorization_header: headerValue.nullish() }),
      z.object({ method: z.literal(POLL), endpoint_url: z.string().nullish() }),
    ])
    .optional(),
  events_requested: z.array(text(500)).max(100).nullish(),
  description: text(500).nullish(),
});

/** What we supply: it may be sent back, and then has to be as it is (section 8.1.1.3). */
const transmitterSupplied = {
  iss: z.unknown().optional(),
  aud: z.unknown().optional(),
  events_supported: z.unknown().optional(),
  events_delivered: z.unknown().optional(),
  min_verification_interval: z.unknown().optional(),
};

export const createBody = (url: z.ZodType<string>) => z.object(receiverSupplied(url));
export const changeBody = (url: z.ZodType<string>) =>
  z.object({ stream_id: streamId, ...receiverSupplied(url), ...transmitterSupplied });
export type StreamBody = z.output<ReturnType<typeof createBody>>;
export type StreamChange = z.output<ReturnType<typeof changeBody>>;

export const streamQuery = z.object({ stream_id: streamId.optional() });
export const oneStreamQuery = z.object({ stream_id: streamId });
export const statusBody = z.object({ stream_id: streamId, status: z.enum(STATUSES), reason: text(500).optional() });
export const subject = z.looseObject({ format: text(100) });
export const addSubjectBody = z.object({ stream_id: streamId, subject, verified: z.boolean().optional() });
export const removeSubjectBody = z.object({ stream_id: streamId, subject });
export const verificationBody = z.object({ stream_id: streamId, state: text(1_000).optional() });
/** RFC 8936, section 2.4. */
export const pollBody = z.object({
  maxEvents: z.number().int().min(0).optional(),
  returnImmediately: z.boolean().default(false),
  ack: z.array(z.string().max(255)).max(10_000).default([]),
  setErrs: z
    .record(
      z.string().max(255),
      z.looseObject({ err: z.string().max(100), description: z.string().max(1_000).optional() }),
    )
    .default({}),
});

export const streamView = z.object({
  stream_id: z.string(),
  iss: z.string(),
  aud: z.string(),
  delivery: z.object({ method: z.enum([PUSH, POLL]), endpoint_url: z.string() }),
  events_supported: z.array(z.string()),
  events_requested: z.array(z.string()).optional(),
  events_delivered: z.array(z.string()),
  min_verification_interval: z.number(),
  description: z.string().optional(),
});
export const statusView = z.object({ stream_id: z.string(), status: z.enum(STATUSES), reason: z.string().optional() });
export const pollView = z.object({ sets: z.record(z.string(), z.string()), moreAvailable: z.boolean() });

export const deliveredEvents = (requested: readonly string[] | null): string[] =>
  SUPPORTED_EVENTS.filter((type) => requested === null || requested.includes(type));

/** What it was given to authenticate with is never read back. */
export function viewOf(stream: StreamRow, issuer: string, minVerificationSeconds: number): z.infer<typeof streamView> {
  const { id, audience, kind, url, events_requested, description } = stream;
  return {
    stream_id: id,
    iss: issuer,
    aud: audience,
    delivery:
      kind === 'set_push'
        ? { method: PUSH, endpoint_url: url! }
        : { method: POLL, endpoint_url: `${issuer}/ssf/poll/${id}` },
    events_supported: [...SUPPORTED_EVENTS],
    ...(events_requested === null ? {} : { events_requested }),
    events_delivered: deliveredEvents(events_requested),
    min_verification_interval: minVerificationSeconds,
    ...(description === null ? {} : { description }),
  };
}

export const statusViewOf = ({ id, status, status_reason }: StreamRow): z.infer<typeof statusView> => ({
  stream_id: id,
  status,
  ...(status_reason === null ? {} : { reason: status_reason }),
});
