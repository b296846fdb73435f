// One Kafka and one Postgres for all integration tests of a run: KAFKA_BROKERS and DATABASE_URL in every test. Jest calls this
// only where integration tests are among the selected ones.
import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

export default async function setup() {
  execFileSync(process.execPath, [join(root, 'tools/build.mjs')], { stdio: 'inherit' });
  const { startKafka, startPostgres } = await import(join(root, 'dist/libs/testing/src/servers.js'));
  const dir = await mkdtemp(join(tmpdir(), 'rescind-test-'));
  await chmod(dir, 0o755); // PostgreSQL does not run as root, and must reach its data
  const options = { dir, cache: join(root, '.local/cache'), durable: false, onProgress: (what) => console.error(what) };
  const servers = await Promise.allSettled([startKafka(options), startPostgres(options)]);
  globalThis.rescindTestServers = async () => {
    await Promise.all(servers.map(({ value }) => value?.stop()));
    await rm(dir, { recursive: true, force: true });
  };
  const failed = servers.find(({ status }) => status === 'rejected');
  if (failed) {
    await globalThis.rescindTestServers();
    throw failed.reason;
  }
  const [kafka, postgres] = servers.map(({ value }) => value);
  process.env.KAFKA_BROKERS = kafka.brokers;
  process.env.DATABASE_URL = postgres.url;
}
