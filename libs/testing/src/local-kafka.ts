import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CannotRun } from './cannot-run.js';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { brokersSeenAt } from './kafka-answers.js';
import { OwnProcess } from './own-process.js';

const run = promisify(execFile);

/** A small heap and a fast start; the compilers that pay off after minutes stay off. */
const JVM = [
  '-Xmx512m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
];
const START_TIMEOUT_MS = 120_000;
/** The first stop also writes the archive of classes. */
const STOP_TIMEOUT_MS = 20_000;

export interface LocalKafkaOptions {
  /** As `kafkaJars` gives them. */
  jars: string;
  /** Data, settings, ports and logs; what is there already is gone on with. */
  dir: string;
  /** One, or three with replication. */
  brokers?: 1 | 3;
  /**
   * Name → password of those who come in by {@link LocalKafka.authenticated} (SASL/PLAIN) and may do what ACLs say. Whoever comes in
   * by the other door may do everything. With one broker alone.
   */
  users?: Readonly<Record<string, string>>;
  /** In place of `users`: {@link LocalKafka.authenticated} as these settings say. */
  door?: Door;
}

/** A listener beside the open one, and how one comes in by it. */
export interface Door {
  protocol: 'SASL_PLAINTEXT' | 'SASL_SSL';
  /** Of the broker; names of this listener alone are put behind `listener.name.guarded.`. */
  settings: Readonly<Record<string, string | boolean | number>>;
  /** Arguments of `kafka-storage format`, such as SCRAM credentials. */
  format?: readonly string[];
  /** System properties of the broker. */
  system?: readonly string[];
}

/** One broker by itself: the others go on while it is away. */
export interface LocalBroker {
  readonly pid: number | undefined;
  readonly running: boolean;
  start(): Promise<void>;
  stop(): Promise<void>;
  onExit(listener: () => void): void;
}

interface Node {
  id: number;
  port: number;
  process: OwnProcess;
}

/** A real Kafka in KRaft mode, of our own processes: one or three brokers, which can be stopped, killed, paused and started again. */
export class LocalKafka {
  private constructor(
    private readonly nodes: readonly Node[],
    private readonly archive: ClassArchive,
    /** `host:port` for those who authenticate; undefined where nobody has to. */
    readonly authenticated: string | undefined,
  ) {}

  static async create({ jars, dir, brokers = 1, users, door }: LocalKafkaOptions): Promise<LocalKafka> {
    await mkdir(dir, { recursive: true });
    const ports = await portsFor(dir, brokers);
    const voters = ports.map(({ controller }, index) => `${index + 1}@127.0.0.1:${controller}`).join(',');
    const clusterId = newClusterId();
    const guardedBy = users ? passwordDoor(users) : door;
    const guarded = guardedBy && { port: await freePort(), door: guardedBy };
    const archive = new ClassArchive(`${jars}.jsa`);
    const nodes = await Promise.all(
      ports.map(async ({ port, controller }, index) => {
        const id = index + 1;
        const home = join(dir, `broker-${id}`);
        const data = join(home, 'data');
        const settings = join(home, 'server.properties');
        const logFile = join(home, 'log');
        await mkdir(home, { recursive: true });
        await writeFile(settings, properties({ id, port, controller, voters, data, brokers, guarded }));
        const java = (main: string, ...args: string[]) => ['-cp', join(jars, '*'), main, ...args];
        if (!existsSync(join(data, 'meta.properties'))) {
          const format = ['format', '-t', clusterId, '-c', settings, ...(guardedBy?.format ?? [])];
          await run('java', [...JVM, ...java('kafka.tools.StorageTool', ...format)]);
        }
        const flags = [
          ...JVM,
          ...(guardedBy?.system ?? []),
          ...archive.flags(id === 1),
          ...java('kafka.Kafka', settings),
        ];
        return { id, port, process: new OwnProcess('java', flags, logFile) };
      }),
    );
    return new LocalKafka(nodes, archive, guarded && `127.0.0.1:${guarded.port}`);
  }

  /** Each of them by itself. */
  get each(): LocalBroker[] {
    return this.nodes.map(({ id, process }) => ({
      get pid() {
        return process.pid;
      },
      get running() {
        return process.running;
      },
      start: () => this.startBroker(id),
      stop: () => this.stopBroker(id),
      onExit: (listener) => process.onExit(listener),
    }));
  }

  /** `host:port`, comma-separated. */
  get brokers(): string {
    return this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
  }

  /** Of the first broker. */
  get pid(): number | undefined {
    return this.nodes[0]?.process.pid;
  }

  get running(): boolean {
    return this.nodes.every(({ process }) => process.running);
  }

  /** Called whenever a broker ends, whoever ended it. */
  onExit(listener: () => void): void {
    for (const { process } of this.nodes) process.onExit(listener);
  }

  /** Starts what is not running. Resolves once every broker answers and sees all of them. */
  async start(): Promise<void> {
    for (const { process } of this.nodes) process.start();
    const ids = this.nodes.map(({ id }) => id);
    await Promise.all(this.nodes.map((node) => answers(node, ids)));
  }

