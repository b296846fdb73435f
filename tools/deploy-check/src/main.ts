import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { z } from 'zod';
import { CHART } from '../../api/src/settings.js';
import { loadConfig, shapeOf } from '#platform/config.js';
import { anchorsOf, environmentOf, type Manifest, metricsIn, podOf, podProblems, summedWholes } from './manifests.js';
import { run, Tools } from './tools.js';

/**
 * Checks what a platform team deploys, with the tools that it uses itself: every example rendered by Helm, against the schemas of
 * Kubernetes, the restricted profile of Pod Security and the settings of the services; misspelt values; the rules of Prometheus and
 * their tests; runbooks; dashboards. What needs a tool that is not here is skipped, and that is said.
 */
const root = join(import.meta.dirname, '../../../..');
// Not compiled, so it is not beside this in dist/.
const { filesUnder } = (await import(join(root, 'tools/files.mjs'))) as typeof import('../../files.mjs');
const chart = join(root, 'deploy/helm/rescind');
const tools = new Tools(join(root, '.local/tools'));
const required = process.argv.includes('--require');

/** The newest whose schemas kubectl-validate has in itself, so that nothing is downloaded. */
const KUBERNETES = '1.30.0';
/** Each service by the settings that it was built with; nothing here is part of a service. */
const SETTINGS: Record<string, string> = {
  'webhook-ingress': 'ingressConfig',
  grants: 'grantsConfig',
  'token-verification': 'verificationConfig',
  portal: 'portalConfig',
  signals: 'signalsConfig',
};
const settingsOf = async (service: string): Promise<z.ZodType | undefined> => {
  const name = SETTINGS[service];
  if (name === undefined) return undefined;
  const file = (await import(join(root, `dist/apps/${service}/src/config.js`))) as Record<string, z.ZodType>;
  return file[name];
};
/** What stands in the Secret. */
const SECRETS = {
  DATABASE_URL: 'postgres://rescind@postgres:5432/rescind?sslmode=verify-full',
  RESCIND_API_KEYS: 'admin:a-key',
  RESCIND_ENCRYPTION_KEYS: `k1:${Buffer.alloc(32).toString('base64')}`,
  RESCIND_INTROSPECTION_CLIENTS: 'gateway:a-secret',
};

let passed = 0;
const failures: string[] = [];
const skipped: string[] = [];

function check(what: string, problems: readonly string[]): void {
  if (problems.length === 0) passed++;
  else
    failures.push(
      `${what}\n${problems.map((problem) => `    ${problem.trim().replaceAll('\n', '\n    ')}`).join('\n')}`,
    );
  console.log(`${problems.length === 0 ? 'ok     ' : 'FAILED '} ${what}`);
}

function skip(what: string, why: string): void {
  skipped.push(what);
  console.log(`skipped ${what}: ${why}`);
}

const scratch = await mkdtemp(join(tmpdir(), 'rescind-deploy-'));
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');
async function checkChart(): Promise<void> {
  const helm = tools.find('helm');
  if (!helm) return skip('the chart', 'helm is not here (npm run deploy:tools builds it with Go)');
  const validate = tools.find('kubectl-validate');
  if (!validate) skip('schemas of Kubernetes', 'kubectl-validate is not here (npm run deploy:tools builds it with Go)');
  const render = (...values: string[]) =>
    run(helm, ['template', 'rescind', chart, '--kube-version', KUBERNETES, ...values.flatMap((file) => ['-f', file])]);
  const examples: string[] = [];
  for (const file of await readdir(join(chart, 'examples'))) examples.push(join(chart, 'examples', file));
  for (const example of examples.sort()) {
    const name = basename(example, '.yaml');
    const lint = run(helm, ['lint', chart, '--strict', '--kube-version', KUBERNETES, '-f', example]);
    check(`${name}: helm lint`, lint.ok ? [] : [lint.out + lint.err]);
    const rendered = render(example);
    check(`${name}: helm template`, rendered.ok ? [] : [rendered.err]);
    if (!rendered.ok) continue;
    const manifests = parseAllDocuments(rendered.out).flatMap((document) => (document.toJS() as Manifest | null) ?? []);
    check(
      `${name}: restricted Pod Security`,
      manifests.flatMap((one) => podProblems(one).map((problem) => `${one.kind} ${one.metadata.name}: ${problem}`)),
    );
    check(`${name}: each service takes its settings`, (await Promise.all(manifests.map(settingsProblems))).flat());
    if (validate) await checkSchemas(name, validate, manifests);
  }
  await checkMisspelt(render, examples[0]!);
  await checkEverySetting(render, join(chart, 'examples/managed.yaml'));
}

