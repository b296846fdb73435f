import type { Context, SpanKind, Tracer } from '@opentelemetry/api';
import type { Logger } from './logging.js';

/**
 * Traces of OpenTelemetry: one for each event, from its webhook to the first refusal that it causes. They are off, and the
 * packages are not even loaded, unless `OTEL_EXPORTER_OTLP_ENDPOINT` says where they go. Spans carry ids and outcomes; never
 * a token, a secret or a body.
 */
export interface TraceSpan {
  /** W3C Trace Context, section 3.2: what the next one follows. */
  readonly traceparent: string;
  readonly traceId: string;
  /** @param failure why it did not come to its end, in a word */
  end(attributes?: Attributes, failure?: string): void;
}

type Attributes = Readonly<Record<string, string | number | undefined>>;
type Kind = 'server' | 'producer' | 'consumer' | 'internal';

interface Tracing {
  tracer: Tracer;
  kinds: Record<Kind, SpanKind>;
  root: Context;
  contextOf(parent: Parent): Context;
  markFailed(span: { setStatus(status: { code: number; message: string }): unknown }, failure: string): void;
  stop(): Promise<void>;
}

interface Parent {
  traceId: string;
  spanId: string;
  traceFlags: number;
}

let tracing: Tracing | undefined;

/** So often spans are sent, and so many are kept at most; what comes beyond is dropped, and nothing waits for it. */
const SEND_EVERY_MS = 1_000;
const MOST_WAITING = 8_192;
/** Of a stop, how long it may take to send what is left. */
const LAST_WORDS_MS = 2_000;
const SAY_AGAIN_AFTER_MS = 60_000;

/** To be called before anything is traced. The exporter reads the other `OTEL_EXPORTER_OTLP_*` itself. */
export async function startTracing(
  service: string,
  logger: Pick<Logger, 'warn' | 'info'>,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  if (!env['OTEL_EXPORTER_OTLP_ENDPOINT'] || tracing) return;
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  api.diag.setLogger(diagnostics(logger), api.DiagLogLevel.WARN);
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({
      'service.name': service,
      'service.namespace': 'rescind',
      ...(env['HOSTNAME'] ? { 'service.instance.id': env['HOSTNAME'] } : {}),
    }),
    sampler: new sdk.ParentBasedSampler({
      root: new sdk.TraceIdRatioBasedSampler(Number(env['OTEL_TRACES_SAMPLER_ARG'] || 1)),
    }),
    spanLimits: { attributeValueLengthLimit: 256 },
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: new OTLPTraceExporter(),
        scheduledDelayMillis: SEND_EVERY_MS,
        maxQueueSize: MOST_WAITING,
      }),
    ],
  });
  const { SERVER, PRODUCER, CONSUMER, INTERNAL } = api.SpanKind;
  tracing = {
    tracer: provider.getTracer('rescind'),
    kinds: { server: SERVER, producer: PRODUCER, consumer: CONSUMER, internal: INTERNAL },
    root: api.ROOT_CONTEXT,
    contextOf: (parent) => api.trace.setSpanContext(api.ROOT_CONTEXT, { ...parent, isRemote: true }),
    markFailed: (span, message) => span.setStatus({ code: api.SpanStatusCode.ERROR, message }),
    stop: () => provider.shutdown(),
  };
  logger.info({ service }, 'traces are on');
}

/** Sends what is left, for two seconds at most. */
export async function stopTracing(): Promise<void> {
  const stopping = tracing;
  tracing = undefined;
  if (!stopping) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, LAST_WORDS_MS)));
  await Promise.race([stopping.stop().catch(() => undefined), late]);
  clearTimeout(timer);
}

export const isTracing = (): boolean => tracing !== undefined;

/** The first span of a trace; undefined where traces are off. */
export function beginTrace(name: string, kind: Kind, startedAt?: Date): TraceSpan | undefined {
  return tracing && start(tracing, name, kind, tracing.root, startedAt);
}

/** A span that follows another one, of this service or another; undefined where traces are off, or nothing goes before. */
export function followTrace(
  traceparent: string | undefined,
  name: string,
  kind: Kind,
  startedAt?: Date,
): TraceSpan | undefined {
  if (!tracing || traceparent === undefined) return undefined;
  const parent = parse(traceparent);
  return parent && start(tracing, name, kind, tracing.contextOf(parent), startedAt);
}

function start({ tracer, kinds, markFailed }: Tracing, name: string, kind: Kind, context: Context, startedAt?: Date) {
  const span = tracer.startSpan(name, { kind: kinds[kind], ...(startedAt && { startTime: startedAt }) }, context);
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
    traceId,
    end(attributes: Attributes = {}, failure?: string) {
      span.setAttributes(attributes);
      if (failure !== undefined) markFailed(span, failure);
      span.end();
    },
  } satisfies TraceSpan;
}

/** Version 00 alone; ids of zeros are none (W3C Trace Context, section 3.2.2). */
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

function parse(traceparent: string): Parent | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
  return traceId && spanId && flags ? { traceId, spanId, traceFlags: parseInt(flags, 16) & 1 } : undefined;
}

/** What a record of Kafka follows, by its header; undefined where it has none that can be read. */
export function traceparentOf(headers: Readonly<Record<string, unknown>>): string | undefined {
  const header = headers['traceparent'];
  if (typeof header !== 'string' && !Buffer.isBuffer(header)) return undefined;
  const text = header.toString();
  return TRACEPARENT.test(text) ? text : undefined;
}

/** A collector that is away says the same with each attempt, and nothing else depends on it. */
function diagnostics(logger: Pick<Logger, 'warn'>) {
  let saidAt = -Infinity;
  const say = (): void => {
    if (performance.now() - saidAt < SAY_AGAIN_AFTER_MS) return;
    saidAt = performance.now();
    logger.warn('the collector of traces does not take them: see OTEL_EXPORTER_OTLP_ENDPOINT');
  };
  const silent = (): void => undefined;
  return { error: say, warn: say, info: silent, debug: silent, verbose: silent };
}
