/** Where the tests find PostgreSQL and Kafka. */
export async function serverUrl(): Promise<string> {
  return process.env['DATABASE_URL'] ?? 'postgres://rescind@127.0.0.1:55432/postgres';
}

export async function kafkaBrokers(): Promise<string[]> {
  return (process.env['KAFKA_BROKERS'] ?? '127.0.0.1:55092').split(',');
}
