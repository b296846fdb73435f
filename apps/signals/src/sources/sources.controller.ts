import { randomBytes, timingSafeEqual } from 'node:crypto';
import { Body, Controller, Delete, Get, Headers, HttpCode, Inject, Param, Patch, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { BrokerUnavailable } from '#kafka/errors.js';
import { bearerToken, Public, sha256 } from '#platform/api-key.guard.js';
import { Caller } from '#platform/caller.js';
import { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { Problem } from '#platform/problem.js';
import { LOGGER } from '#platform/service.module.js';
import { valid } from '#platform/validation.js';
import { ProviderRegistry } from '#providers/registry.js';
import { seal } from '#providers/sealing.js';
import { CONFIG, type SignalsConfig } from '../config.js';
import { deliveryUrl } from '../delivery-url.js';
import { newId } from '../ids.js';
import { Intake } from './intake.js';
import { SetRefused } from './read-set.js';
import { SignalsMetrics } from '../signals-metrics.js';
import { KeysUnavailable } from './source-keys.js';
import { SourceStreams } from './source-streams.js';
import { changeCredentials } from './source-streams.sql.js';
import { EVENTS_REQUESTED } from './transmitter.js';
import {
  changeAudience,
  changePoll,
  type Credentials,
  deleteSource,
  insertSource,
  readSource,
  readSources,
  sourceSecretOwner,
  type SourceRow,
} from './sources.sql.js';
import { headerValue, text } from '../streams/ssf-views.js';
import { STATUSES } from '../streams/streams.sql.js';

const issuer = text(500).refine((given) => /^https?:/.test(given) && URL.canParse(given), 'must be a URL');

/** What a transmitter is shown: a header as it is, or tokens that are got for a client's secret (RFC 6749, section 4.4). */
const credentials = (url: z.ZodType<string>) => ({
  authorization_header: headerValue.optional(),
  token_url: url.optional(),
  client_id: text(500).optional(),
  client_secret: text(2_000).optional(),
  scope: text(500).optional(),
});
type GivenCredentials = z.output<z.ZodObject<ReturnType<typeof credentials>>>;

function eitherHeaderOrClient(
  { authorization_header, token_url, client_id, client_secret, scope }: GivenCredentials,
  context: z.RefinementCtx,
): void {
  const ofClient = { token_url, client_id, client_secret };
  const isNeeded = authorization_header === undefined;
  for (const [name, given] of Object.entries(isNeeded ? ofClient : { ...ofClient, scope })) {
    if ((given === undefined) === isNeeded) {
      const message = isNeeded ? 'is needed where there is no authorization_header' : 'is not for a header as it is';
      context.addIssue({ code: 'custom', path: [name], message });
    }
  }
}

/** `endpoint_url`: of the stream there. */
const pollBody = (url: z.ZodType<string>) =>
  z.strictObject({ endpoint_url: url, ...credentials(url) }).superRefine(eitherHeaderOrClient);
/** `adopt`: the stream that is there already, which is changed to what we want of it. */
const streamBody = (url: z.ZodType<string>) =>
  z
    .strictObject({ method: z.enum(['push', 'poll']), adopt: text(500).optional(), ...credentials(url) })
    .superRefine(eitherHeaderOrClient);
const authorizationBody = (url: z.ZodType<string>) =>
  z.strictObject(credentials(url)).superRefine(eitherHeaderOrClient);

export const discoverSourceBody = z.strictObject({ issuer });
export const foundTransmitterView = z.object({
  issuer: z.string(),
  spec_version: z.string().nullable(),
  delivery_methods: z.array(z.enum(['push', 'poll'])),
  configuration_endpoint: z.string(),
  status_endpoint: z.string().nullable(),
  verification_endpoint: z.string().nullable(),
  /** NONE: it tells of nobody until subjects are added to the stream there. */
  default_subjects: z.enum(['ALL', 'NONE']).nullable(),
  /** Where it says that tokens for it are given, and for what. */
  token_url: z.string().nullable(),
  scope: z.string().nullable(),
  /** What we ask for; which of them it delivers, it says once the stream is made. */
  events_requested: z.array(z.string()),
});

export const newSourceBody = (url: z.ZodType<string>) =>
  z
    .strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}$/, 'letters, digits, blank, dot, hyphen and underscore'),
      /** `iss` of its SETs. */
      issuer,
      /** What it says as `aud`; left out: the URL that it pushes to, or what it says of the stream that is made. */
      audience: text(500).optional(),
      /** Left out: as `/.well-known/ssf-configuration` of the issuer says. */
      jwks_uri: url.optional(),
      /** Whose users it speaks of. */
      provider_id: text(100),
      /** What the issuer of these users is called in its subjects, besides as the provider has it. */
      subject_issuers: z.array(text(500)).max(20).default([]),
      /** It is polled (RFC 8936), at the `endpoint_url` of the stream there; left out: it pushes. */
      poll: pollBody(url).optional(),
      /** We make the stream there ourselves; left out: a person does. */
      stream: streamBody(url).optional(),
    })
    .refine(({ poll, stream }) => !poll || !stream, { path: ['poll'], message: 'is said by the stream that is made' })
    .refine(({ audience, poll }) => !poll || audience !== undefined, {
      path: ['audience'],
      message: 'is needed of a source that is polled: the aud of its stream',
    });
