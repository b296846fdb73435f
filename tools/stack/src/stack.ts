import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { LocalKafka } from '#testing/local-kafka.js';
import { type KafkaServer, type PostgresServer, startKafka, startPostgres } from '#testing/servers.js';
import type { StackFile } from '#testing/stack-file.js';
import { connectSandbox, registerProvider } from './configure.js';
import { assertKafkaAnswers, connectPostgres } from './given-servers.js';
import { KeptRunning, type Restartable } from './kept-running.js';
import { type Lock, takeLock } from './lock.js';
import { type Place, prepare } from './place.js';
import { choosePorts } from './ports.js';
import { Service } from './service.js';
import { defineSandbox, defineServices, type ServiceName, urlsOf, wantedPorts } from './services.js';
import { readSettings, type Settings, writeAtomically } from './settings.js';
import type { Terminal } from './terminal.js';

const DATABASE = 'rescind';

/** The whole system on this machine: Kafka, Postgres, the sandbox, the services, each a process of its own. */
export class LocalStack {
  /** Services, in the order in which they are stopped. */
  private readonly services: KeptRunning[] = [];
  /** Kafka and Postgres, where they are our own processes. */
  private readonly local: KeptRunning[] = [];
  private readonly abort = new AbortController();
  private servers: Promise<[PromiseSettledResult<KafkaServer>, PromiseSettledResult<PostgresServer>]> | undefined;
  private lock: Lock | undefined;
  private file: Omit<StackFile, 'pids'> | undefined;
  private stopping: Promise<void> | undefined;
  private noting: Promise<void> = Promise.resolve();

  constructor(
    private readonly place: Place,
    private readonly terminal: Terminal,
    private readonly brokers: 1 | 3 = 1,
  ) {}

  /** Resolves once everything is ready and `.local/stack.json` says where. Throws what keeps it from starting. */
  async start(): Promise<StackFile> {
    this.lock = await takeLock(this.place.lockFile);
    await prepare(this.place);
    const settings = await readSettings(this.place.settingsFile);
    const ports = await choosePorts(wantedPorts());
    await writeAtomically(this.place.settingsFile, settings);
    const urls = urlsOf(ports);
    const surroundings = { root: this.place.root, settings, ports };

    this.terminal.say('starting Kafka, Postgres and the WorkOS sandbox');
    const sandbox = new Service(defineSandbox(surroundings), this.place.logs);
    await this.run('sandbox', sandbox, () => this.reconnectSandbox(sandbox, urls, settings));
    const { kafkaBrokers, databaseUrl } = await this.startServers();
    this.abort.signal.throwIfAborted();

    const definitions = defineServices({ ...surroundings, kafkaBrokers, databaseUrl, brokers: this.brokers });
    this.terminal.say(`starting ${definitions.map(({ name }) => name).join(', ')}`);
    await Promise.all([
      sandbox.ready(),
      ...definitions.map(async (definition) => {
        const service = new Service(definition, this.place.logs);
        await this.run(definition.name, service);
        await service.ready();
        this.terminal.say(`${definition.name} is ready`);
      }),
    ]);

    const provider = await registerProvider(urls, settings);
    this.file = {
      ...urls,
      kafkaBrokers,
      databaseUrl,
      adminApiKey: settings.adminApiKey,
      introspection: { clientId: 'local', clientSecret: settings.introspectionSecret },
      provider,
      webhook: await connectSandbox(urls, settings, provider),
    };
    for (const kept of [...this.services, ...this.local]) kept.check();
    await this.noteChange();
    this.terminal.say(`ready; ${this.place.stackFile} says where everything is`);
    return this.stackFile();
  }

  /** Ends every process that was started: services first, then what they need. Never throws. */
  stop(): Promise<void> {
    this.stopping ??= this.stopEverything();
    return this.stopping;
  }

