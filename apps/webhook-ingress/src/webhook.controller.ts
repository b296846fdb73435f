import { Body, Controller, Headers, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CLOUD_EVENT_CONTENT_TYPE } from '#contracts/cloud-event.js';
import { Rejected } from '#contracts/rejected.js';
import { TOPICS } from '#contracts/topics.js';
import { encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import { BrokerUnavailable } from '#kafka/errors.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { Public } from '#platform/api-key.guard.js';
import type { Logger } from '#platform/logging.js';
import { Problem } from '#platform/problem.js';
import { LOGGER } from '#platform/service.module.js';
import { beginTrace, followTrace, type TraceSpan } from '#platform/tracing.js';
import { type SigningSecret, verifySignature } from '#workos/signature.js';
import { CONFIG, type IngressConfig } from './config.js';
import { type Endpoint, EndpointDirectory } from './endpoint-directory.js';
import { Gate } from './gate.js';
import { IngressMetrics } from './ingress-metrics.js';
import { WebhookActivityReport } from './webhook-activity.js';

/** Seconds after which the sender may try again; WorkOS's own schedule is longer. */
const RETRY_AFTER = { 'retry-after': '5' };
const EMPTY = Buffer.alloc(0);

/** The one answer that makes WorkOS send it again. */
export const brokerUnavailable = (detail: string): Problem =>
  new Problem(503, 'broker_unavailable', detail, { headers: RETRY_AFTER });

@Public()
@Controller('webhooks/workos')
export class WebhookController {
  constructor(
    @Inject(CONFIG) private readonly config: IngressConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly endpoints: EndpointDirectory,
    private readonly publisher: BatchPublisher,
    private readonly metrics: IngressMetrics,
    private readonly gate: Gate,
    private readonly activity: WebhookActivityReport,
  ) {}

  /**
   * Answers 200 only once every in-sync replica of Kafka holds the event, so that the sender retries whatever could be
   * lost. A repeated delivery and a type that we do not know are stored like any other.
   */
  @Post(':token')
  @HttpCode(200)
  async receive(
    @Param('token') token: string,
    @Headers('workos-signature') signature: string | undefined,
    @Body() body: Buffer | undefined,
    @Req() request: FastifyRequest,
  ): Promise<{ received: true }> {
    const receivedAt = new Date();
    const line: Record<string, unknown> = { request_id: request.id, bytes: body?.length ?? 0 };
    let outcome = 'stored';
    let providerId: string | undefined;
    let span: TraceSpan | undefined;
    try {
      const endpoint = this.endpointOf(token);
      line['provider_id'] = providerId = endpoint.provider.id;
      this.gate.checkSource(request.ip);
      const { id: secretId } = this.verify(endpoint, body ?? EMPTY, signature, receivedAt);
      line['secret_id'] = secretId;
      this.gate.countDelivery(providerId);
      const envelope = readWorkOSEnvelope(body ?? EMPTY);
      line['event_id'] = envelope.id;
      line['event_type'] = envelope.type;
      // Only what was proved to be the sender's is traced: nobody else can make work for the collector.
      span = beginTrace('receive webhook', 'server', receivedAt);
      if (span) line['trace_id'] = span.traceId;
      const publishing = followTrace(span?.traceparent, 'publish workos.events', 'producer');
      const headers = { 'content-type': CLOUD_EVENT_CONTENT_TYPE };
      await this.publisher.publish(TOPICS.workosEvents, {
        key: envelope.key,
        value: encodeWorkOSRecord(body ?? EMPTY, envelope, endpoint.provider, receivedAt),
        headers: publishing ? { ...headers, traceparent: publishing.traceparent } : headers,
      });
      publishing?.end();
      this.activity.stored(providerId, secretId, receivedAt);
      return { received: true };
    } catch (error) {
      const problem = toProblem(error);
      outcome = problem instanceof Problem ? problem.code : 'internal_error';
      line['source'] = request.ip;
      if (providerId !== undefined) this.activity.refused(providerId, outcome, request.ip, receivedAt);
      const answer = problem instanceof Problem ? this.gate.refusal(problem, request.ip) : problem;
      if (answer instanceof Problem && answer.code === 'rate_limited') outcome = answer.code;
      throw answer;
    } finally {
      const durationMs = Date.now() - receivedAt.getTime();
      this.metrics.delivered(outcome, durationMs);
      span?.end(
        {
          'rescind.provider_id': providerId,
          'rescind.event_id': line['event_id'] as string,
          'rescind.event_type': line['event_type'] as string,
          'rescind.outcome': outcome,
        },
        outcome === 'stored' ? undefined : outcome,
      );
      this.logger.info({ ...line, outcome, duration_ms: durationMs }, 'delivery');
    }
  }

  private endpointOf(token: string): Endpoint {
    if (!this.endpoints.isReady()) {
      throw new Problem(503, 'broker_unavailable', 'The webhook endpoints are not known yet.', {
        headers: RETRY_AFTER,
      });
    }
    const endpoint = this.endpoints.find(token);
    if (!endpoint) throw new Problem(404, 'endpoint_unknown', 'Copy the endpoint URL from the portal once more.');
    return endpoint;
  }

  /** Nothing of the body is read before this returns. */
  private verify(endpoint: Endpoint, body: Buffer, signature: string | undefined, now: Date): SigningSecret {
    try {
      return verifySignature(body, signature, endpoint.secrets, now, this.config.signatureToleranceMs);
    } catch (error) {
      if (error instanceof Rejected && error.code === 'signature_mismatch' && endpoint.unreadable > 0) {
        throw new Problem(
          503,
          'secret_unreadable',
          'A signing secret cannot be opened: RESCIND_ENCRYPTION_KEYS lacks its key.',
          {
            headers: RETRY_AFTER,
          },
        );
      }
      throw error;
    }
  }
}

/** What to do about each refusal, for whoever looks into WorkOS's delivery log. */
const ADVICE: Partial<Record<string, string>> = {
  signature_missing: 'There is no WorkOS-Signature header.',
  signature_malformed: 'WorkOS-Signature must be t=<milliseconds>, v1=<64 lower-case hex digits>.',
  signature_stale: 'The timestamp is too far from now: check the clocks.',
  signature_mismatch:
    'No live secret of this endpoint signed these bytes: paste the signing secret from WorkOS into the portal.',
};

function toProblem(error: unknown): unknown {
  if (error instanceof Rejected) {
    return new Problem(error.code === 'body_malformed' ? 400 : 401, error.code, error.detail ?? ADVICE[error.code]);
  }
  if (error instanceof BrokerUnavailable) {
    return brokerUnavailable('Kafka does not hold the event; send it again.');
  }
  return error;
}
