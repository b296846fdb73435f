import { followTrace, isTracing, traceparentOf, type TraceSpan } from '#platform/tracing.js';
import type { DecodedRecord } from './events/decode-batch.js';
import type { OutboxRecord } from './domain/announcements.js';

export interface BatchTraces {
  /** What goes on with what the event changes. */
  of(eventId: string): string | undefined;
  /** Of all of them; twice is once. */
  end(failure?: string): void;
}

/** Each event of a batch in the trace that its record came with. Where traces are off here, they are passed on all the same. */
export function tracesOf(decoded: readonly DecodedRecord[]): BatchTraces {
  const parents = new Map<string, string>();
  let spans: [TraceSpan, DecodedRecord][] = [];
  for (const one of decoded) {
    const parent = traceparentOf(one.record.headers);
    if (parent === undefined) continue;
    const span = followTrace(parent, 'apply event', 'consumer');
    parents.set(one.event.id, span?.traceparent ?? parent);
    if (span) spans.push([span, one]);
  }
  return {
    of: (eventId) => parents.get(eventId),
    end(failure) {
      for (const [span, { event, record }] of spans) {
        span.end(
          {
            'rescind.event_id': event.id,
            'rescind.provider_id': event.providerId,
            'messaging.destination.name': record.topic,
            'messaging.destination.partition.id': String(record.partition),
            'messaging.kafka.offset': Number(record.offset),
          },
          failure,
        );
      }
      spans = [];
    },
  };
}

/** The records as they are published, each with the span of its publishing as what its readers follow. */
export function traced<R extends OutboxRecord>(rows: readonly R[]): { records: readonly R[]; end(): void } {
  if (!isTracing()) return { records: rows, end: () => undefined };
  const spans: [TraceSpan, R][] = [];
  const records = rows.map((row) => {
    const span = followTrace(traceparentOf(row.headers), `publish ${row.topic}`, 'producer');
    if (!span) return row;
    spans.push([span, row]);
    return { ...row, headers: { ...row.headers, traceparent: Buffer.from(span.traceparent) } };
  });
  return {
    records,
    end: () => spans.forEach(([span, { topic }]) => span.end({ 'messaging.destination.name': topic })),
  };
}