export const sourceChangeBody = (url: z.ZodType<string>) =>
  z.strictObject({
    audience: text(500).optional(),
    poll: pollBody(url).optional(),
    /** Of a source whose stream we have made. */
    authorization: authorizationBody(url).optional(),
  });
export const sourceView = z.object({
  id: z.string(),
  name: z.string(),
  issuer: z.string(),
  audience: z.string(),
  jwks_uri: z.string().nullable(),
  provider_id: z.string(),
  subject_issuers: z.array(z.string()),
  /** Null: it is polled. */
  push_url: z.string().nullable(),
  /** Null: it pushes. */
  poll: z
    .object({
      endpoint_url: z.string(),
      token_url: z.string().nullable(),
      client_id: z.string().nullable(),
      scope: z.string().nullable(),
      /** The last answer of which everything was taken or refused. */
      polled_at: z.string().nullable(),
      /** Requests that have failed one after the other. */
      failures: z.number(),
      last_error: z.string().nullable(),
    })
    .nullable(),
  /** The stream that we have made, or taken over; null: a person has made it. */
  stream: z
    .object({
      /** Null: it is being made; if that lasts, it was never finished. */
      stream_id: z.string().nullable(),
      configuration_endpoint: z.string(),
      audiences: z.array(z.string()),
      /** Null: it does not say. */
      events_delivered: z.array(z.string()).nullable(),
      min_verification_interval: z.number().nullable(),
      token_url: z.string().nullable(),
      client_id: z.string().nullable(),
      scope: z.string().nullable(),
      /** When we have asked for a verification last, when that came, and why it could not be asked for. */
      asked_at: z.string().nullable(),
      answered_at: z.string().nullable(),
      /** Since when none has come; null: none is waited for. */
      unanswered_since: z.string().nullable(),
      ask_error: z.string().nullable(),
    })
    .nullable(),
  /** SETs that will never be taken, and why the last one was not. */
  refused: z.number(),
  last_refusal: z.string().nullable(),
  refused_at: z.string().nullable(),
  /** When a verification event came last. */
  verified_at: z.string().nullable(),
  /** What it has said of the stream; null: nothing. */
  stream_status: z.enum(STATUSES).nullable(),
  stream_reason: z.string().nullable(),
  /** When it last ended something of a subject that cannot be told here, and the format of that: nothing came of it. */
  unknown_subject_at: z.string().nullable(),
  unknown_subject: z.string().nullable(),
  created_at: z.string(),
  created_by: z.string(),
});
/** `Authorization: Bearer` of its pushes; shown this once. */
export const newSourceView = sourceView.extend({ push_token: z.string().optional() });
export const sourceStreamView = z.object({ status: z.enum(STATUSES), reason: z.string().nullable() });
/** Why the stream may still be there. */
export const streamLeftView = z.object({ stream_id: z.string().nullable(), stream_left: z.string() });
export const pushRefusal = z.object({ err: z.string(), description: z.string() });

/** Other transmitters of Shared Signals, which may end access here: who they are, and what they push (RFC 8935). Others are polled. */
@Controller('v1/sources')
export class SourcesController {
  private readonly newSourceBody: ReturnType<typeof newSourceBody>;
  private readonly sourceChangeBody: ReturnType<typeof sourceChangeBody>;

  constructor(
    private readonly database: Database,
    @Inject(Intake) private readonly intake: Pick<Intake, 'take'>,
    @Inject(ProviderRegistry) private readonly providers: Pick<ProviderRegistry, 'get'>,
    private readonly streams: SourceStreams,
    private readonly metrics: SignalsMetrics,
    @Inject(CONFIG) private readonly config: Pick<SignalsConfig, 'allowLocalHosts' | 'encryptionKeys' | 'issuer'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    const url = deliveryUrl(config.allowLocalHosts);
    this.newSourceBody = newSourceBody(url);
    this.sourceChangeBody = sourceChangeBody(url);
  }

