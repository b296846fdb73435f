import { randomBytes } from 'node:crypto';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '#platform/database.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { seal } from '#providers/sealing.js';
import { CONFIG, type SignalsConfig } from '../config.js';
import {
  DELIVERY_STATES,
  type DeliveryRow,
  readAttempts,
  readDeliveries,
  readDelivery,
  redeliver,
} from '../sending/deliveries.sql.js';
import { deliveryUrl } from '../delivery-url.js';
import { WEBHOOK_EVENTS } from '../domain/event-types.js';
import { KINDS } from '../domain/signals.js';
import { newId } from '../ids.js';
import { dropPending } from '../sending/queue.sql.js';
import { WEBHOOK_SECRET_PREFIX } from '../sending/requests.js';
import { headerValue, text } from './ssf-views.js';
import {
  deleteStream,
  insertStream,
  lockStream,
  readAllStreams,
  setStatus,
  STATUSES,
  type StreamRow,
  streamSecretOwner,
  updateStream,
  type WatchedStream,
} from './streams.sql.js';

const described = { description: text(500).optional() };

/** The kinds that an administrator sets up; those of Shared Signals, receivers make themselves. */
export const newStreamBody = (url: z.ZodType<string>) =>
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('webhook'),
      url,
      /** Left out: all. */
      events: z
        .array(z.enum(WEBHOOK_EVENTS as [string, ...string[]]))
        .min(1)
        .optional(),
      ...described,
    }),
    z.strictObject({
      kind: z.literal('backchannel_logout'),
      url,
      /** The application's client id: `aud` of its logout tokens. */
      audience: text(500),
      ...described,
    }),
    z.strictObject({
      kind: z.literal('token_revocation'),
      url,
      /** What the authorization server is to be shown: `Bearer …`. */
      authorization_header: headerValue,
      ...described,
    }),
  ]);
export const streamChangeBody = (url: z.ZodType<string>) =>
  z.strictObject({ url: url.optional(), status: z.enum(STATUSES).optional(), reason: text(500).optional() });

export const anyStreamView = z.object({
  id: z.string(),
  kind: z.enum(KINDS),
  receiver_id: z.string().nullable(),
  audience: z.string(),
  url: z.string().nullable(),
  events: z.array(z.string()).nullable(),
  description: z.string().nullable(),
  status: z.enum(STATUSES),
  status_reason: z.string().nullable(),
  /** Tries that have failed one after the other. */
  failures: z.number(),
  last_error: z.string().nullable(),
  created_at: z.string(),
});
/** A webhook's secret is shown this once. */
export const newStreamView = anyStreamView.extend({ secret: z.string().optional() });
export const watchedStreamView = anyStreamView.extend({
  pending: z.number(),
  refused: z.number(),
  last_delivered_at: z.string().nullable(),
});

const idText = z.string().regex(/^\d{1,18}$/);
export const deliveryQuery = z.object({
  stream_id: text(100).optional(),
  state: z.enum(DELIVERY_STATES).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  /** The `next_cursor` of the page before. */
  cursor: idText.optional(),
});
export const deliveryView = z.object({
  id: z.string(),
  stream_id: z.string(),
  /** `jti`, `webhook-id`. */
  message_id: z.string(),
  type: z.string(),
  subject: z.string(),
  txn: z.string().nullable(),
  state: z.enum(DELIVERY_STATES),
  created_at: z.string(),
  settled_at: z.string().nullable(),
  /** When it is tried (again) at the earliest; null: at once, or not by us: it is settled, polled, paused. */
  next_attempt_at: z.string().nullable(),
  attempts: z.number(),
  last_error: z.string().nullable(),
});
export const deliveryDetail = deliveryView.extend({
  attempt_log: z.array(
    z.object({
      at: z.string(),
      status: z.number().nullable(),
      duration_ms: z.number().nullable(),
      error: z.string().nullable(),
    }),
  ),
});

/** Who is told what, and what became of it; for administrators. */
@Controller('v1')
export class StreamsController {
  private readonly newStreamBody: ReturnType<typeof newStreamBody>;
  private readonly streamChangeBody: ReturnType<typeof streamChangeBody>;

  constructor(
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: Pick<SignalsConfig, 'allowLocalHosts' | 'encryptionKeys'>,
  ) {
    const url = deliveryUrl(config.allowLocalHosts);
    this.newStreamBody = newStreamBody(url);
    this.streamChangeBody = streamChangeBody(url);
  }

  @Post('streams')
  async create(@Body() body: unknown): Promise<z.infer<typeof newStreamView>> {
    const given = valid(this.newStreamBody).transform(body, { type: 'body' });
    const id = newId('stream');
    const secret = given.kind === 'webhook' ? WEBHOOK_SECRET_PREFIX + randomBytes(32).toString('base64') : undefined;
    const sealed = given.kind === 'token_revocation' ? given.authorization_header : secret;
    const audience = given.kind === 'backchannel_logout' ? given.audience : id;
    const row = await this.database.transaction((tx) =>
      insertStream(
        tx,
        id,
        { receiverId: null, audience },
        {
          kind: given.kind,
          url: given.url,
          secret: sealed === undefined ? null : seal(sealed, streamSecretOwner(id), this.config.encryptionKeys),
          events_requested: given.kind === 'webhook' ? (given.events ?? null) : null,
          description: given.description ?? null,
        },
      ),
    );
    return { ...viewOf(row), ...(secret === undefined ? {} : { secret }) };
  }

