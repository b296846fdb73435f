import { createRequire } from 'node:module';

interface RequestQueue {
  pending: unknown[];
  throttledUntil: number;
  scheduleCheckPendingRequests(): void;
}

interface Broker {
  listOffsets(request: { isolationLevel?: number }): Promise<unknown>;
}

const READ_UNCOMMITTED = 0;
const CORRECTED = Symbol.for('rescind.kafkajs-corrections');

/** Puts right what kafkajs 2.2.4 gets wrong and offers no setting for. Once is enough; more do no harm. */
export function correctKafkajs(): void {
  const load = createRequire(import.meta.url);
  const queue = (load('kafkajs/src/network/requestQueue') as { prototype: RequestQueue & { [CORRECTED]?: true } })
    .prototype;
  const broker = (load('kafkajs/src/broker') as { prototype: Broker }).prototype;
  if (queue[CORRECTED]) return;
  queue[CORRECTED] = true;
  stopIdleTimers(queue);
  listEndOfLog(broker);
}

/**
 * It rearms a 1 ms timer for ever on every connection, with a negative delay that Node 24 warns about (tulios/kafkajs#1704,
 * #1751). The timer is needed only while something waits to be sent.
 */
function stopIdleTimers(queue: RequestQueue): void {
  const original = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) original.call(this);
  };
}

/**
 * Its admin says that a topic ends where the oldest open transaction begins. A transaction counts as open until its markers
 * are written, a little after its commit was acknowledged: a reader would be "caught up" without records that are committed.
 * Consumers name their isolation level and are not touched.
 */
function listEndOfLog(broker: Broker): void {
  const original = broker.listOffsets;
  broker.listOffsets = function (this: Broker, request) {
    return original.call(this, { ...request, isolationLevel: request.isolationLevel ?? READ_UNCOMMITTED });
  };
}