  @Post()
  async create(@Body() body: unknown, @Caller() actor: string): Promise<z.infer<typeof newSourceView>> {
    const given = valid(this.newSourceBody).transform(body, { type: 'body' });
    if (!this.providers.get(given.provider_id)) {
      throw new Problem(404, 'provider_unknown', 'There is no identity provider of that id.');
    }
    const token = `rst_${randomBytes(32).toString('base64url')}`;
    const id = newId('source');
    const { audience, poll, stream, ...source } = {
      ...given,
      id,
      jwks_uri: given.jwks_uri ?? null,
      sha256: sha256(token),
      created_by: actor,
    };
    const push = { url: this.pushUrl(id), header: `Bearer ${token}` };
    const row = stream
      ? await this.streams.connect(source, {
          method: stream.method,
          credentials: this.sealed(id, stream),
          adopt: stream.adopt,
          push,
          audience,
        })
      : await this.database.transaction((tx) =>
          insertSource(tx, {
            ...source,
            audience: audience ?? push.url,
            poll: poll ? { endpoint_url: poll.endpoint_url, ...this.sealed(id, poll) } : null,
          }),
        );
    if (!row) throw new Problem(409, 'source_name_taken', 'Another source has this name.');
    return { ...this.viewOf(row), ...(row.poll || row.stream ? {} : { push_token: token }) };
  }

  /** What a transmitter says of itself, before a source is made of it. */
  @Post('discover')
  @HttpCode(200)
  async discover(
    @Body(valid(discoverSourceBody)) { issuer: pasted }: z.output<typeof discoverSourceBody>,
  ): Promise<z.infer<typeof foundTransmitterView>> {
    return { ...(await this.streams.find(pasted)), events_requested: [...EVENTS_REQUESTED] };
  }

  @Get()
  async list(): Promise<{ data: z.infer<typeof sourceView>[]; next_cursor: null }> {
    const rows = await this.database.read(readSources);
    return { data: rows.map((row) => this.viewOf(row)), next_cursor: null };
  }

  /** Of what its transmitter may change: where and with what it is polled, and what it says as `aud`. */
  @Patch(':id')
  async change(@Param('id') id: string, @Body() body: unknown): Promise<z.infer<typeof sourceView>> {
    const { audience, poll, authorization } = valid(this.sourceChangeBody).transform(body, { type: 'body' });
    const row = await this.database.transaction(async (tx) => {
      const source = known(id.includes('\0') ? undefined : await readSource(tx, id));
      if (poll && !source.poll)
        throw new Problem(409, 'source_pushes', 'It pushes: make another source that is polled.');
      if (source.stream && (poll || audience !== undefined)) {
        throw new Problem(409, 'source_connected', 'Its stream says that: give its authorization, or connect it anew.');
      }
      if (authorization && !source.stream) {
        throw new Problem(409, 'source_not_connected', 'A person has made its stream: give poll.');
      }
      if (audience !== undefined) await changeAudience(tx, id, audience);
      if (poll) await changePoll(tx, id, { endpoint_url: poll.endpoint_url, ...this.sealed(id, poll) });
      if (authorization) await changeCredentials(tx, id, this.sealed(id, authorization));
      return readSource(tx, id);
    });
    return this.viewOf(known(row));
  }

  /** What comes of it stands at the source: `stream.answered_at`. */
  @Post(':id/verification')
  @HttpCode(202)
  async verify(@Param('id') id: string): Promise<z.infer<typeof sourceView>> {
    await this.streams.verify(await this.find(id));
    return this.viewOf(await this.find(id));
  }

  @Get(':id/stream')
  async streamStatus(@Param('id') id: string): Promise<z.infer<typeof sourceStreamView>> {
    return this.streams.status(await this.find(id));
  }

