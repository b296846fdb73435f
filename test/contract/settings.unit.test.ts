import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parse } from 'yaml';
import { shapeOf } from '#platform/config.js';
import { grantsConfig } from '../../apps/grants/src/config.js';
import { portalConfig } from '../../apps/portal/src/config.js';
import { signalsConfig } from '../../apps/signals/src/config.js';
import { verificationConfig } from '../../apps/token-verification/src/config.js';
import { ingressConfig } from '../../apps/webhook-ingress/src/config.js';
import { filesUnder } from '../../tools/files.mjs';
import { CHART } from '../../tools/api/src/settings.js';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const SETTINGS = new Set(
  [grantsConfig, portalConfig, signalsConfig, verificationConfig, ingressConfig].flatMap((schema) =>
    Object.keys(shapeOf(schema)),
  ),
);
/** Read by services and no setting of ours: who sets it. */
const OUTSIDE = new Set(['HOSTNAME' /* Kubernetes: the name of the pod */, 'NODE_EXTRA_CA_CERTS' /* Node */]);

async function sourcesIn(folder: string): Promise<string[]> {
  const sources: string[] = [];
  for await (const file of filesUnder(join(ROOT, folder))) {
    const path = relative(ROOT, file);
    if (/^\w+\/[\w-]+\/src\/.*\.ts$/.test(path)) sources.push(path);
  }
  return sources;
}

/** Every variable that a template sets. */
async function inTemplates(): Promise<Set<string>> {
  let text = '';
  for await (const file of filesUnder(join(ROOT, 'deploy/helm/rescind/templates')))
    text += await readFile(file, 'utf8');
  return new Set(
    [...text.matchAll(/- name: ([A-Z][A-Z0-9_]+)$|"name" "([A-Z][A-Z0-9_]+)"/gm)].map(([, a, b]) => (a ?? b)!),
  );
}

test('no service reads a variable that is not among its settings', async () => {
  const unknown: string[] = [];
  const files = [...(await sourcesIn('apps')), ...(await sourcesIn('libs'))];
  for (const file of files.filter((path) => !/^(apps\/console|libs\/(client|testing))\//.test(path))) {
    for (const [, name] of (await read(file)).matchAll(/\benv(?:\.|\[')([A-Z][A-Z0-9_]+)/g)) {
      if (!SETTINGS.has(name!) && !OUTSIDE.has(name!)) unknown.push(`${name} in ${file}`);
    }
  }
  expect(unknown).toEqual([]);
});

test('what has a way of its own into the chart has it there: a value that exists, and a template that sets it', async () => {
  const values = parse(await read('deploy/helm/rescind/values.yaml')) as unknown;
  const templates = await inTemplates();
  const at = (path: string): unknown =>
    path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], values);
  const problems = Object.entries(CHART).flatMap(([name, given]) => {
    if (!SETTINGS.has(name)) return [`${name} is no setting any more`];
    if ('never' in given)
      return given.never.startsWith('the chart') && name !== 'HOST' && !templates.has(name)
        ? [`${name} is not set`]
        : [];
    const path = 'value' in given ? given.value : given.secret;
    return [
      ...(at(path) === undefined ? [`${path} is no value`] : []),
      ...(templates.has(name) ? [] : [`${name} is in no template`]),
    ];
  });
  expect(problems).toEqual([]);
});

test('no template sets what no service reads, or what is set by `env` as well', async () => {
  const strange = [...(await inTemplates())].filter((name) => !(name in CHART) && !OUTSIDE.has(name));
  expect(strange).toEqual([]);
});
