import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { databaseCertificateEnds } from '#platform/database-certificates.js';
import { Database } from '#platform/database.js';
import { createRegistry, observeCertificates } from '#platform/metrics.js';
import { rowsOf } from '#platform/sql.js';
import { Authority, hasOpenssl, type Signed } from '#testing/certificates.js';
import { eventually } from '#testing/eventually.js';
import { LocalPostgres } from '#testing/local-postgres.js';

/** The certificates of the test are made by openssl; where it is not, the test is skipped, and that is seen. */
const withTls = hasOpenssl() ? describe : describe.skip;
const DAY_MS = 86_400_000;
const SCHEMA = { name: 'public', migrations: [], migrationLock: [1, 1], rights: { appendOnly: [], kept: [] } } as const;

withTls('a Postgres with TLS', () => {
  const dir = mkdtempSync(join(tmpdir(), 'rescind-postgres-tls-'));
  let postgres: LocalPostgres;
  let database: Database;
  let authority: Authority;

  beforeAll(async () => {
    chmodSync(dir, 0o755);
    authority = new Authority(dir);
    postgres = await LocalPostgres.create({ dir: join(dir, 'data'), fsync: false });
    await postgres.start();
    await renew(authority.sign('first', 5));
    const url = `${postgres.url()}?sslmode=verify-full&sslrootcert=${join(dir, 'ca.crt')}`;
    database = new Database({ url, poolSize: 2, timeoutMs: 60_000 }, { ...SCHEMA, migrations: [] });
  });
  afterAll(async () => {
    await database.close();
    await postgres.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  /** As whoever runs Postgres does it: new files, and no connection is lost. It takes a key from nobody but its own user. */
  async function renew({ cert, key }: Signed): Promise<void> {
    const admin = new pg.Client({ connectionString: postgres.url() });
    await admin.connect();
    try {
      for (const [name, pem] of Object.entries({ 'server.crt': cert, 'server.key': key })) {
        const lines = `select unnest(string_to_array('${pem.trim()}', e'\\n'))`;
        await admin.query(`copy (${lines}) to program 'umask 077 && cat > ${name}'`);
      }
      await admin.query('alter system set ssl = on');
      await admin.query('select pg_reload_conf()');
    } finally {
      await admin.end();
    }
  }

  const metric = async (): Promise<Record<string, number>> => {
    const registry = createRegistry('test');
    observeCertificates(registry, databaseCertificateEnds);
    const text = await registry.getSingleMetricAsString('rescind_certificate_end_timestamp_seconds');
    const found = [...text.matchAll(/certificate="([^"]+)"[^}]*\} (\S+)/g)];
    return Object.fromEntries(found.map(([, name, seconds]) => [name, Number(seconds) * 1_000]));
  };
  const daysLeft = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      Object.entries(await metric()).map(([name, end]) => [name, Math.round((end - Date.now()) / DAY_MS)]),
    );

  test('says when its certificate ends and that of the authority, and after a renewal the new end', async () => {
    // The server takes the files over in its own time.
    await eventually(() => database.start().then(() => true));
    expect(await daysLeft()).toEqual({ 'postgres-server': 5, 'postgres-ca': 2 });

    await renew(authority.sign('second', 40));
    await eventually(async () => {
      // Cut off, so that the next question comes over a connection of its own.
      await database.read((tx) => rowsOf(tx, 'select pg_terminate_backend(pg_backend_pid())')).catch(() => undefined);
      await database.read((tx) => rowsOf(tx, 'select 1')).catch(() => undefined);
      return (await daysLeft())['postgres-server'] === 40;
    });
  });
});
