import { migrate } from '#platform/migrate.js';
import pg from 'pg';
import { PORTAL_SCHEMA } from '../src/portal-schema.js';
import { newPlace, type Place, type Portal, startPortal } from './portal.js';

let place: Place;
let portal: Portal | undefined;
beforeAll(async () => {
  place = await newPlace();
});
afterAll(async () => {
  await portal?.close();
  await place.leave();
});

test('the migration Job makes the whole schema, twice at once and once more beside the service', async () => {
  const { portal: url, migrator } = place.roles;
  const env = { DATABASE_URL: url, MIGRATION_DATABASE_URL: migrator, LOG_LEVEL: 'silent' };
  const run = (): Promise<void> => migrate('portal', PORTAL_SCHEMA, env);
  await Promise.all([run(), run()]);
  const client = new pg.Client({ connectionString: place.database.url });
  await client.connect();
  const applied = async (): Promise<number> =>
    (await client.query<{ count: number }>('select count(*)::int from portal.migrations')).rows[0]!.count;
  try {
    expect(await applied()).toBe(PORTAL_SCHEMA.migrations.length);
    portal = await startPortal(place);
    await run();
    expect(await applied()).toBe(PORTAL_SCHEMA.migrations.length);
  } finally {
    await client.end();
  }
});

test('what is wrong with its settings is said, and not what they are', async () => {
  const broken = migrate('portal', PORTAL_SCHEMA, { DATABASE_URL: 'mysql://root:seeded@db' });
  await expect(broken).rejects.toThrow(/DATABASE_URL/);
  await expect(broken).rejects.not.toThrow(/seeded/);
});
