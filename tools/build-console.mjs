// Builds the console into dist/apps/console, where the portal finds it; in about two seconds, and only where something of it
// has changed since.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesUnder } from './files.mjs';

const root = join(import.meta.dirname, '..');
const source = join(root, 'apps/console');
const output = join(root, 'dist/apps/console');
/** Beside the output, since everything in it is served. */
const note = join(root, 'dist/console.digest');

async function digestOfSources() {
  const files = [join(root, 'package-lock.json'), import.meta.filename, join(source, 'index.html')];
  for (const folder of ['public', 'src']) {
    for await (const file of filesUnder(join(source, folder))) files.push(file);
  }
  const digest = createHash('sha256');
  for (const file of files.sort())
    digest
      .update(file.slice(root.length))
      .update('\0')
      .update(await readFile(file));
  return digest.digest('hex');
}

export async function buildConsole() {
  const digest = await digestOfSources();
  if ((await readFile(note, 'utf8').catch(() => '')) === digest) return;
  process.env.NODE_ENV = 'production'; // also where a test builds it, which has another one
  const { build } = await import('vite');
  await build({
    configFile: false,
    root: source,
    logLevel: 'error',
    oxc: { jsx: { runtime: 'automatic' } },
    build: {
      outDir: output,
      emptyOutDir: true,
      target: 'es2023',
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      chunkSizeWarningLimit: 2_000,
    },
  });
  await writeFile(note, digest);
}
