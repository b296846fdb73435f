import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type ConsoleFile, readConsole } from '../src/console/console-files.js';

const root = join(import.meta.dirname, '../../..');
const MOST_BYTES = 250_000;

let files: ReadonlyMap<string, ConsoleFile>;
let page: string;
beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'tools/build.mjs')], { stdio: 'inherit' });
  files = readConsole(join(root, 'dist/apps/console'))!;
  page = textOf('/index.html');
});

const textOf = (path: string): string => files.get(path)!.body.toString('utf8');

/** What the page names, and what the scripts among it import at once. */
function loadedAtOnce(): Set<string> {
  const loaded = new Set<string>(['/index.html']);
  const load = (path: string): void => {
    if (loaded.has(path)) return;
    if (!files.has(path)) throw new Error(`${path} is named, and not there`);
    loaded.add(path);
    if (!path.endsWith('.js')) return;
    for (const [, name] of textOf(path).matchAll(/(?:\bfrom|\bimport)\s*"(\.\/[^"]+)"/g))
      load(`/assets/${name!.slice(2)}`);
  };
  for (const [, path] of page.matchAll(/(?:src|href)="(\/[^"]+)"/g)) load(path!);
  return loaded;
}

test('the first load, with the live page, is at most 250 kB as it is sent', () => {
  const loaded = loadedAtOnce();
  const live = [...files.keys()].find((path) => /^\/assets\/live-/.test(path))!;
  expect(loaded.size).toBeGreaterThan(3);
  const bytes = [...loaded, live].reduce(
    (sum, path) => sum + (files.get(path)!.brotli ?? files.get(path)!.body).length,
    0,
  );
  console.log(`first load: ${bytes} bytes in ${loaded.size + 1} files`);
  expect(bytes).toBeLessThanOrEqual(MOST_BYTES);
});

test('no script and no style stands in the page, and nothing comes from elsewhere', () => {
  expect(page.match(/<script(?![^>]*\bsrc=)/g)).toBeNull();
  expect(page).not.toContain('<style');
  for (const [, url] of page.matchAll(/(?:src|href)="([^"]+)"/g)) expect(url).toMatch(/^\/[^/]/);
  for (const [path, { type }] of files) {
    if (type.startsWith('text/css')) expect(textOf(path)).not.toMatch(/url\(\s*["']?(https?:)?\/\//);
  }
});
