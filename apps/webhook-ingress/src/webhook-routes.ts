import type { FastifyReply, FastifyRequest } from 'fastify';
import { CLOUD_EVENT_CONTENT_TYPE } from '#contracts/cloud-event.js';
import { Rejected } from '#contracts/rejected.js';
import { TOPICS } from '#contracts/topics.js';
import { encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import { BrokerUnavailable } from '#kafka/errors.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import type { Logger } from '#platform/logging.js';
import type { OwnRoute } from '#platform/own-routes.js';
import { Problem } from '#platform/problem.js';
import { beginTrace, followTrace, type TraceSpan } from '#platform/tracing.js';
import { type SigningSecret, verifySignature } from '#workos/signature.js';
import type { IngressConfig } from './config.js';
import type { Endpoint, EndpointDirectory } from './endpoint-directory.js';
import type { Gate } from './gate.js';
import type { IngressMetrics } from './ingress-metrics.js';
import { Turns } from './turns.js';
import type { WebhookActivityReport } from './webhook-activity.js';

/** Seconds after which the sender may try again; WorkOS's own schedule is longer. */
const RETRY_AFTER = { 'retry-after': '5' };
const EMPTY = Buffer.alloc(0);
const HEADERS = { 'content-type': CLOUD_EVENT_CONTENT_TYPE };
const JSON_TYPE = 'application/json; charset=utf-8';
const RECEIVED = '{"received":true}';

/** The one answer that makes WorkOS send it again. */
export const brokerUnavailable = (detail: string): Problem =>
  new Problem(503, 'broker_unavailable', detail, { headers: RETRY_AFTER });

export interface WebhookParts {
  config: Pick<IngressConfig, 'signatureToleranceMs'>;
  logger: Logger;
  endpoints: EndpointDirectory;
  publisher: Pick<BatchPublisher, 'publish'>;
  metrics: IngressMetrics;
  gate: Gate;
  activity: WebhookActivityReport;
}

/** What the log line says of one delivery, as far as it came. */
interface Delivery {
  request_id: string;
  bytes: number;
  provider_id?: string;
  secret_id?: string;
  event_id?: string;
  event_type?: string;
  trace_id?: string;
  source?: string;
}

/**
 * `POST /webhooks/workos/<token>`. Answers 200 only once every in-sync replica of Kafka holds the event, so that the sender
 * retries whatever could be lost. A repeated delivery and a type that we do not know are stored like any other.
 */
export function webhookRoutes(parts: WebhookParts): OwnRoute[] {
  const { config, endpoints, publisher, metrics, gate, activity } = parts;
  // Nothing in these lines could be a secret, and to look for one takes as long as the signature.
  const logger = parts.logger.child({}, { redact: [] });
  const turns = new Turns();
  return [{ method: 'POST', url: '/webhooks/workos/:token', handler: receive }];

  async function receive(request: FastifyRequest, reply: FastifyReply): Promise<undefined> {
    const { token } = request.params as { token: string };
    const body = (request.body as Buffer | undefined) ?? EMPTY;
    const receivedAt = new Date();
    const line: Delivery = { request_id: request.id, bytes: body.length };
    let outcome = 'stored';
    let span: TraceSpan | undefined;
    const turn = turns.enter();
    if (turn) await turn;
    try {
      const { provider, ...endpoint } = endpointOf(token);
      line.provider_id = provider.id;
      gate.checkSource(request.ip);
      const { id: secretId } = verify(endpoint, body, request.headers['workos-signature'], receivedAt);
      line.secret_id = secretId;
      gate.countDelivery(provider.id);
      const envelope = readWorkOSEnvelope(body);
      line.event_id = envelope.id;
      line.event_type = envelope.type;
      // Only what was proved to be the sender's is traced: nobody else can make work for the collector.
      span = beginTrace('receive webhook', 'server', receivedAt);
      if (span) line.trace_id = span.traceId;
      const publishing = followTrace(span?.traceparent, 'publish workos.events', 'producer');
      await publisher.publish(TOPICS.workosEvents, {
        key: envelope.key,
        value: encodeWorkOSRecord(body, envelope, provider, receivedAt),
        headers: publishing ? { ...HEADERS, traceparent: publishing.traceparent } : HEADERS,
      });
      publishing?.end();
      activity.stored(provider.id, secretId, receivedAt);
      void reply.type(JSON_TYPE).send(RECEIVED);
    } catch (error) {
      const problem = toProblem(error);
      outcome = problem instanceof Problem ? problem.code : 'internal_error';
      line.source = request.ip;
      if (line.provider_id !== undefined) activity.refused(line.provider_id, outcome, request.ip, receivedAt);
      const answer = problem instanceof Problem ? gate.refusal(problem, request.ip) : problem;
      if (answer instanceof Problem && answer.code === 'rate_limited') outcome = answer.code;
      throw answer;
    } finally {
      turns.leave();
      const durationMs = Date.now() - receivedAt.getTime();
      metrics.delivered(outcome, durationMs);
      span?.end(
        {
          'rescind.provider_id': line.provider_id,
          'rescind.event_id': line.event_id,
          'rescind.event_type': line.event_type,
          'rescind.outcome': outcome,
        },
        outcome === 'stored' ? undefined : outcome,
      );
      logger.info({ ...line, outcome, duration_ms: durationMs }, 'delivery');
    }
  }

  function endpointOf(token: string): Endpoint {
    if (!endpoints.isReady()) throw brokerUnavailable('The webhook endpoints are not known yet.');
    const endpoint = endpoints.find(token);
    if (!endpoint) throw new Problem(404, 'endpoint_unknown', 'Copy the endpoint URL from the portal once more.');
    return endpoint;
  }

  /** Nothing of the body is read before this returns. */
  function verify(
    { secrets, unreadable }: Pick<Endpoint, 'secrets' | 'unreadable'>,
    body: Buffer,
    signature: string | string[] | undefined,
    now: Date,
  ): SigningSecret {
    try {
      return verifySignature(body, signature?.toString(), secrets, now, config.signatureToleranceMs);
    } catch (error) {
      if (error instanceof Rejected && error.code === 'signature_mismatch' && unreadable > 0) {
        throw new Problem(
          503,
          'secret_unreadable',
          'A signing secret cannot be opened: RESCIND_ENCRYPTION_KEYS lacks its key.',
          { headers: RETRY_AFTER },
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