  @Get('streams')
  async list(): Promise<{ data: z.infer<typeof watchedStreamView>[]; next_cursor: null }> {
    const rows = await this.database.read(readAllStreams);
    return { data: rows.map(watchedViewOf), next_cursor: null };
  }

  /** An administrator's own; those of a receiver it manages itself. */
  @Patch('streams/:id')
  async change(@Param('id') id: string, @Body() body: unknown): Promise<z.infer<typeof anyStreamView>> {
    const { url, status, reason } = valid(this.streamChangeBody).transform(body, { type: 'body' });
    return this.database.transaction(async (tx) => {
      const stream = await lockStream(tx, textOr404(id), null);
      if (!stream) throw streamUnknown();
      if (url !== undefined) await updateStream(tx, stream.id, { ...stream, url });
      if (status !== undefined) await setStatus(tx, stream.id, status, reason ?? null);
      if (status === 'disabled') await dropPending(tx, stream.id);
      return viewOf((await lockStream(tx, stream.id, null))!);
    });
  }

  @Delete('streams/:id')
  @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    const isDeleted = await this.database.transaction((tx) => deleteStream(tx, textOr404(id), null));
    if (!isDeleted) throw streamUnknown();
  }

  @Get('deliveries')
  async deliveries(
    @Query(valid(deliveryQuery)) { limit, cursor, ...filter }: z.output<typeof deliveryQuery>,
  ): Promise<{ data: z.infer<typeof deliveryView>[]; next_cursor: string | null }> {
    const rows = await this.database.read((tx) => readDeliveries(tx, filter, { before: cursor, limit: limit + 1 }));
    const shown = rows.slice(0, limit);
    return { data: shown.map(deliveryViewOf), next_cursor: rows.length > limit ? shown.at(-1)!.id : null };
  }

  @Get('deliveries/:id')
  async delivery(@Param('id') id: string): Promise<z.infer<typeof deliveryDetail>> {
    const [row, attempts] = await this.database.read(async (tx) => {
      const found = idText.safeParse(id).success ? await readDelivery(tx, id) : undefined;
      return [found, found ? await readAttempts(tx, id) : []] as const;
    });
    if (!row) throw deliveryUnknown();
    return {
      ...deliveryViewOf(row),
      attempt_log: attempts.map((attempt) => ({ ...attempt, at: attempt.at.toISOString() })),
    };
  }

  /** Under the same id: whoever has it already can tell. */
  @Post('deliveries/:id/redeliver')
  @HttpCode(202)
  async redeliver(@Param('id') id: string): Promise<z.infer<typeof deliveryView>> {
    const row = await this.database.transaction(async (tx) => {
      if (!idText.safeParse(id).success) return undefined;
      await redeliver(tx, id);
      return readDelivery(tx, id);
    });
    if (!row) throw deliveryUnknown();
    return deliveryViewOf(row);
  }
}

function textOr404(id: string): string {
  if (id.includes('\0')) throw streamUnknown();
  return id;
}

const streamUnknown = (): Problem =>
  new Problem(404, 'stream_unknown', 'There is no stream of that id that administrators manage.');
const deliveryUnknown = (): Problem =>
  new Problem(404, 'delivery_unknown', 'There is no delivery of that id any more.');

function viewOf(row: StreamRow): z.infer<typeof anyStreamView> {
  const { id, kind, receiver_id, audience, url, description, status, status_reason, failures, last_error } = row;
  return {
    id,
    kind,
    receiver_id,
    audience,
    url,
    events: row.events_requested,
    description,
    status,
    status_reason,
    failures,
    last_error,
    created_at: row.created_at.toISOString(),
  };
}

const watchedViewOf = (row: WatchedStream): z.infer<typeof watchedStreamView> => ({
  ...viewOf(row),
  pending: Number(row.pending),
  refused: Number(row.refused),
  last_delivered_at: row.last_delivered_at?.toISOString() ?? null,
});

function deliveryViewOf(row: DeliveryRow): z.infer<typeof deliveryView> {
  const { id, stream_id, jti, subject, signal, state, last_error } = row;
  return {
    id,
    stream_id,
    message_id: jti,
    type: signal.type,
    subject,
    txn: signal.txn,
    state,
    created_at: row.created_at.toISOString(),
    settled_at: row.settled_at?.toISOString() ?? null,
    next_attempt_at: row.next_attempt_at?.toISOString() ?? null,
    attempts: Number(row.attempts),
    last_error,
  };
}
