import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TOPIC_SPECS } from '#contracts/topics.js';
import { Database } from '#platform/database.js';
import { type TestDatabase, testDatabase } from '#testing/database.js';
import { GRANTS_SCHEMA } from '../../apps/grants/src/grants-schema.js';
import { PORTAL_SCHEMA } from '../../apps/portal/src/portal-schema.js';
import { SIGNALS_SCHEMA } from '../../apps/signals/src/signals-schema.js';
import { RECORDS, schemasOf } from './records.js';
import { RELEASED, type Released } from './released.js';
import { brokenBy, contractOf } from './schema.js';

const ROOT = join(import.meta.dirname, '../..');

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  for (const schema of [GRANTS_SCHEMA, PORTAL_SCHEMA, SIGNALS_SCHEMA]) {
    const one = new Database({ url: database.url, poolSize: 2, timeoutMs: 30_000 }, schema);
    await one.start();
    await one.close();
  }
  // RELEASE=<version> writes down what is released, for the next one to be held against.
  const version = process.env['RELEASE'];
  if (!version) return;
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
  const contract = await contractOf(database.url, TOPIC_SPECS);
  const released: Released = { version, commit, contract, records: schemasOf(RECORDS) };
  await writeFile(RELEASED, `${JSON.stringify(released, null, 2)}\n`);
});
afterAll(() => database?.drop());

const released = async (): Promise<Released> => JSON.parse(await readFile(RELEASED, 'utf8')) as Released;

test('the schema and the topics of now carry the services of the release before', async () => {
  const now = await contractOf(database.url, TOPIC_SPECS);
  expect(Object.keys(now.columns).length).toBeGreaterThan(50);
  expect(brokenBy((await released()).contract, now)).toEqual([]);
});
