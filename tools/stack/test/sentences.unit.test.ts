import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CannotRun } from '#testing/cannot-run.js';
import { freePort } from '#testing/free-port.js';
import { assertKafkaAnswers, connectPostgres } from '../src/given-servers.js';
import { placeOfStack, prepare } from '../src/place.js';
import { Service } from '../src/service.js';
import { wantedPorts } from '../src/services.js';
import { readSettings } from '../src/settings.js';
import { sentenceFor } from '../src/terminal.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rescind-stack-'));
});
afterEach(() => rm(root, { recursive: true }));

const failed = (code: string, path?: string): Error => Object.assign(new Error(`${code}: failed`), { code, path });

test.each([
  [new CannotRun('Kafka needs Java.'), 'Kafka needs Java.'],
  [failed('ENOSPC'), /^The disk is full: free about 500 MB and run npm start again/],
  [new CannotRun('FATAL: No space left on device'), /^The disk is full/],
  [failed('EACCES', '/opt/x'), /^\/opt\/x may not be written \(EACCES\): give yourself the permission/],
])('%s is one sentence', (error, sentence) => {
  expect(sentenceFor(error)).toEqual(expect.stringMatching(sentence));
  expect(sentenceFor(error)).not.toContain('\n');
});

test('an error that nobody foresaw keeps its stack', () => {
  expect(sentenceFor(new TypeError('x is not a function'))).toContain('sentences.unit.test');
});

test('a server that a variable names and that is away is named with its variable', async () => {
  const nobody = await freePort();

  await expect(assertKafkaAnswers(`127.0.0.1:${nobody}`, 0)).rejects.toThrow(
    /^KAFKA_BROKERS names a Kafka that cannot be reached .*unset KAFKA_BROKERS/,
  );
  for (const url of [`postgres://nobody@127.0.0.1:${nobody}/x`, 'postgres://[']) {
    await expect(connectPostgres(url, url)).rejects.toThrow(/^DATABASE_URL names a Postgres that cannot be reached/);
  }
});

test.each(['abc', '', '0', '65001', '3000.5'])('RESCIND_FIRST_PORT=%s is refused', (given) => {
  expect(() => wantedPorts(given)).toThrow(/^RESCIND_FIRST_PORT is a number/);
});

test('too little room is said before anything is started', async () => {
  const place = placeOfStack(root);

  await expect(prepare(place, async () => 499)).rejects.toThrow(/nearly full: 499 MB are free below .*about 500 MB/);
  await prepare(place, async () => 500);
});

test('damaged settings are not taken for none', async () => {
  const file = join(root, 'settings.json');
  expect(await readSettings(file)).toHaveProperty('sandboxClientId');
  await writeFile(file, '{"adminApiKey":');

  await expect(readSettings(file)).rejects.toThrow(/settings.json is damaged: npm run reset begins anew/);
});

test('a service that ends at its start is quoted with its last words', async () => {
  const entry = join(root, 'service.mjs');
  await writeFile(entry, `console.error('The settings are not usable'); process.exit(78);`);
  const service = new Service({ name: 'grants', entry, env: {}, url: 'http://127.0.0.1:9' }, root);
  await service.start();

  await expect(service.ready()).rejects.toThrow(
    `grants ended at its start. Its last words (${join(root, 'grants.log')}):\nThe settings are not usable`,
  );
});
