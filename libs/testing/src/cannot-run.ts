/** What keeps Kafka or Postgres from running here, in one sentence that says what to do. */
export class CannotRun extends Error {
  override readonly name = 'CannotRun';
}
