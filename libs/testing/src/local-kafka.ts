import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, OwnProcess, until } from './own-process.js';

const run = promisify(execFile);
export const KAFKA_VERSION = '4.3.1';

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
</dependencies></project>`;

/** Apache Kafka's jars from Maven Central, fetched once into `cache`. Answers their folder. */
export async function fetchKafka(cache: string, onProgress: (what: string) => void = () => undefined): Promise<string> {
  const lib = join(cache, `kafka-${KAFKA_VERSION}`);
  if (existsSync(lib)) return lib;
  onProgress(`fetching Kafka ${KAFKA_VERSION} (about 45 MB, once)`);
  const work = join(cache, `fetching-${randomBytes(4).toString('hex')}`);
  await mkdir(work, { recursive: true });
  await writeFile(join(work, 'pom.xml'), POM);
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${join(work, 'lib')}`];
  await run('mvn', ['-q', '-B', '-f', join(work, 'pom.xml'), ...goal]);
  await rename(join(work, 'lib'), lib).catch((error: unknown) => {
    if (!existsSync(lib)) throw error; // somebody else was faster
  });
  await rm(work, { recursive: true, force: true });
  return lib;
}

export interface LocalKafkaOptions {
  /** Jars, as {@link fetchKafka} gives them. */
  lib: string;
  /** Data, settings and logs; what is there already is gone on with. */
  dir: string;
  /** One, or three with replication. */
  brokers?: 1 | 3;
}

interface Node {
  id: number;
  port: number;
  controllerPort: number;
  process: OwnProcess;
}

/** A real Kafka in KRaft mode, of our own processes. */
export class LocalKafka {
  private constructor(private readonly nodes: readonly Node[]) {}

  static async create({ lib, dir, brokers = 1 }: LocalKafkaOptions): Promise<LocalKafka> {
    const ids = Array.from({ length: brokers }, (_, index) => index + 1);
    const ports = await Promise.all(ids.map(async () => [await freePort(), await freePort()] as const));
    const voters = ids.map((id, index) => `${id}@127.0.0.1:${ports[index]![1]}`).join(',');
    const clusterId = randomBytes(16).toString('base64url');
    const nodes = await Promise.all(
      ids.map(async (id, index) => {
        const [port, controllerPort] = ports[index]!;
        const home = join(dir, `broker-${id}`);
        const settings = join(home, 'server.properties');
        const isNew = !existsSync(join(home, 'data'));
        await mkdir(home, { recursive: true });
        await writeFile(settings, properties({ id, port, controllerPort, voters, data: join(home, 'data'), brokers }));
        const java = (main: string, ...args: string[]) => [...JVM, '-cp', join(lib, '*'), main, ...args];
        if (isNew) await run('java', java('kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', settings));
        return {
          id,
          port,
          controllerPort,
          process: new OwnProcess('java', java('kafka.Kafka', settings), join(home, 'log')),
        };
      }),
    );
    return new LocalKafka(nodes);
  }

  get brokers(): string {
    return this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
  }

  pid(broker = 1): number | undefined {
    return this.node(broker).process.pid;
  }

  get running(): boolean {
    return this.nodes.every(({ process }) => process.running);
  }

  /** Resolves once the ports answer. */
  async start(): Promise<void> {
    for (const { process } of this.nodes) process.start();
    await Promise.all(this.nodes.map((node) => answers(node)));
  }

  async startBroker(broker: number): Promise<void> {
    this.node(broker).process.start();
    await answers(this.node(broker));
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ process }) => process.stop(5_000)));
  }

  /** SIGKILL. */
  async kill(broker = 1): Promise<void> {
    await this.node(broker).process.kill();
  }

  pause(broker = 1): void {
    this.node(broker).process.signal('SIGSTOP');
  }

  resume(broker = 1): void {
    this.node(broker).process.signal('SIGCONT');
  }

  private node(broker: number): Node {
    const node = this.nodes[broker - 1];
    if (!node) throw new Error(`there is no broker ${broker}`);
    return node;
  }
}

const JVM = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

async function answers({ port, process }: Node): Promise<void> {
  await until(
    () => {
      if (!process.running) throw new Error('Kafka ended at its start; its log says why');
      return new Promise<true | undefined>((resolve) => {
        const socket = connect(port, '127.0.0.1');
        socket.once('connect', () => (socket.destroy(), resolve(true)));
        socket.once('error', () => resolve(undefined));
      });
    },
    60_000,
    () => new Error('Kafka did not answer within a minute'),
  );
}

interface Settings {
  id: number;
  port: number;
  controllerPort: number;
  voters: string;
  data: string;
  brokers: number;
}

function properties({ id, port, controllerPort, voters, data, brokers }: Settings): string {
  const replication = Math.min(3, brokers);
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': voters,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': data,
    'default.replication.factor': replication,
    'min.insync.replicas': Math.max(1, replication - 1),
    'offsets.topic.replication.factor': replication,
    'offsets.topic.num.partitions': 3,
    'transaction.state.log.replication.factor': replication,
    'transaction.state.log.min.isr': Math.max(1, replication - 1),
    'transaction.state.log.num.partitions': 3,
    'share.coordinator.state.topic.replication.factor': replication,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
    'unclean.leader.election.enable': false,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

export async function hasData(dir: string): Promise<boolean> {
  return (await readdir(dir).catch(() => [])).length > 0;
}
