import { randomBytes, timingSafeEqual } from 'node:crypto';
import { Body, Controller, Delete, Get, Headers, HttpCode, Inject, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { errors, jwtVerify } from 'jose';
import { z } from 'zod';
import { CLOUD_EVENT_CONTENT_TYPE } from '#contracts/cloud-event.js';
import { TOPICS } from '#contracts/topics.js';
import { encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import { BrokerUnavailable } from '#kafka/errors.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { bearerToken, Public, sha256 } from '#platform/api-key.guard.js';
import { Caller } from '#platform/caller.js';
import { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { Problem } from '#platform/problem.js';
import { LOGGER } from '#platform/service.module.js';
import { valid } from '#platform/validation.js';
import { ProviderRegistry } from '#providers/registry.js';
import { CONFIG, type SignalsConfig } from './config.js';
import { deliveryUrl } from './delivery-url.js';
import { type CheckedSet, meaningOf } from './domain/received.js';
import { newId } from './ids.js';
import { readSetClaims, SetRefused } from './read-set.js';
import { SignalsMetrics } from './signals-metrics.js';
import { KeysUnavailable, SourceKeys } from './source-keys.js';
import { deleteSource, insertSource, readSource, readSources, type SourceRow } from './sources.sql.js';
import { text } from './ssf-views.js';

const issuer = text(500).refine((given) => /^https?:/.test(given) && URL.canParse(given), 'must be a URL');

export const newSourceBody = (url: z.ZodType<string>) =>
  z.strictObject({
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}$/, 'letters, digits, blank, dot, hyphen and underscore'),
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
  });
export const sourceView = z.object({
  id: z.string(),
  name: z.string(),
  issuer: z.string(),
  audience: z.string(),
  jwks_uri: z.string().nullable(),
  provider_id: z.string(),
  subject_issuers: z.array(z.string()),
  push_url: z.string(),
  created_at: z.string(),
  created_by: z.string(),
});
/** `Authorization: Bearer` of its pushes; shown this once. */
export const newSourceView = sourceView.extend({ push_token: z.string() });
export const pushRefusal = z.object({ err: z.string(), description: z.string() });

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];

/** Other transmitters of Shared Signals, which may end access here: who they are, and what they push (RFC 8935). */
@Controller('v1/sources')
export class SourcesController {
  private readonly newSourceBody: ReturnType<typeof newSourceBody>;

  constructor(
    private readonly database: Database,
    private readonly keys: SourceKeys,
    @Inject(BatchPublisher) private readonly publisher: Pick<BatchPublisher, 'publish'>,
    @Inject(ProviderRegistry) private readonly providers: Pick<ProviderRegistry, 'get'>,
    private readonly metrics: SignalsMetrics,
    @Inject(CONFIG) private readonly config: Pick<SignalsConfig, 'allowLocalHosts' | 'issuer'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.newSourceBody = newSourceBody(deliveryUrl(config.allowLocalHosts));
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
      }),
    );
    if (!row) throw new Problem(409, 'source_name_taken', 'Another source has this name.');
    return { ...this.viewOf(row), push_token: token };
  }

  @Get()
  async list(): Promise<{ data: z.infer<typeof sourceView>[]; next_cursor: null }> {
    const rows = await this.database.read(readSources);
    return { data: rows.map((row) => this.viewOf(row)), next_cursor: null };
  }

  @Delete(':id')
  @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    if (id.includes('\0') || !(await this.database.transaction((tx) => deleteSource(tx, id)))) {
      throw new Problem(404, 'source_unknown', 'There is no source of that id.');
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
      const set = await this.check(source, contentType, body);
      this.metrics.receivedSet(await this.take(source, set));
      return undefined;
    } catch (error) {
      if (error instanceof SetRefused) {
        this.metrics.receivedSet(error.err);
        this.logger.warn({ source_id: id, err_code: error.err, why: error.message }, 'SET refused');
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
    if (!source || !timingSafeEqual(given, Buffer.from(source.sha256, 'hex'))) {
      throw new SetRefused('authentication_failed', 'Send the push_token of this source as a bearer token.');
    }
    return source;
  }

  /** Signature, type, issuer and audience first; then what SSF 1.0 (section 4) and RFC 8417 ask of a SET. */
  private async check(source: SourceRow, contentType: string | undefined, body: unknown): Promise<CheckedSet> {
    if (!/^application\/secevent\+jwt\b/i.test(contentType ?? '') || typeof body !== 'string') {
      throw new SetRefused('invalid_request', 'Send a SET as application/secevent+jwt.');
    }
    return readSetClaims(await this.verify(source, body.trim()), new Date());
  }

  private async verify(source: SourceRow, set: string): Promise<Record<string, unknown>> {
    const options = { issuer: source.issuer, audience: source.audience, typ: 'secevent+jwt', algorithms: ALGORITHMS };
    const verifyWith = async (again: boolean): Promise<Record<string, unknown>> =>
      (await jwtVerify(set, await this.keys.of(source, again), options)).payload;
    try {
      return await verifyWith(false).catch((error: unknown) => {
        if (error instanceof errors.JWKSNoMatchingKey) return verifyWith(true);
        throw error;
      });
    } catch (error) {
      throw error instanceof errors.JOSEError ? refusalOf(error) : error;
    }
  }

  /** Answers the outcome, for metrics. */
  private async take(source: SourceRow, set: CheckedSet): Promise<'taken' | 'no_effect'> {
    const provider = this.providers.get(source.provider_id);
    const issuers = [...(provider?.issuers ?? []), ...source.subject_issuers];
    const meaning = meaningOf(set, { sourceId: source.id, providerId: source.provider_id, issuers });
    const line = { source_id: source.id, jti: set.jti };
    if ('nothing' in meaning) {
      this.logger.info({ ...line, no_effect: meaning.nothing }, 'SET received');
      return 'no_effect';
    }
    const bytes = Buffer.from(JSON.stringify(meaning.event));
    const envelope = readWorkOSEnvelope(bytes);
    const about = { id: source.provider_id, mode: provider?.mode ?? 'enforced' } as const;
    await this.publisher.publish(TOPICS.workosEvents, {
      key: envelope.key,
      value: encodeWorkOSRecord(bytes, envelope, about, new Date(), 'signal'),
      headers: { 'content-type': CLOUD_EVENT_CONTENT_TYPE },
    });
    this.logger.info({ ...line, event_id: meaning.event.id }, 'SET received');
    return 'taken';
  }

  private pushUrl(id: string): string {
    return `${this.config.issuer}/v1/sources/${id}/events`;
  }

  private viewOf({ sha256: _, created_at, ...source }: SourceRow): z.infer<typeof sourceView> {
    return { ...source, push_url: this.pushUrl(source.id), created_at: created_at.toISOString() };
  }
}

const RETRY = { headers: { 'retry-after': '1' } };

/** Of jose's errors, the word of RFC 8935. */
function refusalOf(error: errors.JOSEError): SetRefused {
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'iss') return new SetRefused('invalid_issuer', 'iss is not that of this source.');
    if (error.claim === 'aud') return new SetRefused('invalid_audience', 'aud is not that of this source.');
    return new SetRefused('invalid_request', `${error.claim} is not as it should be.`);
  }
  const isAboutKeys =
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys;
  if (isAboutKeys) return new SetRefused('invalid_key', 'No key of the issuer has signed this.');
  return new SetRefused('invalid_request', 'This is no SET that is signed with an allowed algorithm.');
}