  /** A stream that we have made ends with it; where that fails the source goes all the same, and it is said. */
  @Delete(':id')
  async delete(
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<z.infer<typeof streamLeftView> | undefined> {
    const source = await this.find(id);
    const left = await this.streams.end(source);
    if (!(await this.database.transaction((tx) => deleteSource(tx, id)))) throw sourceUnknown();
    if (left !== undefined) return { stream_id: source.stream?.stream_id ?? null, stream_left: left };
    void reply.status(204);
    return undefined;
  }

  /** 202 once every in-sync replica of Kafka holds what it means, so that the transmitter repeats whatever we could lose. */
  @Public()
  @Post(':id/events')
  @HttpCode(202)
  async receive(
    @Param('id') id: string,
    @Headers('authorization') authorization: string | undefined,
    @Headers('content-type') contentType: string | undefined,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<z.infer<typeof pushRefusal> | undefined> {
    try {
      const source = await this.authenticate(id, authorization);
      await this.intake.take(source, setOf(contentType, body));
      return undefined;
    } catch (error) {
      if (error instanceof SetRefused) {
        const status = error.err === 'authentication_failed' ? 401 : 400;
        void reply.status(status).header('content-language', 'en');
        return { err: error.err, description: error.message };
      }
      if (error instanceof KeysUnavailable) {
        throw new Problem(503, 'keys_unavailable', 'The keys of the issuer cannot be had; try again.', RETRY);
      }
      if (error instanceof BrokerUnavailable) {
        throw new Problem(503, 'broker_unavailable', 'Kafka does not answer; try again.', RETRY);
      }
      throw error;
    }
  }

  private async authenticate(id: string, authorization: string | undefined): Promise<SourceRow> {
    const token = bearerToken(authorization) ?? '';
    const source = id.includes('\0') ? undefined : await this.database.read((tx) => readSource(tx, id));
    const given = Buffer.from(sha256(token), 'hex');
    if (!source || source.poll || !timingSafeEqual(given, Buffer.from(source.sha256, 'hex'))) {
      this.metrics.receivedSet('authentication_failed');
      this.logger.warn({ source_id: id, err_code: 'authentication_failed' }, 'SET refused');
      throw new SetRefused('authentication_failed', 'Send the push_token of this source as a bearer token.');
    }
    if (source.stream?.stream_id === null) {
      throw new Problem(503, 'source_connecting', 'Its stream is still being made; try again.', RETRY);
    }
    return source;
  }

  private async find(id: string): Promise<SourceRow> {
    return known(id.includes('\0') ? undefined : await this.database.read((tx) => readSource(tx, id)));
  }

  private sealed(id: string, given: GivenCredentials): Credentials {
    const { authorization_header, token_url, client_id, client_secret, scope } = given;
    const secret = (authorization_header ?? client_secret)!;
    return {
      token_url: token_url ?? null,
      client_id: client_id ?? null,
      scope: scope ?? null,
      secret: seal(secret, sourceSecretOwner(id), this.config.encryptionKeys),
    };
  }

  private pushUrl(id: string): string {
    return `${this.config.issuer}/v1/sources/${id}/events`;
  }

  private viewOf(row: SourceRow): z.infer<typeof sourceView> {
    const { id, name, issuer, audience, jwks_uri, provider_id, subject_issuers, created_by } = row;
    const { poll, stream, last_refusal, stream_status, stream_reason } = row;
    const time = (at: Date | string | null): string | null => (at === null ? null : new Date(at).toISOString());
    return {
      id,
      name,
      issuer,
      audience,
      jwks_uri,
      provider_id,
      subject_issuers,
      push_url: poll ? null : this.pushUrl(id),
      poll: poll && {
        endpoint_url: poll.endpoint_url,
        token_url: poll.token_url,
        client_id: poll.client_id,
        scope: poll.scope,
        polled_at: time(poll.polled_at),
        failures: poll.failures,
        last_error: poll.last_error,
      },
      stream: stream && {
        stream_id: stream.stream_id,
        configuration_endpoint: stream.configuration_endpoint,
        audiences: stream.audiences,
        events_delivered: stream.events_delivered,
        min_verification_interval: stream.min_verification_interval,
        token_url: stream.token_url,
        client_id: stream.client_id,
        scope: stream.scope,
        asked_at: time(stream.asked_at),
        answered_at: time(stream.answered_at),
        unanswered_since: time(stream.unanswered_since),
        ask_error: stream.ask_error,
      },
      refused: Number(row.refused),
      last_refusal,
      refused_at: time(row.refused_at),
      verified_at: time(row.verified_at),
      stream_status,
      stream_reason,
      unknown_subject_at: time(row.unknown_subject_at),
      unknown_subject: row.unknown_subject,
      created_at: row.created_at.toISOString(),
      created_by,
    };
  }
}

const RETRY = { headers: { 'retry-after': '1' } };

function known(source: SourceRow | undefined): SourceRow {
  if (!source) throw sourceUnknown();
  return source;
}

const sourceUnknown = (): Problem => new Problem(404, 'source_unknown', 'There is no source of that id.');

function setOf(contentType: string | undefined, body: unknown): string {
  if (!/^application\/secevent\+jwt\b/i.test(contentType ?? '') || typeof body !== 'string') {
    throw new SetRefused('invalid_request', 'Send a SET as application/secevent+jwt.');
  }
  return body.trim();
}
