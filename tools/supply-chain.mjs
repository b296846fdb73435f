// What Rescind is made of. `sbom`: a bill of materials (CycloneDX 1.6, JSON) of what the images contain, on stdout, from the lockfile
// alone. (`npm sbom` leaves out what is an optional peer of something, here kafkajs and pg, whoever else needs it.) `check`: the
// lockfile pins everything by digest, the bill is whole, no install script runs, and the registry knows of no grave hole in what the images
// contain. It says what it has checked and what it could not: a registry that cannot be asked fails nothing, unless with `--strict`,
// before a release.
import { Buffer } from 'node:buffer';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const read = async (file) => JSON.parse(await readFile(join(root, file), 'utf8'));
const GRAVE = new Set(['high', 'critical']);

const nameOf = (path, { name }) => name ?? path.split('node_modules/').at(-1);
const purlOf = (path, one) => `pkg:npm/${nameOf(path, one).replace('@', '%40')}@${one.version}`;

/** Where Node finds a dependency of a package: beside it, or above. Undefined where it is not installed. */
function found(packages, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
    const path = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (packages[path]) return path;
    if (at === '') return undefined;
  }
}

/** As the Dockerfile installs it: without what is for development, and without Node, which the image has itself. */
function sbom({ packages }) {
  const own = packages[''];
  const shipped = Object.entries(packages).filter(
    ([path, { dev, optional, devOptional, link }]) => path !== '' && !dev && !optional && !devOptional && !link,
  );
  const refs = new Set(shipped.map(([path, one]) => purlOf(path, one)));
  const needs = (path, { dependencies = {}, peerDependencies = {} }) =>
    Object.keys({ ...dependencies, ...peerDependencies })
      .map((name) => found(packages, path, name))
      .filter((at) => at !== undefined && refs.has(purlOf(at, packages[at])))
      .map((at) => purlOf(at, packages[at]));
  const components = new Map(
    shipped.map(([path, one]) => {
      const [algorithm, digest] = (one.integrity ?? '').split(/-(.*)/s);
      return [
        purlOf(path, one),
        {
          type: 'library',
          'bom-ref': purlOf(path, one),
          name: nameOf(path, one),
          version: one.version,
          purl: purlOf(path, one),
          hashes: [
            { alg: algorithm.replace('sha', 'SHA-'), content: Buffer.from(digest ?? '', 'base64').toString('hex') },
          ],
          ...(one.license ? { licenses: [{ expression: one.license }] } : {}),
        },
      ];
    }),
  );
  const itself = `pkg:npm/${own.name}@${own.version}`;
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: { type: 'application', 'bom-ref': itself, name: own.name, version: own.version, purl: itself },
    },
    components: [...components.values()],
    dependencies: [
      { ref: itself, dependsOn: needs('', { dependencies: own.dependencies }) },
      ...new Map(
        shipped.map(([path, one]) => [purlOf(path, one), { ref: purlOf(path, one), dependsOn: needs(path, one) }]),
      ).values(),
    ],
  };
}

/** The packages that the code of the services imports by name. */
async function imported() {
  const names = new Set();
  for (const folder of ['apps', 'libs']) {
    for (const entry of await readdir(join(root, folder), { recursive: true })) {
      if (!/^[^/]+\/src\/.*\.ts$/.test(entry) || /^(console|testing|client)\//.test(entry)) continue;
      const text = await readFile(join(root, folder, entry), 'utf8');
      for (const [, name] of text.matchAll(/(?:from|import\() ?'((?:@[\w.-]+\/)?[\w-][\w.-]*)[^']*'/g)) names.add(name);
    }
  }
  return names;
}

async function check(lock, strict) {
  const problems = [];
  for (const [path, { integrity, resolved, link }] of Object.entries(lock.packages)) {
    if (path === '' || link) continue;
    if (!/^sha512-/.test(integrity ?? '')) problems.push(`${path} is not pinned by a digest`);
    if (resolved !== undefined) problems.push(`${path} names where this machine has it from`);
  }
  if (!/^ignore-scripts=true$/m.test(await readFile(join(root, '.npmrc'), 'utf8'))) {
    problems.push('.npmrc lets install scripts run');
  }
  const listed = new Set(sbom(lock).components.map(({ name }) => name));
  for (const name of await imported()) {
    if (lock.packages[`node_modules/${name}`] && !listed.has(name))
      problems.push(`the bill of materials lacks ${name}`);
  }
  const all = Object.keys(lock.packages).length - 1;
  console.log(`checked      that ${all} packages are pinned by digest, that none runs a script at its installation,`);
  console.log(`             and that the bill of materials has all ${listed.size} that are in the images`);

  const { vulnerabilities, message } = await audited();
  if (vulnerabilities === undefined) {
    console.log(
      `NOT CHECKED  known holes: the registry cannot be asked (${String(message).split('\n')[0].slice(0, 120)})`,
    );
    if (strict) problems.push('--strict, and it is not known what holes are known');
  } else {
    const holes = Object.values(vulnerabilities).map(({ name, severity }) => ({ name, severity }));
    for (const { name, severity } of holes) console.log(`known hole   ${name}, ${severity}`);
    console.log(`checked      known holes: ${holes.length} of the packages in the images have one`);
    const grave = holes.filter(({ severity }) => GRAVE.has(severity));
    problems.push(...grave.map(({ name, severity }) => `${name} has a known hole that is ${severity}`));
  }
  for (const problem of problems) console.log(`FAILED ${problem}`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

/** What npm says of known holes, or with `message` why it does not. */
function audited() {
  return new Promise((resolve) => {
    const args = ['audit', '--json', '--omit=dev', '--omit=optional', '--fetch-retries=0'];
    execFile('npm', args, { cwd: root, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 }, (error, stdout) => {
      try {
        const said = JSON.parse(stdout);
        resolve({ ...said, message: said.message ?? said.error?.summary ?? 'it does not say why' });
      } catch {
        resolve({ message: error?.killed ? 'no answer in a minute' : (error?.message ?? 'no answer') });
      }
    });
  });
}

const [command] = process.argv.slice(2);
const lock = await read('package-lock.json');
if (command === 'sbom') console.log(JSON.stringify(sbom(lock), null, 2));
else if (command === 'check') await check(lock, process.argv.includes('--strict'));
else {
  console.error('node tools/supply-chain.mjs sbom|check [--strict]');
  process.exitCode = 64;
}
