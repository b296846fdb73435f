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
import {
  changeAudience,
  changePoll,
  deleteSource,
  insertSource,
  type PollSettings,
  readSource,
  readSources,
  sourceSecretOwner,
  type SourceRow,
} from './sources.sql.js';
import { headerValue, text } from '../streams/ssf-views.js';
import { STATUSES } from '../streams/streams.sql.js';

const issuer = text(500).refine((given) => /^https?:/.test(given) && URL.canParse(given), 'must be a URL');

/** How it is asked for SETs: with a header as it is, or with tokens that are got for a client's secret (RFC 6749, section 4.4). */
const pollBody = (url: z.ZodType<string>) =>
  z
    .strictObject({
      /** Of the stream there. */
      endpoint_url: url,
      authorization_header: headerValue.optional(),
      token_url: url.optional(),
      client_id: text(500).optional(),
      client_secret: text(2_000).optional(),
      scope: text(500).optional(),
    })
    .superRefine(({ authorization_header, token_url, client_id, client_secret, scope }, context) => {
      const ofClient = { token_url, client_id, client_secret };
      const isNeeded = authorization_header === undefined;
      for (const [name, given] of Object.entries(isNeeded ? ofClient : { ...ofClient, scope })) {
        if ((given === undefined) === isNeeded) {
          const message = isNeeded
            ? 'is needed where there is no authorization_header'
            : 'is not for a header as it is';
          context.addIssue({ code: 'custom', path: [name], message });
        }
      }
    });
type PollBody = z.output<ReturnType<typeof pollBody>>;

export const newSourceBody = (url: z.ZodType<string>) =>
  z
    .strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}$/, 'letters, digits, blank, dot, hyphen and underscore'),
      /** `iss` of its SETs. */
      issuer,
      /** What it says as `aud`; left out: the URL that it pushes to. */
      audience: text(500).optional(),
      /** Left out: as `/.well-known/ssf-configuration` of the issuer says. */
      jwks_uri: url.optional(),
      /** Whose users it speaks of. */
      provider_id: text(100),
      /** What the issuer of these users is called in its subjects, besides as the provider has it. */
      subject_issuers: z.array(text(500)).max(20).default([]),
      /** It is polled (RFC 8936), at the `endpoint_url` of the stream there; left out: it pushes. */
      poll: pollBody(url).optional(),
    })
    .refine(({ audience, poll }) => !poll || audience !== undefined, {
      path: ['audience'],
      message: 'is needed of a source that is polled: the aud of its stream',
    });
export const sourceChangeBody = (url: z.ZodType<string>) =>
  z.strictObject({ audience: text(500).optional(), poll: pollBody(url).optional() });
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
    const row = await this.database.transaction((tx) =>
      insertSource(tx, {
        ...given,
        id,
        audience: given.audience ?? this.pushUrl(id),
        jwks_uri: given.jwks_uri ?? null,
        sha256: sha256(token),
        created_by: actor,
        poll: given.poll ? this.sealed(id, given.poll) : null,
      }),
    );
    if (!row) throw new Problem(409, 'source_name_taken', 'Another source has this name.');
    return { ...this.viewOf(row), ...(row.poll ? {} : { push_token: token }) };
  }

  @Get()
  async list(): Promise<{ data: z.infer<typeof sourceView>[]; next_cursor: null }> {
    const rows = await this.database.read(readSources);
    return { data: rows.map((row) => this.viewOf(row)), next_cursor: null };
  }

  /** Of what its transmitter may change: where and with what it is polled, and what it says as `aud`. */
  @Patch(':id')
  async change(@Param('id') id: string, @Body() body: unknown): Promise<z.infer<typeof sourceView>> {
    const { audience, poll } = valid(this.sourceChangeBody).transform(body, { type: 'body' });
    const row = await this.database.transaction(async (tx) => {
      const source = id.includes('\0') ? undefined : await readSource(tx, id);
      if (!source) throw sourceUnknown();
      if (poll && !source.poll)
        throw new Problem(409, 'source_pushes', 'It pushes: make another source that is polled.');
      if (audience !== undefined) await changeAudience(tx, id, audience);
      if (poll) await changePoll(tx, id, this.sealed(id, poll));
      return readSource(tx, id);
    });
    if (!row) throw sourceUnknown();
    return this.viewOf(row);
  }

  @Delete(':id')
  @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    if (id.includes('\0') || !(await this.database.transaction((tx) => deleteSource(tx, id)))) {
      throw sourceUnknown();
    }
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
    return source;
  }

  private sealed(id: string, poll: PollBody): PollSettings {
    const { endpoint_url, authorization_header, token_url, client_id, client_secret, scope } = poll;
    const secret = (authorization_header ?? client_secret)!;
    return {
      endpoint_url,
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
    const { poll, last_refusal, stream_status, stream_reason } = row;
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

const sourceUnknown = (): Problem => new Problem(404, 'source_unknown', 'There is no source of that id.');

function setOf(contentType: string | undefined, body: unknown): string {
  if (!/^application\/secevent\+jwt\b/i.test(contentType ?? '') || typeof body !== 'string') {
    throw new SetRefused('invalid_request', 'Send a SET as application/secevent+jwt.');
  }
  return body.trim();
}
