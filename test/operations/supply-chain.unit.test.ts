import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'rescind-supply-'))));
afterEach(() => rmSync(dir, { recursive: true }));

/** The check, where `npm audit` answers so. */
function check(answer: string, code: number, ...args: string[]): Promise<{ code: number; said: string }> {
  writeFileSync(join(dir, 'answer'), answer);
  writeFileSync(join(dir, 'npm'), `#!/bin/sh\ncat '${join(dir, 'answer')}'\nexit ${code}\n`);
  chmodSync(join(dir, 'npm'), 0o755);
  const env = { ...process.env, PATH: `${dir}${delimiter}${process.env['PATH']}` };
  return new Promise((resolve) => {
    execFile(process.execPath, ['tools/supply-chain.mjs', 'check', ...args], { cwd: ROOT, env }, (error, stdout) =>
      resolve({ code: error === null ? 0 : Number(error.code), said: stdout }),
    );
  });
}

const holes = (...found: [string, string][]): string =>
  JSON.stringify({ vulnerabilities: Object.fromEntries(found.map(([name, severity]) => [name, { name, severity }])) });
const CHECKED = /checked +that \d+ packages are pinned/;

test('nothing is known: that was checked', async () => {
  const { code, said } = await check(holes(), 0);
  expect(said).toMatch(CHECKED);
  expect(said).toMatch(/checked +known holes: 0 of/);
  expect(code).toBe(0);
});

test.each(['high', 'critical'])('a hole that is %s fails, by its name', async (severity) => {
  const { code, said } = await check(holes(['left-pad', severity], ['other', 'low']), 1);
  expect(said).toContain(`FAILED left-pad has a known hole that is ${severity}`);
  expect(said).not.toContain('FAILED other');
  expect(code).toBe(1);
});

test('a lesser one is named and fails nothing', async () => {
  const { code, said } = await check(holes(['other', 'moderate']), 1);
  expect(said).toMatch(/known hole +other, moderate/);
  expect(code).toBe(0);
});

test.each([
  ['says no', JSON.stringify({ message: '405 Method Not Allowed - POST', statusCode: 405 }), /405 Method Not Allowed/],
  ['is away', JSON.stringify({ error: { code: 'ENOTFOUND', summary: 'network request failed' } }), /network request/],
  ['makes no sense', '<html>', /./],
])('a registry that %s fails nothing, and is said not to be checked', async (_, answer, why) => {
  const { code, said } = await check(answer, 1);
  expect(said).toMatch(CHECKED);
  expect(said).toMatch(/NOT CHECKED +known holes: the registry cannot be asked/);
  expect(said).toMatch(why);
  expect(code).toBe(0);
  expect((await check(answer, 1, '--strict')).code).toBe(1);
});
