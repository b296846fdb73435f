import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CannotRun } from './cannot-run.js';

const run = promisify(execFile);
export const KAFKA_VERSION = '4.3.1';

/** slf4j-simple lets a broker that cannot start say why. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>`;
const FOLDER = `kafka-${KAFKA_VERSION}-${createHash('sha256').update(POM).digest('hex').slice(0, 8)}`;

const FETCH_TIMEOUT_MS = 10 * 60_000;
const PROGRESS_EVERY_MS = 2_000;

export interface FetchOptions {
  onProgress?: ((what: string) => void) | undefined;
  signal?: AbortSignal | undefined;
  env?: NodeJS.ProcessEnv;
}

/**
 * The folder of Apache Kafka's jars, fetched from Maven Central the first time. Whoever fetches at the same time, only whole
 * folders are ever seen. Throws {@link CannotRun} where Java or Maven is missing, or the registry out of reach.
 */
export async function kafkaJars(cache: string, options: FetchOptions = {}): Promise<string> {
  const { env = process.env } = options;
  const jars = join(cache, FOLDER);
  const fetched = existsSync(jars);
  await requireJava({ maven: !fetched, env });
  if (fetched) return jars;
  const work = join(cache, `fetching-${randomBytes(4).toString('hex')}`);
  try {
    await mkdir(work, { recursive: true });
    await writeFile(join(work, 'pom.xml'), POM);
    await fetchInto(work, options);
    await rename(join(work, 'jars'), jars).catch((error: unknown) => {
      if (!existsSync(jars)) throw error; // somebody else was faster
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return jars;
}

async function fetchInto(
  work: string,
  { onProgress = () => undefined, signal, env = process.env }: FetchOptions,
): Promise<void> {
  onProgress(`fetching Kafka ${KAFKA_VERSION} (about 45 MB, the first time only)`);
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${join(work, 'jars')}`];
  const maven = spawn('mvn', ['-B', '-f', join(work, 'pom.xml'), ...goal], {
    timeout: FETCH_TIMEOUT_MS,
    env,
    ...(signal ? { signal } : {}),
  });
  let output = '';
  let kilobytes = 0;
  const read = (chunk: Buffer): void => {
    output = (output + String(chunk)).slice(-100_000);
    for (const [, size, unit] of String(chunk).matchAll(/Downloaded from .*\((\d+(?:\.\d+)?) (kB|MB) at/g)) {
      kilobytes += Number(size) * (unit === 'MB' ? 1_000 : 1);
    }
  };
  maven.stdout.on('data', read);
  maven.stderr.on('data', read);
  const progress = setInterval(() => {
    if (kilobytes > 0) onProgress(`fetching Kafka: ${(kilobytes / 1_000).toFixed(0)} MB`);
  }, PROGRESS_EVERY_MS);
  try {
    const [code] = (await once(maven, 'close')) as [number | null];
    if (code !== 0) throw whyNotFetched(output);
  } finally {
    clearInterval(progress);
  }
}

function whyNotFetched(output: string): Error {
  if (/No space left on device/.test(output)) {
    return new CannotRun('Kafka could not be fetched: the disk is full. Free about 500 MB and try again.');
  }
  if (/Could not transfer|Unknown host|Connection refused|timed out|Network is unreachable/i.test(output)) {
    return new CannotRun(
      'Kafka could not be fetched: the Maven registry is out of reach. Check the network, or the mirror and proxy in ' +
        '~/.m2/settings.xml, and try again; or set KAFKA_BROKERS to a Kafka that is there.',
    );
  }
  const said = output.split('\n').find((line) => line.startsWith('[ERROR]')) ?? output.trim().split('\n').at(-1);
  return new CannotRun(`Kafka could not be fetched with Maven: ${said}`);
}

async function requireJava({ maven, env }: { maven: boolean; env: NodeJS.ProcessEnv }): Promise<void> {
  const [java, mvn] = await Promise.all([
    versionOf('java', ['-version'], env),
    maven ? versionOf('mvn', ['-v'], env) : '',
  ]);
  const major = Number(/version "(\d+)/.exec(java ?? '')?.[1] ?? 0);
  const missing = [
    ...(java === undefined ? ['Java 17'] : major < 17 ? [`Java 17 (this is Java ${major})`] : []),
    ...(mvn === undefined ? ['Maven'] : []),
  ];
  if (missing.length === 0) return;
  throw new CannotRun(
    `Kafka needs a running Docker engine, or Java 17+ with Maven; here there is no Docker engine and no ${missing.join(' and no ')}. ` +
      'Start Docker, or install what is missing (Debian: apt-get install openjdk-17-jre-headless maven), or set KAFKA_BROKERS.',
  );
}

async function versionOf(command: string, args: string[], env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return run(command, args, { timeout: 20_000, env }).then(
    ({ stdout, stderr }) => stdout + stderr,
    () => undefined,
  );
}
