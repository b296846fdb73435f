import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '#testing/eventually.js';

const run = promisify(execFile);
const ROOT = rootAbove(import.meta.dirname);
export const EXAMPLES = join(ROOT, 'examples');
/** What the quick starts use besides the package, and what that needs. */
const OTHERS = ['express', 'fastify', 'kafkajs', '@nestjs', 'reflect-metadata', 'rxjs', '@types'];

function rootAbove(dir: string): string {
  return existsSync(join(dir, 'package-lock.json')) ? dir : rootAbove(dirname(dir));
}

/**
 * A folder in which `@rescind/client` was installed from its tarball, with nothing but what it says that it depends on (jose; the copy
 * here, so that no registry is asked), and in which the quick starts are.
 */
export async function installedPackage(): Promise<{ folder: string; remove(): Promise<void> }> {
  const made = await mkdtemp(join(tmpdir(), 'rescind-client-'));
  const folder = join(made, 'service');
  await mkdir(folder);
  await run(process.execPath, [join(ROOT, 'libs/client/build.mjs'), join(made, 'package')]);
  const packed = await run('npm', ['pack', '--json', '--pack-destination', made, join(made, 'package')]);
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'service', private: true, type: 'module' }));
  const offline = ['--offline', '--install-links', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...offline, join(made, filename), join(ROOT, 'node_modules/jose')], { cwd: folder });
  return { folder, remove: () => rm(made, { recursive: true, force: true }) };
}

/** The quick starts beside the package, with their frameworks. Rejects with what the compiler says of the one in TypeScript. */
export async function addQuickStarts(folder: string): Promise<void> {
  for (const name of OTHERS) await symlink(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  for (const name of ['express.mjs', 'fastify.mjs', 'nest.ts', 'kafka.mjs', 'subscriber.mjs']) {
    await copyFile(join(EXAMPLES, name), join(folder, name));
  }
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2024',
    strict: true,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    types: ['node'],
    skipLibCheck: true,
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['nest.ts'] }));
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-p', folder]).catch((error: { stdout?: string }) => {
    throw new Error(`the quick start does not compile:\n${error.stdout}`);
  });
}

export interface RunningProgram {
  /** All that it has printed. */
  output(): string;
  stop(): Promise<void>;
}

/** Starts a program, whose output is kept. What it needs of the environment, and of ours nothing but the path. */
export function start(command: string, args: string[], cwd: string, env: Record<string, string>): RunningProgram {
  const inherited = Object.fromEntries(['PATH', 'HOME', 'GOCACHE', 'GOPATH'].map((name) => [name, process.env[name]]));
  const child = spawn(command, args, { cwd, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (text += bytes.toString()));
  const exited = once(child, 'exit');
  exited.catch((error: Error) => (text += error.message));
  return {
    output: () => text,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Waits until a program has printed this; throws with all that it has printed otherwise. */
export async function printed(program: RunningProgram, pattern: RegExp): Promise<RegExpExecArray> {
  try {
    return await eventually(() => pattern.exec(program.output()) ?? undefined, { timeoutMs: 120_000 });
  } catch (error) {
    throw new Error(`it has not printed ${pattern}, but:\n${program.output()}`, { cause: error });
  }
}
