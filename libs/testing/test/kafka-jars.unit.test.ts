import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CannotRun } from '#testing/cannot-run.js';
import { kafkaJars } from '#testing/kafka-jars.js';

let bin: string;
let cache: string;

beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), 'rescind-bin-'));
  cache = await mkdtemp(join(tmpdir(), 'rescind-cache-'));
});
afterEach(async () => {
  await rm(bin, { recursive: true });
  await rm(cache, { recursive: true });
});

const installed = (name: string, script: string) =>
  writeFile(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
const fetched = () => kafkaJars(cache, { env: { PATH: bin } });
const JAVA_17 = `echo 'openjdk version "17.0.15" 2025-04-15' >&2`;
/** Answers its version; everything else goes as told. */
const maven = (otherwise: string) => `[ "$1" = -v ] && exit 0\n${otherwise}`;

test('without Java the sentence says what to install', async () => {
  await installed('mvn', 'exit 0');

  await expect(fetched()).rejects.toThrow(CannotRun);
  await expect(fetched()).rejects.toThrow(/no Docker engine and no Java 17\. Start Docker, or install/);
});

test('without Maven, and with a Java that is too old, both are named', async () => {
  await installed('java', `echo 'openjdk version "11.0.2" 2019-01-15' >&2`);

  await expect(fetched()).rejects.toThrow(/no Java 17 \(this is Java 11\) and no Maven/);
});

test('Maven is needed only to fetch', async () => {
  await installed('java', JAVA_17);
  await installed(
    'mvn',
    maven('for word; do case $word in -DoutputDirectory=*) /bin/mkdir -p "${word#*=}";; esac; done'),
  );
  const jars = await fetched();
  await rm(join(bin, 'mvn'));

  expect(await fetched()).toEqual(jars);
  expect(await readdir(cache)).toHaveLength(1);
});

test.each([
  ['Could not transfer artifact org.apache.kafka:kafka_2.13:pom:4.3.1', /the Maven registry is out of reach/],
  ['Failed to write: No space left on device', /the disk is full/],
  ['Something else altogether', /with Maven: \[ERROR\] Something else altogether/],
])('Maven fails with "%s": a sentence, and nothing is left', async (said, sentence) => {
  await installed('java', JAVA_17);
  await installed('mvn', maven(`echo '[ERROR] ${said}'; exit 1`));

  await expect(fetched()).rejects.toThrow(sentence);
  expect(await readdir(cache)).toEqual([]);
});