  /** Ends everything at once. */
  kill(): void {
    for (const pid of Object.values(this.pids())) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // it has ended already
      }
    }
    if (!this.lock) return;
    rmSync(this.place.stackFile, { force: true });
    rmSync(this.place.lockFile, { force: true });
  }

  private async run(name: string, service: Service, restarted?: () => Promise<void>): Promise<void> {
    this.abort.signal.throwIfAborted();
    const kept = this.keep(name, service, restarted);
    this.services.push(kept);
    await service.start();
    await this.noteChange();
  }

  private keep(name: string, what: Restartable, restarted?: () => Promise<void>): KeptRunning {
    return new KeptRunning(name, what, {
      changed: () => void this.noteChange(),
      say: (words) => this.terminal.say(words),
      // Until everything is ready, one that ends keeps the stack from starting.
      mayRestart: () => this.file !== undefined,
      ...(restarted ? { restarted } : {}),
    });
  }

  private async startServers(): Promise<{ kafkaBrokers: string; databaseUrl: string }> {
    const options = {
      dir: this.place.data,
      cache: this.place.cache,
      durable: true,
      onProgress: (what: string) => this.terminal.say(what),
      signal: this.abort.signal,
    };
    this.servers = Promise.allSettled([startKafka({ ...options, brokers: this.brokers }), startPostgres(options)]);
    const [kafka, postgres] = await this.servers;
    if (kafka.status === 'rejected') throw kafka.reason;
    if (postgres.status === 'rejected') throw postgres.reason;
    if (kafka.value.local) this.local.push(...this.keepBrokers(kafka.value.local));
    else await assertKafkaAnswers(kafka.value.brokers);
    if (postgres.value.local) this.local.push(this.keep('postgres', postgres.value.local));
    await this.noteChange();
    this.terminal.say(`Kafka (${kafka.value.brokers}) and Postgres are ready`);
    return { kafkaBrokers: kafka.value.brokers, databaseUrl: await ownDatabase(postgres.value) };
  }

  /** Of three, each is started again by itself. */
  private keepBrokers(kafka: LocalKafka): KeptRunning[] {
    if (this.brokers === 1) return [this.keep('kafka', kafka)];
    return kafka.each.map((broker, index) => this.keep(`kafka${index + 1}`, broker));
  }

  /** The sandbox forgets its endpoints, as everything, when it ends. */
  private async reconnectSandbox(
    sandbox: Service,
    urls: Record<ServiceName, string>,
    settings: Settings,
  ): Promise<void> {
    if (!this.file) return;
    await sandbox.ready();
    this.file.webhook = await connectSandbox(urls, settings, this.file.provider);
    await this.noteChange();
  }

  /** One after the other, so that the newest ids are what stands there in the end. */
  private noteChange(): Promise<void> {
    this.noting = this.noting.then(async () => {
      if (this.stopping) return;
      await this.lock?.remember(Object.values(this.pids()));
      if (this.file) await writeAtomically(this.place.stackFile, this.stackFile());
    });
    return this.noting;
  }

  private pids(): Record<string, number> {
    return Object.fromEntries(
      [...this.services, ...this.local].flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid]])),
    );
  }

  private stackFile(): StackFile {
    return { ...this.file!, pids: this.pids() };
  }

  private async stopEverything(): Promise<void> {
    this.abort.abort(new Error('the stack is stopping'));
    await this.noting.catch(() => undefined);
    // Without the lock it is the file of another one, which runs on.
    if (this.lock) await rm(this.place.stackFile, { force: true });
    await Promise.allSettled(this.services.map((service) => service.stop()));
    await Promise.allSettled(this.local.map((server) => server.stop()));
    for (const server of (await this.servers) ?? []) {
      if (server.status === 'fulfilled') await server.value.stop().catch(() => undefined);
    }
    await this.lock?.release();
  }
}

/** A database of the stack's own, so that a server that was given keeps its others as they are. */
async function ownDatabase(server: PostgresServer): Promise<string> {
  const client = await connectPostgres(server.url);
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
  const url = new URL(server.url);
  url.pathname = `/${DATABASE}`;
  return url.href;
}
