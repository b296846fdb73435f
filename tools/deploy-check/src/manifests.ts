/** A rendered object, as far as it is looked at here. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string> };
  spec?: Record<string, unknown>;
}

interface Container {
  name: string;
  image: string;
  command?: string[];
  volumeMounts?: { name: string; mountPath: string }[];
  env?: { name: string; value?: string; valueFrom?: object }[];
  securityContext?: Record<string, unknown>;
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
}

interface PodSpec {
  securityContext?: Record<string, unknown>;
  containers: Container[];
  initContainers?: Container[];
  volumes?: Record<string, unknown>[];
  hostNetwork?: boolean;
  hostPID?: boolean;
  hostIPC?: boolean;
  automountServiceAccountToken?: boolean;
}

/** The pods that an object makes, or undefined. */
export function podOf({ kind, spec }: Manifest): PodSpec | undefined {
  if (kind === 'Pod') return spec as unknown as PodSpec;
  if (!['Deployment', 'Job', 'StatefulSet', 'DaemonSet'].includes(kind)) return undefined;
  return (spec as { template: { spec: PodSpec } }).template.spec;
}

const VOLUMES = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

/** What keeps a pod from being admitted under the restricted profile (Pod Security Standards), and from our own rules. */
export function podProblems(manifest: Manifest): string[] {
  const pod = podOf(manifest);
  if (!pod) return [];
  const problems: string[] = [];
  const check = (holds: unknown, problem: string): void => void (holds || problems.push(problem));
  const variables = pod.containers.flatMap(({ env }) => (env ?? []).map(({ name }) => name));
  const twice = variables.filter((name, place) => variables.indexOf(name) !== place);
  check(twice.length === 0, `sets ${twice.join(', ')} twice`);
  const mounted = new Set(
    pod.containers.flatMap(({ volumeMounts }) => (volumeMounts ?? []).map(({ mountPath }) => mountPath)),
  );
  for (const { name, value } of pod.containers.flatMap(({ env }) => env ?? [])) {
    if (!value?.startsWith('/')) continue;
    const isThere = mounted.has(value) || mounted.has(value.slice(0, value.lastIndexOf('/')));
    check(isThere, `names ${value} in ${name}, where nothing is mounted`);
  }
  check(!pod.hostNetwork && !pod.hostPID && !pod.hostIPC, 'uses a namespace of its host');
  check(pod.automountServiceAccountToken === false, 'mounts a token of the Kubernetes API, which nothing here needs');
  for (const { name: _, ...volume } of pod.volumes ?? []) {
    check(
      Object.keys(volume).every((kind) => VOLUMES.has(kind)),
      `has a volume of a forbidden kind: ${Object.keys(volume).join()}`,
    );
  }
  for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
    const own = container.securityContext ?? {};
    const effective = { ...pod.securityContext, ...own } as Record<string, unknown>;
    const capabilities = own['capabilities'] as { drop?: string[]; add?: string[] } | undefined;
    const seccomp = effective['seccompProfile'] as { type?: string } | undefined;
    const of = (problem: string): string => `${container.name} ${problem}`;
    check(own['allowPrivilegeEscalation'] === false, of('may gain privileges'));
    check(own['privileged'] !== true, of('is privileged'));
    check(
      capabilities?.drop?.includes('ALL') && !capabilities.add?.some((one) => one !== 'NET_BIND_SERVICE'),
      of('keeps capabilities'),
    );
    check(effective['runAsNonRoot'] === true && effective['runAsUser'] !== 0, of('may run as root'));
    check(['RuntimeDefault', 'Localhost'].includes(seccomp?.type ?? ''), of('has no seccomp profile'));
    check(own['readOnlyRootFilesystem'] === true, of('can write to its root'));
    check(
      container.resources?.requests?.['cpu'] && container.resources.requests['memory'],
      of('asks for no resources'),
    );
    check(container.resources?.limits?.['memory'], of('has no limit of memory'));
  }
  return problems;
}

const SECRET_FILES = '/etc/rescind/secrets/';

/**
 * The environment of each service as the chart gives it, with something in the place of what a Secret holds, be it a variable or the
 * file that one names.
 * @param secrets name of the variable → a value that is usable
 */
export function environmentOf(manifest: Manifest, secrets: Readonly<Record<string, string>>): Record<string, string> {
  const env: Record<string, string> = {};
  for (const { name, value } of podOf(manifest)?.containers[0]?.env ?? []) {
    const plain = value?.startsWith(SECRET_FILES) ? name.replace(/_FILE$/, '') : name;
    env[plain] = (plain === name ? value : undefined) ?? secrets[plain] ?? 'secret';
  }
  return env;
}

/** `# A heading` → `a-heading`, as GitHub makes its anchors. */
export const anchorsOf = (markdown: string): Set<string> =>
  new Set(
    [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replace(/\s/g, '-'),
    ),
  );

/** Gauges that each replica tells of the whole: of the group of consumers, or of the database. */
const OF_THE_WHOLE = [
  'rescind_consumer_lag_records',
  'rescind_set_aside_waiting',
  'rescind_guard_trips_paused',
  'rescind_marking_jobs',
  'rescind_outbox_age_seconds',
  'rescind_outbox_rows',
  'rescind_signals_backlog_seconds',
  'rescind_signals_refused',
  'rescind_signals_poll_age_seconds',
  'rescind_signals_source_interrupted',
];

/** What in PromQL adds up what each replica tells of the whole, so that it grows with the number of replicas. */
export const summedWholes = (text: string): string[] =>
  [...text.matchAll(/\bsum( by \([^)]*\))? ?\((\w+)/g)]
    .map(([, , metric]) => metric!)
    .filter((metric) => OF_THE_WHOLE.includes(metric));

/** Names of metrics in a PromQL expression, without the endings that Prometheus gives the parts of a histogram. */
export const metricsIn = (text: string): string[] =>
  [...text.matchAll(/\brescind_[a-z_]+/g)].map(([name]) => name.replace(/_(bucket|count|sum)$/, ''));