/** Every setting of every service reaches its pod by `services.<service>.env`, but those that have another way, which are refused there. */
async function checkEverySetting(render: (...values: string[]) => ReturnType<typeof run>, example: string) {
  const file = join(scratch, 'settings.json');
  const withEnv = async (service: string, env: Record<string, string>) => {
    await writeFile(file, JSON.stringify({ services: { [service]: { env } } }));
    return render(example, file);
  };
  for (const service of Object.keys(SETTINGS)) {
    const names = Object.keys(shapeOf((await settingsOf(service))!));
    const open = names.filter((name) => CHART[name] === undefined);
    const rendered = await withEnv(service, Object.fromEntries(open.map((name) => [name, '1'])));
    const problems = rendered.ok ? [] : [rendered.err];
    const pod = parseAllDocuments(rendered.out)
      .map((document) => document.toJS() as Manifest)
      .find((one) => one?.kind === 'Deployment' && podOf(one)!.containers[0]!.name === service);
    const given = new Set(Object.keys(pod ? environmentOf(pod, {}) : {}));
    problems.push(...open.filter((name) => !given.has(name)).map((name) => `${name} does not reach ${service}`));
    const others = names.filter((name) => !open.includes(name));
    const { ok, err } = await withEnv(service, Object.fromEntries(others.map((name) => [name, '1'])));
    const taken = others.filter((name) => ok || !err.includes(`'${name}'`));
    problems.push(...taken.map((name) => `${name} has another way, and is taken in services.${service}.env`));
    check(`each setting of ${service} can be set, each in one place`, problems);
  }
}

async function settingsProblems(manifest: Manifest): Promise<string[]> {
  const service = manifest.kind === 'Deployment' ? podOf(manifest)!.containers[0]!.name : '';
  const schema = await settingsOf(service);
  if (!schema) return [];
  const env = environmentOf(manifest, SECRETS);
  // The files are in the pod, not here.
  const given = Object.fromEntries(Object.entries(env).filter(([name]) => !/^KAFKA_SSL_\w+_FILE$/.test(name)));
  const known = new Set([...Object.keys(shapeOf(schema)), 'NODE_EXTRA_CA_CERTS']);
  const problems = Object.keys(env)
    .filter((name) => !known.has(name))
    .map((name) => `${service} does not know ${name}`);
  try {
    loadConfig(schema, given);
  } catch (error) {
    problems.push(`${service}: ${(error as Error).message}`);
  }
  return problems;
}

async function checkSchemas(name: string, validate: string, manifests: readonly Manifest[]): Promise<void> {
  // What belongs to an operator has its schema there.
  const own = manifests.filter(({ apiVersion }) => !/monitoring\.coreos\.com|gateway\.networking/.test(apiVersion));
  const file = join(scratch, `${name}.yaml`);
  await writeFile(file, own.map((one) => JSON.stringify(one)).join('\n---\n'));
  const { ok, out, err } = run(validate, ['--version', KUBERNETES.split('.').slice(0, 2).join('.'), file]);
  check(`${name}: schemas of Kubernetes ${KUBERNETES} (${own.length} objects)`, ok ? [] : [out + err]);
}

/** In every object of the values that is not free: one key too many, and Helm must say no. */
async function checkMisspelt(render: (...values: string[]) => ReturnType<typeof run>, example: string): Promise<void> {
  const schema = JSON.parse(await readFile(join(chart, 'values.schema.json'), 'utf8')) as Schema;
  const accepted: string[] = [];
  for (const path of closedObjects(schema, schema, [])) {
    const misspelt = path.reduceRight<object>((inner, key) => ({ [key]: inner }), { misspeltValue: 1 });
    const file = join(scratch, 'misspelt.json');
    await writeFile(file, JSON.stringify(misspelt));
    const { ok, err } = render(example, file);
    if (ok || !err.includes('misspeltValue')) accepted.push([...path, 'misspeltValue'].join('.'));
  }
  check('misspelt values are refused', accepted);
  const open = openObjects(parse(await readFile(join(chart, 'values.yaml'), 'utf8')), schema, schema, []);
  check('every object of values.yaml is in the schema', open);
}

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  type?: string;
  additionalProperties?: unknown;
  properties?: Record<string, Schema>;
  definitions?: Record<string, Schema>;
}

/** With its reference followed, and what is said of it in parts put together: the last one says it more closely. */
function resolved(schema: Schema, whole: Schema): Schema {
  if (schema.$ref !== undefined) return whole.definitions![schema.$ref.replace('#/definitions/', '')]!;
  if (schema.allOf === undefined) return schema;
  const parts = schema.allOf.map((part) => resolved(part, whole));
  return {
    ...parts[0],
    properties: Object.assign({}, ...parts.map(({ properties }) => properties)) as Record<string, Schema>,
  };
}

