import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testDatabase } from '#testing/database.js';
import { eventually } from '#testing/eventually.js';
import { freePort } from '#testing/free-port.js';
import { brokersSeenAt } from '#testing/kafka-answers.js';
import { kafkaJars } from '#testing/kafka-jars.js';
import { LocalKafka } from '#testing/local-kafka.js';
import { LocalPostgres } from '#testing/local-postgres.js';
import { OwnProcess } from '#testing/own-process.js';
import pg from 'pg';

const ROOT = join(import.meta.dirname, '../../..');
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rescind-servers-'));
  await chmod(dir, 0o755);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const portOf = (kafka: LocalKafka) => Number(kafka.brokers.split(':')[1]);

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('Kafka of our own processes', () => {
  let kafka: LocalKafka;
  beforeAll(async () => {
    kafka = await LocalKafka.create({ jars: await kafkaJars(join(ROOT, '.local/cache')), dir: join(dir, 'kafka') });
    await kafka.start();
  });
  afterAll(() => kafka.stop());

  test('answers from the moment it is called started, after a SIGKILL too', async () => {
    expect(await brokersSeenAt(portOf(kafka))).toEqual([1]);
    await kafka.kill();
    expect(await brokersSeenAt(portOf(kafka))).toBeUndefined();

    await kafka.start();
    expect(await brokersSeenAt(portOf(kafka))).toEqual([1]);
  });

  test('answers nothing while it is paused', async () => {
    await kafka.pause();
    expect(await brokersSeenAt(portOf(kafka))).toBeUndefined();

    kafka.resume();
    await eventually(() => brokersSeenAt(portOf(kafka)), { what: 'an answer' });
  });

  test('comes back with its data on its port', async () => {
    const { brokers } = kafka;
    const cluster = () => readFile(join(dir, 'kafka/broker-1/data/meta.properties'), 'utf8');
    const before = await cluster();
    await kafka.stop();

    kafka = await LocalKafka.create({ jars: await kafkaJars(join(ROOT, '.local/cache')), dir: join(dir, 'kafka') });
    await kafka.start();
    expect(kafka.brokers).toEqual(brokers);
    expect(await cluster()).toEqual(before);
  });
});

describe('Postgres of our own processes', () => {
  let postgres: LocalPostgres;
  beforeAll(async () => {
    postgres = await LocalPostgres.create({ dir: join(dir, 'pg', 'data') });
    await postgres.start();
  });
  afterAll(() => postgres.stop());

  test('what it has committed is there after a SIGKILL', async () => {
    await query(postgres.url(), 'create table kept (id int); insert into kept values (1)');
    await postgres.kill();
    await postgres.start();

    expect(await query(postgres.url(), 'select id from kept')).toEqual([{ id: 1 }]);
  });

  test('a commit is on the disk when it is answered', async () => {
    expect(await query(postgres.url(), 'show fsync')).toEqual([{ fsync: 'on' }]);
  });
});

test('a database of a test has nothing of another, and is gone when dropped', async () => {
  const [one, other] = [await testDatabase(), await testDatabase()];
  await query(one.url, 'create table mine (id int)');

  await expect(query(other.url, 'select * from mine')).rejects.toThrow(/does not exist/);
  await one.drop();
  await other.drop();
  await expect(query(one.url, 'select 1')).rejects.toThrow(/does not exist/);
});

test('a process ends with the one that started it, even where that one is killed', async () => {
  const script = `
    import { OwnProcess } from '#testing/own-process.js';
    const child = new OwnProcess('sleep', ['600'], process.env.LOG);
    child.start();
    console.log(child.pid);
    setInterval(() => undefined, 1000);`;
  const env = { ...process.env, LOG: join(dir, 'sleep.log') };
  const starter = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: ROOT, env });
  const [output] = (await once(starter.stdout, 'data')) as [Buffer];
  const pid = Number(String(output));
  expect(isAlive(pid)).toBe(true);

  starter.kill('SIGKILL');
  await eventually(() => !isAlive(pid), { what: 'the end of the orphan' });
});

test('a process that is stopped while it is paused ends, and says so to whoever listens', async () => {
  const child = new OwnProcess('sleep', ['600'], join(dir, 'sleep.log'));
  const ended = new Promise<void>((resolve) => child.onExit(resolve));
  child.start();
  await child.pause();

  expect(await child.stop()).toBe(true);
  await ended;
  expect(child.running).toBe(false);
  expect(child.pid).toBeUndefined();
});

test('a port that is free lies below those that are given to outgoing connections', async () => {
  expect(await freePort()).toBeLessThan(32_768);
});
