/** Where the tests find PostgreSQL and Kafka. */
export async function serverUrl(): Promise<string> {
  return setting('DATABASE_URL');
}

export async function kafkaBrokers(): Promise<string[]> {
  return setting('KAFKA_BROKERS').split(',');
}

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`Set ${name} to a server that the tests may use.`);
  return value;
}
