import { rm } from 'node:fs/promises';
import { type KafkaServer, type PostgresServer, startKafka, startPostgres } from '#testing/servers.js';
import pg from 'pg';
import { configure, type StackFile } from './configure.js';
import { Lock, takeLock } from './lock.js';
import { type Place, prepare } from './place.js';
import { choosePorts, defineServices, type ServiceName } from './services.js';
import { keepSettings, readSettings, type Settings, writeAtomically } from './settings.js';
import { Supervised } from './supervised.js';
import type { Terminal } from './terminal.js';

const DATABASE = 'rescind';
/** More than the services allow themselves. */
const STOP_TIMEOUT_MS = 10_000;

/** The whole system on this machine: Kafka, Postgres, the sandbox, the services, each a process of its own. */
export class LocalStack {
  private readonly services: Supervised[] = [];
  private kafka: KafkaServer | undefined;
  private postgres: PostgresServer | undefined;
  private lock: Lock | undefined;
  private file: Omit<StackFile, 'pids'> | undefined;
  private stopping: Promise<void> | undefined;
  private watching: NodeJS.Timeout | undefined;
  private noting: Promise<void> = Promise.resolve();

  constructor(
    private readonly place: Place,
    private readonly terminal: Terminal,
  ) {}

  /** Resolves once everything is ready and `.local/stack.json` says where. Throws what keeps it from starting. */
  async start(): Promise<StackFile> {
    await prepare(this.place);
    this.lock = await takeLock(this.place.lockFile);
    await rm(this.place.stackFile, { force: true });
    const settings = await readSettings(this.place.settingsFile);
    const { databaseUrl, kafkaBrokers } = await this.startServers();
    const ports = await choosePorts(settings.ports);
    settings.ports = ports;
    const urls = await this.startServices(kafkaBrokers, databaseUrl, settings, ports);
    const configured = await configure(urls, settings);
    await keepSettings(this.place.settingsFile, settings);
    this.file = {
      ...urls,
      kafkaBrokers,
      databaseUrl,
      adminApiKey: settings.adminApiKey,
      introspection: { clientId: 'local', clientSecret: settings.introspectionSecret },
      ...configured,
    };
    this.watching = setInterval(() => void this.watchServers(), 250);
    await this.changed();
    this.terminal.say(`ready; ${this.place.stackFile} says where everything is`);
    return this.stackFile();
  }

  /** Ends every process that was started: services first, then what they need. Never throws. */
  stop(): Promise<void> {
    this.stopping ??= this.stopEverything();
    return this.stopping;
  }

  private async startServers(): Promise<{ kafkaBrokers: string; databaseUrl: string }> {
    const options = {
      dir: this.place.data,
      cache: this.place.cache,
      durable: true,
      onProgress: (what: string) => this.terminal.say(what),
    };
    this.terminal.say('starting Kafka and Postgres');
    const [kafka, postgres] = await Promise.allSettled([startKafka(options), startPostgres(options)]);
    if (kafka.status === 'fulfilled') this.kafka = kafka.value;
    if (postgres.status === 'fulfilled') this.postgres = postgres.value;
    await this.changed();
    if (kafka.status === 'rejected') throw kafka.reason;
    if (postgres.status === 'rejected') throw postgres.reason;
    this.terminal.say(`Kafka is ready (${kafka.value.brokers}), Postgres is ready`);
    return { kafkaBrokers: kafka.value.brokers, databaseUrl: await ownDatabase(postgres.value) };
  }

  private async startServices(
    kafkaBrokers: string,
    databaseUrl: string,
    settings: Settings,
    ports: Record<ServiceName, number>,
  ): Promise<Record<ServiceName, string>> {
    const { root, dir, logs } = this.place;
    for (const definition of defineServices({ root, dir, kafkaBrokers, databaseUrl, settings, ports })) {
      this.services.push(new Supervised(definition, logs, () => void this.changed()));
    }
    this.terminal.say(`starting ${this.services.map(({ definition }) => definition.name).join(', ')}`);
    for (const service of this.services) service.start();
    await Promise.all(
      this.services.map(async (service) => {
        await service.ready();
        this.terminal.say(`${service.definition.name} is ready (${service.definition.url})`);
      }),
    );
    return Object.fromEntries(this.services.map(({ definition: { name, url } }) => [name, url])) as Record<
      ServiceName,
      string
    >;
  }

  /** Kafka and Postgres are started again when they end, like the services. */
  private async watchServers(): Promise<void> {
    for (const server of [this.kafka?.local, this.postgres?.local]) {
      if (!server || server.running || this.stopping) continue;
      await server.start().catch((error: unknown) => this.terminal.say(String(error)));
      await this.changed();
    }
  }

  /** One after the other, so that the newest ids are what stands there in the end. */
  private changed(): Promise<void> {
    this.noting = this.noting.then(async () => {
      await this.rememberChildren();
      if (this.file) await this.writeFile();
    });
    return this.noting;
  }

  private pids(): Record<string, number> {
    const all: [string, number | undefined][] = [
      ...this.services.map((service): [string, number | undefined] => [service.definition.name, service.pid]),
      ['kafka', this.kafka?.local?.pid],
      ['postgres', this.postgres?.local?.pid],
    ];
    return Object.fromEntries(all.filter((entry): entry is [string, number] => entry[1] !== undefined));
  }

  private async rememberChildren(): Promise<void> {
    if (!this.stopping) await this.lock?.remember(Object.values(this.pids()));
  }

  private stackFile(): StackFile {
    return { ...this.file!, pids: this.pids() };
  }

  private async writeFile(): Promise<void> {
    if (!this.stopping) await writeAtomically(this.place.stackFile, this.stackFile());
  }

  private async stopEverything(): Promise<void> {
    clearInterval(this.watching);
    await rm(this.place.stackFile, { force: true });
    await Promise.allSettled(this.services.map((service) => service.stop(STOP_TIMEOUT_MS)));
    await Promise.allSettled([this.kafka?.stop(), this.postgres?.stop()]);
    await rm(this.place.stackFile, { force: true });
    await this.lock?.release();
  }
}

/** A database of the stack's own, so that a server that was given keeps its others as they are. */
async function ownDatabase(server: PostgresServer): Promise<string> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
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
