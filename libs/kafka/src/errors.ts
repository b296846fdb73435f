/** Kafka did not acknowledge in time, or could not be reached. Retryable; whether the records are stored is unknown. */
export class BrokerUnavailable extends Error {
  override readonly name = 'BrokerUnavailable';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Somebody newer holds the transactional id: whatever this holder still had to write must not be written. Final. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
  }
}
