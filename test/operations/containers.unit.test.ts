import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parse } from 'yaml';
import type { z } from 'zod';
import { loadConfig, shapeOf } from '#platform/config.js';
import { grantsConfig } from '../../apps/grants/src/config.js';
import { portalConfig } from '../../apps/portal/src/config.js';
import { signalsConfig } from '../../apps/signals/src/config.js';
import { verificationConfig } from '../../apps/token-verification/src/config.js';
import { ingressConfig } from '../../apps/webhook-ingress/src/config.js';
import { filesUnder } from '../../tools/files.mjs';

/**
 * What can be known of the images and of docker-compose.yml without an engine. That they run as nobody, on a root that cannot be written
 * to, was played by hand: docs/operations.md.
 */
const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const SCHEMAS: Record<string, z.ZodType> = {
  'webhook-ingress': ingressConfig,
  grants: grantsConfig,
  'token-verification': verificationConfig,
  portal: portalConfig,
  signals: signalsConfig,
};

interface Stage {
  from: string;
  env: Record<string, string>;
  copied: { from: string | undefined; paths: string[] }[];
  command: string[] | undefined;
  user: string | undefined;
}

/** A Dockerfile by its stages; each has what the one that it is made from has. */
function stagesOf(dockerfile: string): Map<string, Stage> {
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const line of dockerfile.replaceAll('\\\n', ' ').split('\n')) {
    const [, instruction, rest = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (instruction === 'FROM') {
      const [, from, name] = /^(\S+) AS (\S+)$/.exec(rest)!;
      const base = stages.get(from!);
      stage = {
        from: from!,
        env: { ...base?.env },
        copied: [...(base?.copied ?? [])],
        command: base?.command,
        user: base?.user,
      };
      stages.set(name!, stage);
    } else if (instruction === 'ENV') {
      for (const pair of rest.split(' ')) stage!.env[pair.split('=')[0]!] = pair.split('=')[1]!;
    } else if (instruction === 'COPY') {
      const words = rest.split(' ');
      const from = /^--from=(.*)$/.exec(words[0]!)?.[1];
      stage!.copied.push({ from, paths: words.slice(from === undefined ? 0 : 1, -1) });
    } else if (instruction === 'CMD') stage!.command = JSON.parse(rest) as string[];
    else if (instruction === 'USER') stage!.user = rest;
  }
  return stages;
}

interface ComposeService {
  image: string;
  build?: { context: string; target: string };
  environment?: Record<string, string | number>;
  command?: string[];
  depends_on?: Record<string, unknown>;
  read_only?: boolean;
  cap_drop?: string[];
  volumes?: string[];
  ports?: string[];
}
interface Compose {
  services: Record<string, ComposeService>;
  volumes: Record<string, unknown>;
}

/** With the merge keys of YAML 1.1, as Compose has them, and each `${NAME:-else}` as in an empty environment. */
const compose = async (): Promise<Compose> =>
  parse((await read('docker-compose.yml')).replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1'), { merge: true }) as Compose;

/** The source of a file that the build makes. */
const sourceOf = (path: string): string => path.replace(/^dist\//, '').replace(/\.js$/, '.ts');
const isThere = (path: string): boolean => existsSync(join(ROOT, path));

test('all that is copied into an image is there, or is built of something that is', async () => {
  const stages = stagesOf(await read('Dockerfile'));
  const missing: string[] = [];
  for (const [name, { copied }] of stages) {
    for (const { from, paths } of copied) {
      for (const path of paths.map((one) => one.replace(/^\/app\//, ''))) {
        if (from !== undefined && !stages.has(from)) missing.push(`${name}: the stage ${from}`);
        if (path !== '.' && path !== 'node_modules' && !isThere(sourceOf(path))) missing.push(`${name}: ${path}`);
      }
    }
  }
  expect(missing).toEqual([]);
});

test('each service is an image: nobody in particular runs it, and what it runs was copied', async () => {
  const stages = stagesOf(await read('Dockerfile'));
  for (const service of [...Object.keys(SCHEMAS), 'workos-sandbox']) {
    const { command, user, copied } = stages.get(service)!;
    const program = command!.at(-1)!;
    expect({ service, user, isThere: isThere(sourceOf(program)) }).toEqual({
      service,
      user: '1000:1000',
      isThere: true,
    });
    const folders = copied.flatMap(({ paths }) => paths).map((path) => path.replace(/^\/app\//, ''));
    expect(folders.some((folder) => program.startsWith(`${folder}/`))).toBe(true);
  }
});

test('what an image imports is copied into it: libraries, and nothing of another app', async () => {
  const stages = stagesOf(await read('Dockerfile'));
  for (const service of Object.keys(SCHEMAS)) {
    const folders = stages.get(service)!.copied.flatMap(({ paths }) => paths);
    expect(folders).toEqual(
      expect.arrayContaining(['/app/dist/libs', `/app/dist/apps/${service}`, '/app/node_modules']),
    );
    const strange: string[] = [];
    for await (const path of filesUnder(join(ROOT, 'apps', service, 'src'))) {
      const file = relative(ROOT, path);
      for (const [, imported] of (await read(file)).matchAll(/from '(\.\.?\/[^']+)'/g)) {
        const target = join(file, '..', imported!);
        if (!target.startsWith(`apps/${service}/`)) strange.push(`${file}: ${imported}`);
      }
    }
    expect(strange).toEqual([]);
  }
});

test('docker-compose.yml names targets, services and volumes that there are, and opens no port to the outside', async () => {
  const stages = stagesOf(await read('Dockerfile'));
  const { services, volumes } = await compose();
  const problems = Object.entries(services).flatMap(([name, service]) => [
    ...(service.build && !stages.has(service.build.target) ? [`${name}: no target ${service.build.target}`] : []),
    ...Object.keys(service.depends_on ?? {})
      .filter((other) => !services[other])
      .map((other) => `${name}: no ${other}`),
    ...(service.volumes ?? [])
      .filter((one) => !(one.split(':')[0]! in volumes))
      .map((one) => `${name}: no volume ${one}`),
    ...(service.ports ?? []).filter((port) => !port.startsWith('127.0.0.1:')).map((port) => `${name}: ${port}`),
    ...(service.build && !(service.read_only && service.cap_drop?.includes('ALL')) ? [`${name} may do too much`] : []),
  ]);
  expect(problems).toEqual([]);
  const connect = services['connect-sandbox']!.command!.at(-1)!;
  expect(isThere(sourceOf(connect))).toBe(true);
});

test.each(Object.keys(SCHEMAS))('%s takes its settings as docker-compose.yml gives them', async (service) => {
  const { env } = stagesOf(await read('Dockerfile')).get(service)!;
  const { environment = {} } = (await compose()).services[service]!;
  const given = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, String(value)]));
  expect(() => loadConfig(SCHEMAS[service]!, { ...env, ...given })).not.toThrow();
  const known = Object.keys(shapeOf(SCHEMAS[service]!));
  // What all services are given, and one does not need, is no mistake; what one alone is given has to be read.
  const shared = new Set(Object.keys((await compose()).services['webhook-ingress']!.environment!));
  expect(Object.keys(given).filter((name) => !known.includes(name) && !shared.has(name))).toEqual([]);
});
