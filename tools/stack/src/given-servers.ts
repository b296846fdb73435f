import { once } from 'node:events';
import { connect } from 'node:net';
import { CannotRun } from '#testing/cannot-run.js';
import { eventually } from '#testing/eventually.js';
import pg from 'pg';

// A server that a variable names may be one that ran yesterday, for another project.

const ANSWERS_WITHIN_MS = 10_000;

/** Throws {@link CannotRun} where nothing listens at any of the addresses, as `KAFKA_BROKERS` has them. */
export async function assertKafkaAnswers(brokers: string, withinMs = ANSWERS_WITHIN_MS): Promise<void> {
  const anyListens = async (): Promise<boolean> => (await Promise.all(brokers.split(',').map(listens))).includes(true);
  await eventually(anyListens, { timeoutMs: withinMs, everyMs: 250 }).catch(() => {
    throw unreachable('KAFKA_BROKERS', 'Kafka', `nothing answers at ${brokers}`);
  });
}

/** Throws {@link CannotRun} where it is that of `DATABASE_URL`, and cannot be reached. */
export async function connectPostgres(url: string, given = process.env['DATABASE_URL']): Promise<pg.Client> {
  try {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: ANSWERS_WITHIN_MS });
    await client.connect();
    return client;
  } catch (error) {
    throw given ? unreachable('DATABASE_URL', 'Postgres', (error as Error).message) : error;
  }
}

const unreachable = (variable: string, what: string, why: string): CannotRun =>
  new CannotRun(
    `${variable} names a ${what} that cannot be reached (${why}). Start it, or unset ${variable}: then one is started here.`,
  );

async function listens(broker: string): Promise<boolean> {
  const at = URL.parse(`kafka://${broker.trim()}`);
  if (at === null) return false;
  const socket = connect({ host: at.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(at.port) });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(2_000) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
