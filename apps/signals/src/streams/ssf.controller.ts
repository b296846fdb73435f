import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type BeforeApplicationShutdown,
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Inject,
  Param,
  Patch,
  Post,
  Put,
  Query,
  Req,
  UseGuards,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isStorable } from '#contracts/storable.js';
import { Public } from '#platform/api-key.guard.js';
import { Database } from '#platform/database.js';
import { Problem } from '#platform/problem.js';
import type { Tx } from '#platform/sql.js';
import { valid } from '#platform/validation.js';
import { ProviderRegistry } from '#providers/registry.js';
import { seal } from '#providers/sealing.js';
import { CONFIG, type SignalsConfig } from '../config.js';
import { deliveryUrl } from '../delivery-url.js';
import { SSF_VERIFICATION } from '../domain/event-types.js';
import { jtiOf, type Signal } from '../domain/signals.js';
import { scopeOfSubject, subjectKey } from '../domain/subject.js';
import { newId } from '../ids.js';
import {
  countPending,
  dropPending,
  type Due,
  enqueue,
  headsOf,
  readSendingStream,
  readWindow,
  settleByJti,
} from '../sending/queue.sql.js';
import { Needs, Receiver, ReceiverGuard } from '../receivers/receiver.guard.js';
import type { ReceiverRow } from '../receivers/receivers.sql.js';
import { signSet } from '../sending/requests.js';
import { SignalsMetrics } from '../signals-metrics.js';
import { Signing } from '../sending/signing.js';
import {
  addSubjectBody,
  changeBody,
  createBody,
  oneStreamQuery,
  pollBody,
  type pollView,
  POLL,
  PUSH,
  removeSubjectBody,
  statusBody,
  type statusView,
  statusViewOf,
  type StreamBody,
  type StreamChange,
  streamQuery,
  type streamView,
  verificationBody,
  viewOf,
} from './ssf-views.js';
import {
  deleteStream,
  excludeSubject,
  includeSubject,
  insertStream,
  lockStream,
  readStream,
  readStreamsOf,
  setStatus,
  type StreamRow,
  type StreamSettings,
  streamSecretOwner,
  takeVerification,
  updateStream,
} from './streams.sql.js';

type StreamView = z.infer<typeof streamView>;

/** Of one answer to a poll. */
const MOST_SETS = 100;
/** What is looked at to find them. */
const POLL_WINDOW = 500;
const LOOK_EVERY_MS = 200;