function closedObjects(schema: Schema, whole: Schema, path: string[]): string[][] {
  const { additionalProperties, properties } = resolved(schema, whole);
  if (!properties) return [];
  const inner = Object.entries(properties).flatMap(([key, value]) => closedObjects(value, whole, [...path, key]));
  return additionalProperties === false ? [path, ...inner] : inner;
}

function openObjects(values: unknown, schema: Schema, whole: Schema, path: string[]): string[] {
  if (values === null || typeof values !== 'object' || Array.isArray(values)) return [];
  const { properties } = resolved(schema, whole);
  if (!properties) return [];
  return Object.entries(values).flatMap(([key, value]) => {
    const known = properties[key];
    return known ? openObjects(value, known, whole, [...path, key]) : [[...path, key].join('.')];
  });
}

interface Rules {
  groups: { rules: { alert: string; expr: string; annotations: { summary?: string; runbook?: string } }[] }[];
}

const ALERTS = 'deploy/helm/rescind/rules/alerts.yaml';
const alertRules = async () => (parse(await read(ALERTS)) as Rules).groups.flatMap((group) => group.rules);

async function checkAlerts(): Promise<void> {
  const rules = await alertRules();
  const tests = await read('deploy/helm/rescind/tests/alerts.yaml');
  check(
    'each alert has a test',
    rules.filter(({ alert }) => !new RegExp(`alertname: ${alert}\\b`).test(tests)).map(({ alert }) => alert),
  );
  const noRunbook: string[] = [];
  for (const { alert, annotations } of rules) {
    const [page = '', anchor = ''] = (annotations.runbook ?? '').split('#');
    const text = await read(page).catch(() => '');
    if (!anchorsOf(text).has(anchor)) noRunbook.push(`${alert}: ${annotations.runbook}`);
  }
  check('each alert links to a section of a runbook', noRunbook);
  check('each alert asks for metrics that there are', await unknownMetrics(rules.map(({ expr }) => expr).join('\n')));
  check(
    'no alert adds up what each replica tells of the whole',
    rules.flatMap(({ expr }) => summedWholes(expr)),
  );
  const promtool = tools.find('promtool');
  if (!promtool) return skip('rules of Prometheus', 'promtool is not here (the package prometheus has it)');
  for (const args of [
    ['check', 'rules', join(root, ALERTS)],
    ['test', 'rules', join(chart, 'tests/alerts.yaml')],
  ]) {
    const { ok, out, err } = run(promtool, args);
    check(`promtool ${args.slice(0, 2).join(' ')}`, ok ? [] : [out + err]);
  }
}

/** Whoever is woken by an alert wants to see since when: of what each asks for, at least one metric is on a dashboard. */
async function checkDashboards(): Promise<void> {
  let shown = '';
  for (const path of await readdir(join(chart, 'dashboards'))) {
    const text = await readFile(join(chart, 'dashboards', path), 'utf8');
    shown += text;
    const { title, panels } = JSON.parse(text) as { title?: string; panels: { title?: string; targets?: object[] }[] };
    const empty = panels
      .filter((panel) => !panel.title || !panel.targets?.length)
      .map((panel) => panel.title ?? 'a panel');
    check(`dashboard ${title ?? path}`, [
      ...empty,
      ...(await unknownMetrics(text)),
      ...summedWholes(text).map((metric) => `adds up ${metric} of all replicas, each of which tells the whole`),
    ]);
  }
  const onDashboards = new Set(metricsIn(shown));
  const unseen = (await alertRules()).filter(({ expr }) => !metricsIn(expr).some((metric) => onDashboards.has(metric)));
  check(
    'each alert has something on a dashboard to look at',
    unseen.map(({ alert }) => alert),
  );
}

let sources: Promise<string> | undefined;

/** Metrics that no service has. */
async function unknownMetrics(text: string): Promise<string[]> {
  sources ??= (async () => {
    let all = '';
    for (const folder of ['apps', 'libs']) {
      for await (const path of filesUnder(join(root, folder)))
        if (path.endsWith('.ts')) all += await readFile(path, 'utf8');
    }
    return all;
  })();
  const code = await sources;
  return [...new Set(metricsIn(text))].filter((name) => !code.includes(`'${name}'`));
}

try {
  await checkChart();
  await checkAlerts();
  await checkDashboards();
} finally {
  await rm(scratch, { recursive: true, force: true });
}
for (const failure of failures) console.log(`\nFAILED: ${failure}`);
console.log(`\n${passed} passed, ${failures.length} failed, ${skipped.length} skipped`);
process.exit(failures.length > 0 || (required && skipped.length > 0) ? 1 : 0);
