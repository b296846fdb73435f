// Compiles every TypeScript file of the services, libraries, tools and benches into dist/, in about a second, and the console.
// Types are checked by `npm run typecheck`; `npx nest build <app>` compiles one app with both.
import { transformFile } from '@swc/core';
import { mkdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { buildConsole } from './build-console.mjs';
import { filesUnder } from './files.mjs';
import { swcOptions } from './swc-options.mjs';

const root = join(import.meta.dirname, '..');
const isCurrent = async (source, output) => {
  const [from, to] = await Promise.all([stat(source), stat(output).catch(() => undefined)]);
  return to !== undefined && to.mtimeMs === from.mtimeMs;
};

const FOLDERS = ['apps', 'libs', 'tools', 'bench', 'test'];
const current = new Set();
for (const folder of FOLDERS) {
  for await (const source of filesUnder(join(root, folder))) {
    if (!source.endsWith('.ts') || /\.(d|test)\.ts$/.test(source) || source.startsWith(join(root, 'apps/console')))
      continue;
    const output = join(root, 'dist', relative(root, source).replace(/\.ts$/, '.js'));
    current.add(output);
    await compile(source, output);
  }
}
// What has no source any more must not be started from dist.
for (const folder of FOLDERS) {
  for await (const file of filesUnder(join(root, 'dist', folder))) {
    if (!file.endsWith('.js') || file.startsWith(join(root, 'dist/apps/console'))) continue;
    if (!current.has(file)) await rm(file);
  }
}
await buildConsole();

async function compile(source, output) {
  if (await isCurrent(source, output)) return;
  const { code, map } = await transformFile(source, { ...swcOptions, sourceMaps: true, filename: source });
  await mkdir(dirname(output), { recursive: true });
  await writeFile(`${output}.map`, map);
  // Whole at once: another build may be under way, or a program that has just been started.
  const whole = `${output}.${process.pid}`;
  await writeFile(whole, `${code}\n//# sourceMappingURL=${output.split('/').at(-1)}.map\n`);
  const { atime, mtime } = await stat(source);
  await utimes(whole, atime, mtime); // the output carries its source's time, which is how the next run knows
  await rename(whole, output);
}