/** The management API of SSF 1.0 (section 8), and polling (RFC 8936). Each receiver sees its own streams and no others. */
@Public()
@UseGuards(ReceiverGuard)
@Controller('ssf')
export class SsfController implements BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private readonly createBody: z.ZodType<StreamBody>;
  private readonly changeBody: z.ZodType<StreamChange>;

  constructor(
    private readonly database: Database,
    private readonly signing: Signing,
    private readonly metrics: SignalsMetrics,
    @Inject(ProviderRegistry) private readonly providers: Pick<ProviderRegistry, 'byIssuer' | 'all'>,
    @Inject(CONFIG) private readonly config: SignalsConfig,
  ) {
    const url = deliveryUrl(config.allowLocalHosts);
    this.createBody = createBody(url);
    this.changeBody = changeBody(url);
  }

  @Post('streams')
  @Needs('ssf.manage')
  @Header('cache-control', 'no-store')
  async create(@Body() body: unknown, @Receiver() receiver: ReceiverRow): Promise<StreamView> {
    const settings = given(this.createBody, body);
    const id = newId('stream');
    const row = await this.database.transaction((tx) =>
      insertStream(tx, id, { receiverId: receiver.id, audience: receiver.audience }, this.settingsOf(id, settings)),
    );
    return this.viewOf(row);
  }

  @Get('streams')
  @Needs('ssf.read')
  @Header('cache-control', 'no-store')
  async read(
    @Query(valid(streamQuery)) { stream_id }: z.output<typeof streamQuery>,
    @Receiver() receiver: ReceiverRow,
  ): Promise<StreamView | StreamView[]> {
    if (stream_id !== undefined) return this.viewOf(await this.find(stream_id, receiver));
    const rows = await this.database.read((tx) => readStreamsOf(tx, receiver.id));
    return rows.map((row) => this.viewOf(row));
  }

  /** What is left out stays as it is. */
  @Patch('streams')
  @Needs('ssf.manage')
  @Header('cache-control', 'no-store')
  update(@Body() body: unknown, @Receiver() receiver: ReceiverRow): Promise<StreamView> {
    const change = given(this.changeBody, body);
    return this.change(change, receiver, (former) => {
      const replaced = this.settingsOf(former.id, change);
      return {
        ...(change.delivery === undefined ? former : replaced),
        events_requested: change.events_requested === undefined ? former.events_requested : replaced.events_requested,
        description: change.description === undefined ? former.description : replaced.description,
      };
    });
  }

  /** What is left out is deleted. */
  @Put('streams')
  @Needs('ssf.manage')
  @Header('cache-control', 'no-store')
  replace(@Body() body: unknown, @Receiver() receiver: ReceiverRow): Promise<StreamView> {
    const change = given(this.changeBody, body);
    return this.change(change, receiver, ({ id }) => this.settingsOf(id, change));
  }

  @Delete('streams')
  @HttpCode(204)
  @Needs('ssf.manage')
  @Header('cache-control', 'no-store')
  async delete(
    @Query(valid(oneStreamQuery)) { stream_id }: z.output<typeof oneStreamQuery>,
    @Receiver() receiver: ReceiverRow,
  ): Promise<void> {
    const isDeleted = await this.database.transaction((tx) => deleteStream(tx, stream_id, receiver.id));
    if (!isDeleted) throw streamUnknown();
  }

  @Get('status')
  @Needs('ssf.read')
  @Header('cache-control', 'no-store')
  async status(
    @Query(valid(oneStreamQuery)) { stream_id }: z.output<typeof oneStreamQuery>,
    @Receiver() receiver: ReceiverRow,
  ): Promise<z.infer<typeof statusView>> {
    return statusViewOf(await this.find(stream_id, receiver));
  }

  /** paused: what happens is kept until it is enabled again. disabled: it is not, and what waited is dropped. */
  @Post('status')
  @HttpCode(200)
  @Needs('ssf.manage')
  @Header('cache-control', 'no-store')
  async setStatus(
    @Body(valid(statusBody)) { stream_id, status, reason }: z.output<typeof statusBody>,
    @Receiver() receiver: ReceiverRow,
  ): Promise<z.infer<typeof statusView>> {
    return this.database.transaction(async (tx) => {
      const stream = await this.lock(tx, stream_id, receiver);
      await setStatus(tx, stream.id, status, reason ?? null);
      if (status === 'disabled') await dropPending(tx, stream.id);
      return statusViewOf({ ...stream, status, status_reason: reason ?? null });
    });
  }

  /** Every subject is in a stream from the beginning (`default_subjects`); this takes back a removal. */
  @Post('subjects/add')
  @HttpCode(200)
  @Needs('ssf.manage')
  @Header('cache-control', 'no-store')
  async addSubject(
    @Body(valid(addSubjectBody)) { stream_id, subject }: z.output<typeof addSubjectBody>,
    @Receiver() receiver: ReceiverRow,
  ): Promise<void> {
    await this.database.transaction(async (tx) => {
      const stream = await this.lock(tx, stream_id, receiver);
      await includeSubject(tx, stream.id, this.keyOf(subject));
    });
  }

  @Post('subjects/remove')
  @HttpCode(204)
  @Needs('ssf.manage')
  @Header('cache-control', 'no-store')
  async removeSubject(
    @Body(valid(removeSubjectBody)) { stream_id, subject }: z.output<typeof removeSubjectBody>,
    @Receiver() receiver: ReceiverRow,
  ): Promise<void> {
    await this.database.transaction(async (tx) => {
      const stream = await this.lock(tx, stream_id, receiver);
      await excludeSubject(tx, stream.id, this.keyOf(subject));
    });
  }

  /** The event goes the way of all others: through the queue, signed, and with its acknowledgement. */
  @Post('verification')
  @HttpCode(204)
  @Needs('ssf.manage')
  @Header('cache-control', 'no-store')
  async verify(
    @Body(valid(verificationBody)) { stream_id, state }: z.output<typeof verificationBody>,
    @Receiver() receiver: ReceiverRow,
  ): Promise<void> {
    const minSeconds = this.config.minVerificationSeconds;
    await this.database.transaction(async (tx) => {
      const stream = await this.lock(tx, stream_id, receiver);
      if (stream.status === 'disabled') {
        throw new Problem(400, 'stream_disabled', 'Nothing is sent over a disabled stream: set its status first.');
      }
      if (!(await takeVerification(tx, stream.id, minSeconds))) {
        throw new Problem(429, 'verification_too_often', 'See min_verification_interval.', {
          headers: { 'retry-after': String(minSeconds) },
        });
      }
      const signal = verificationOf(stream.id, state);
      await enqueue(tx, [{ streamId: stream.id, jti: jtiOf(signal, stream.id), signal }]);
    });
  }

  /**
   * RFC 8936: takes acknowledgements, and answers with what waits, one SET of each subject, so that its second is not seen before
   * its first was acknowledged. What is not acknowledged comes again.
   */
  @Post('poll/:stream_id')
  @HttpCode(200)
  @Needs('ssf.read')
  @Header('cache-control', 'no-store')
  async poll(
    @Param('stream_id') id: string,
    @Body(valid(pollBody)) body: z.output<typeof pollBody>,
    @Receiver() receiver: ReceiverRow,
    @Req() request: FastifyRequest,
  ): Promise<z.infer<typeof pollView>> {
    const { kind } = await this.find(id, receiver);
    if (kind !== 'set_poll') throw new Problem(404, 'stream_unknown', 'This stream is pushed.');
    const refused = Object.entries(body.setErrs).map(([jti, { err }]) => ({ jti, error: `refused ${err}` }));
    const settled = await this.database.transaction((tx) =>
      settleByJti(
        tx,
        id,
        body.ack.filter(isStorable),
        refused
          .filter(({ jti }) => isStorable(jti))
          .map(({ jti, error }) => ({ jti, error: error.replaceAll('\0', '') })),
      ),
    );
    this.metrics.acknowledged(settled);
    const most = Math.min(body.maxEvents ?? MOST_SETS, MOST_SETS);
    const deadline = performance.now() + (body.returnImmediately || most === 0 ? 0 : this.config.longPollMs);
    for (;;) {
      const found = await this.database.read((tx) => this.waiting(tx, id, most));
      const isOver = performance.now() >= deadline || request.raw.socket.destroyed || this.stopping.signal.aborted;
      if (found.heads.length > 0 || isOver) return this.answer(found, receiver);
      await delay(LOOK_EVERY_MS, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  beforeApplicationShutdown(): void {
    this.stopping.abort();
  }

  private async waiting(tx: Tx, id: string, most: number): Promise<{ heads: Due[]; pending: number }> {
    const stream = await readSendingStream(tx, id);
    if (!stream) return { heads: [], pending: 0 };
    const heads = headsOf(await readWindow(tx, id, POLL_WINDOW)).slice(0, most);
    return { heads, pending: await countPending(tx, id) };
  }

  private async answer(
    { heads, pending }: { heads: Due[]; pending: number },
    { audience }: ReceiverRow,
  ): Promise<z.infer<typeof pollView>> {
    const sets = await Promise.all(
      heads.map(async (due) => [due.jti, await signSet(this.signing, due, this.config.issuer, audience)] as const),
    );
    return { sets: Object.fromEntries(sets), moreAvailable: pending > heads.length };
  }

  private async change(
    change: StreamChange,
    receiver: ReceiverRow,
    settingsOf: (former: StreamRow) => StreamSettings,
  ): Promise<StreamView> {
    return this.database.transaction(async (tx) => {
      const stream = await this.lock(tx, change.stream_id, receiver);
      this.refuseOtherValues(change, this.viewOf(stream));
      return this.viewOf(await updateStream(tx, stream.id, settingsOf(stream)));
    });
  }

  private refuseOtherValues(change: StreamChange, current: StreamView): void {
    for (const member of ['iss', 'aud', 'events_supported', 'events_delivered', 'min_verification_interval'] as const) {
      if (change[member] !== undefined && !isDeepStrictEqual(change[member], current[member])) {
        throw new Problem(400, 'transmitter_supplied', `${member} is ours to say: leave it out, or as it is.`);
      }
    }
  }

  private settingsOf(id: string, { delivery, events_requested, description }: StreamBody): StreamSettings {
    const header = delivery?.method === PUSH ? delivery.authorization_header : undefined;
    return {
      kind: (delivery?.method ?? POLL) === PUSH ? 'set_push' : 'set_poll',
      url: delivery?.method === PUSH ? delivery.endpoint_url : null,
      secret: header ? seal(header, streamSecretOwner(id), this.config.encryptionKeys) : null,
      events_requested: events_requested ?? null,
      description: description ?? null,
    };
  }

  /** Of a user of ours, whether or not there is one of this name: to say so would tell who is here (section 9.1). */
  private keyOf(subject: Readonly<Record<string, unknown>>): string {
    const providers = this.providers.all();
    const scope = scopeOfSubject(
      subject,
      (issuer) => this.providers.byIssuer(issuer).map(({ id }) => id),
      providers.length === 1 ? providers[0]!.id : undefined,
    );
    if (!scope)
      throw new Problem(404, 'subject_not_recognised', 'Name a subject as the events do: iss_sub, or complex.');
    return subjectKey(scope);
  }

  private async find(id: string, receiver: ReceiverRow): Promise<StreamRow> {
    const stream = id.includes('\0') ? undefined : await this.database.read((tx) => readStream(tx, id, receiver.id));
    if (!stream) throw streamUnknown();
    return stream;
  }

  private async lock(tx: Tx, id: string, receiver: ReceiverRow): Promise<StreamRow> {
    const stream = await lockStream(tx, id, receiver.id);
    if (!stream) throw streamUnknown();
    return stream;
  }

  private viewOf(row: StreamRow): StreamView {
    return viewOf(row, this.config.issuer, this.config.minVerificationSeconds);
  }
}

const streamUnknown = (): Problem => new Problem(404, 'stream_unknown', 'There is no such stream of this receiver.');

/** As `valid` does, with a schema that depends on the settings. */
const given = <T>(schema: z.ZodType<T>, body: unknown): T => valid(schema).transform(body, { type: 'body' }) as T;

function verificationOf(id: string, state: string | undefined): Signal {
  return {
    id: randomUUID(),
    type: SSF_VERIFICATION,
    subject: `stream:${id}`,
    sub_id: { format: 'opaque', id },
    claims: state === undefined ? {} : { state },
    occurred_at: new Date().toISOString(),
    txn: null,
  };
}
