/** Kafka did not acknowledge in time, or could not be reached. Retryable; whether the records are stored is unknown. */
export class BrokerUnavailable extends Error {
  override readonly name = 'BrokerUnavailable';
}

/** Somebody newer holds the transactional id: what this holder still had to write must not be written. Final. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
}

/** The broker will not take this record however often it is sent: too large, or invalid for its topic. Final. */
export class RecordRefused extends Error {
  override readonly name = 'RecordRefused';
}

/** kafkajs wraps errors in errors; the innermost protocol error says what the broker answered. */
export function protocolErrorOf(error: unknown): { type: string; message: string } | undefined {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const type = (cause as { type?: unknown }).type;
    if (typeof type === 'string') return { type, message: cause.message };
  }
  return undefined;
}

/** Nest hands on what a handler threw as `{ status, message }`. */
export function asError(error: unknown): Error {
  if (error instanceof Error) return error;
  const message = (error as { message?: unknown } | null)?.message;
  return new Error(typeof message === 'string' ? message : String(error));
}

export function brokerUnavailable(error: unknown): BrokerUnavailable {
  if (error instanceof BrokerUnavailable) return error;
  return new BrokerUnavailable(asError(error).message, { cause: error });
}
