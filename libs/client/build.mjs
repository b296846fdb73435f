// Makes the package @rescind/client, in dist/packages/client or where the first argument says: one file of JavaScript with everything
// in it that is ours (the rule, the check of claims), and types that name nothing of this repository. `npm publish <there>` publishes it.
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { build } from 'vite';

const root = join(import.meta.dirname, '../..');
const packageDir = resolve(process.argv[2] ?? join(root, 'dist/packages/client'));
const outDir = join(packageDir, 'dist');
const description = JSON.parse(await readFile(join(import.meta.dirname, 'package/package.json'), 'utf8'));
const dependencies = Object.keys(description.dependencies);

await rm(packageDir, { recursive: true, force: true });
const { output } = await build({
  root,
  configFile: false,
  logLevel: 'warn',
  resolve: { alias: [{ find: /^#([^/]+)\/(.+)\.js$/, replacement: `${root}/libs/$1/src/$2.ts` }] },
  ssr: { external: dependencies },
  build: { ssr: join(import.meta.dirname, 'src/index.ts'), outDir, emptyOutDir: true, minify: false, target: 'node20' },
});
for (const name of output.flatMap((chunk) => chunk.imports)) {
  if (!name.startsWith('node:') && !dependencies.includes(name)) throw new Error(`${name} is not in the package`);
}
await cp(join(import.meta.dirname, 'package'), packageDir, { recursive: true });
await cp(join(root, 'LICENSE'), join(packageDir, 'LICENSE'));

/** Types that a user of the package can see: what they name has to be in it. */
const types = await mkdtemp(join(tmpdir(), 'rescind-types-'));
try {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const options = ['--declaration', '--emitDeclarationOnly', '--noCheck', '--declarationDir', types];
  execFileSync(process.execPath, [tsc, '-p', join(import.meta.dirname, 'tsconfig.json'), ...options], {
    stdio: 'inherit',
  });
  const seen = new Set(['index']);
  for (const name of seen) {
    const text = await readFile(join(types, `libs/client/src/${name}.d.ts`), 'utf8');
    for (const [, from] of text.matchAll(/(?:from |import\()'([^']+)'/g)) {
      if (from.startsWith('./')) seen.add(basename(from, '.js'));
      else if (!from.startsWith('node:')) throw new Error(`${name}.d.ts names ${from}, which is not in the package`);
    }
    await cp(join(types, `libs/client/src/${name}.d.ts`), join(outDir, `${name}.d.ts`));
  }
} finally {
  await rm(types, { recursive: true, force: true });
}