  /** Resolves once this broker answers and takes part again. */
  async startBroker(broker: number): Promise<void> {
    const node = this.node(broker);
    node.process.start();
    await answers(node, [node.id]);
  }

  /** All brokers, in good order. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ id }) => this.stopBroker(id)));
  }

  /** In good order. */
  async stopBroker(broker: number): Promise<void> {
    const node = this.node(broker);
    if (!node.process.running) return;
    const orderly = await node.process.stop(STOP_TIMEOUT_MS);
    if (broker === 1) await this.archive.written(orderly);
  }

  /** SIGKILL. */
  async kill(broker = 1): Promise<void> {
    await this.node(broker).process.kill();
  }

  /** SIGSTOP: connections stay, nothing is answered. */
  async pause(broker = 1): Promise<void> {
    await this.node(broker).process.pause();
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

async function answers({ port, process }: Node, expected: readonly number[]): Promise<void> {
  const ready = async (): Promise<true | 'ended' | false> => {
    if (!process.running) return 'ended';
    const seen = await brokersSeenAt(port);
    return expected.every((id) => seen?.includes(id));
  };
  const outcome = await eventually(ready, { timeoutMs: START_TIMEOUT_MS, what: 'an answer of Kafka' });
  if (outcome === 'ended')
    throw new CannotRun(`Kafka ended at its start (${process.logFile}): ${await process.lastWords()}`);
}

/**
 * Java's archive of loaded classes, which halves a broker's start (1.9 s to 1.0 s on two cores). The first broker that runs
 * without one writes it as it ends; Java ignores one that does not fit.
 */
class ClassArchive {
  private readonly half: string;

  constructor(private readonly file: string) {
    this.half = `${file}.${process.pid}`;
  }

  flags(mayWrite: boolean): string[] {
    if (existsSync(this.file)) return ['-Xshare:auto', `-XX:SharedArchiveFile=${this.file}`];
    return mayWrite ? ['-Xlog:cds=off', '-Xlog:cds+dynamic=off', `-XX:ArchiveClassesAtExit=${this.half}`] : [];
  }

  async written(whole: boolean): Promise<void> {
    if (!existsSync(this.half)) return;
    await (whole ? rename(this.half, this.file) : rm(this.half, { force: true }));
  }
}

interface Ports {
  port: number;
  controller: number;
}

/** The ports of the last time where they are free, so that what was told them still finds Kafka. */
async function portsFor(dir: string, brokers: number): Promise<Ports[]> {
  const file = join(dir, 'ports.json');
  const kept = JSON.parse(await readFile(file, 'utf8').catch(() => '[]')) as (Ports | undefined)[];
  const ports: Ports[] = [];
  for (let index = 0; index < brokers; index++) {
    ports.push({ port: await freePort(kept[index]?.port), controller: await freePort(kept[index]?.controller) });
  }
  await writeFile(file, JSON.stringify(ports));
  return ports;
}

interface Settings extends Ports {
  id: number;
  voters: string;
  data: string;
  brokers: number;
  guarded: { port: number; door: Door } | undefined;
}

function properties({ id, port, controller, voters, data, brokers, guarded }: Settings): string {
  const replication = Math.min(3, brokers);
  const inSync = Math.max(1, replication - 1);
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': voters,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': data,
    'default.replication.factor': replication,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replication,
    'offsets.topic.num.partitions': 3,
    'transaction.state.log.replication.factor': replication,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': 3,
    'share.coordinator.state.topic.replication.factor': replication,
    'share.coordinator.state.topic.min.isr': 1,
    // A broker that was killed is let in again only after this time (9 s by default).
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    // How often it looks for something to compact (15 s by default).
    'log.cleaner.backoff.ms': 1_000,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
    'unclean.leader.election.enable': false,
    ...(guarded ? guardedBy(guarded, port, controller) : {}),
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** Behind it everybody has a name and just the rights that ACLs give. */
function passwordDoor(users: Readonly<Record<string, string>>): Door {
  const accounts = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
  const module = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
  return {
    protocol: 'SASL_PLAINTEXT',
    settings: {
      'listener.name.guarded.sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.guarded.plain.sasl.jaas.config': `${module} ${accounts.join(' ')};`,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
      'allow.everyone.if.no.acl.found': false,
    },
  };
}

function guardedBy(
  { port: guarded, door }: NonNullable<Settings['guarded']>,
  port: number,
  controller: number,
): Record<string, string | boolean | number> {
  return {
    listeners: `PLAINTEXT://127.0.0.1:${port},GUARDED://127.0.0.1:${guarded},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},GUARDED://127.0.0.1:${guarded}`,
    'listener.security.protocol.map': `PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:${door.protocol}`,
    ...door.settings,
  };
}

/** 16 bytes, base64url; the first bit is zero, since a text that begins with `-` would be read as an option. */
function newClusterId(): string {
  const bytes = randomBytes(16);
  bytes[0]! &= 0x7f;
  return bytes.toString('base64url');
}
