// Compiles every TypeScript file of the services, libraries, tools and benches into dist/, in about a second, and the console.
// Types are checked by `npm run typecheck`; `npx nest build <app>` compiles one app with both.
import { transformFile } from '@swc/core';
import { glob, mkdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buildConsole } from './build-console.mjs';
import { swcOptions } from './swc-options.mjs';

const root = join(import.meta.dirname, '..');
const isCurrent = async (source, output) => {
  const [from, to] = await Promise.all([stat(source), stat(output).catch(() => undefined)]);
  return to !== undefined && to.mtimeMs === from.mtimeMs;
};

const current = new Set();
for await (const file of glob(['{apps,libs,tools,bench,test}/**/*.ts'], {
  cwd: root,
  exclude: ['**/node_modules', 'apps/console'],
})) {
  if (file.endsWith('.d.ts') || file.endsWith('.test.ts')) continue;
  const source = join(root, file);
  const output = join(root, 'dist', file.replace(/\.ts$/, '.js'));
  current.add(output);
  if (await isCurrent(source, output)) continue;
  const { code, map } = await transformFile(source, { ...swcOptions, sourceMaps: true, filename: source });
  await mkdir(dirname(output), { recursive: true });
  await writeFile(output, `${code}\n//# sourceMappingURL=${output.split('/').at(-1)}.map\n`);
  await writeFile(`${output}.map`, map);
  const { atime, mtime } = await stat(source);
  await utimes(output, atime, mtime); // the output carries its source's time, which is how the next run knows
}
// What has no source any more must not be started from dist.
for await (const file of glob(['dist/{apps,libs,tools,bench,test}/**/*.js'], {
  cwd: root,
  exclude: ['dist/apps/console'],
})) {
  if (!current.has(join(root, file))) await rm(join(root, file));
}
await buildConsole();
