import { anchorsOf, environmentOf, type Manifest, metricsIn, podProblems, summedWholes } from '../src/manifests.js';

type Change = (pod: Record<string, any>, container: Record<string, any>) => void; // eslint-disable-line @typescript-eslint/no-explicit-any

function deployment(change: Change = () => undefined): Manifest {
  const container = {
    name: 'grants',
    image: 'x',
    env: [
      { name: 'PORT', value: '8080' },
      { name: 'DATABASE_URL', valueFrom: { secretKeyRef: {} } },
    ],
    resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '1Gi' } },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
  };
  const pod = {
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [container],
    volumes: [{ name: 'tmp', emptyDir: {} }],
  };
  change(pod, container);
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x' }, spec: { template: { spec: pod } } };
}

test('a pod as the chart makes it has no problem', () => expect(podProblems(deployment())).toEqual([]));

test.each<[string, Change]>([
  ['sets PORT twice', (_, { env }) => env.push({ name: 'PORT', value: '1' })],
  ['where nothing is mounted', (_, { env }) => env.push({ name: 'X_FILE', value: '/etc/rescind/secrets/x/y' })],
  ['uses a namespace of its host', (pod) => (pod['hostNetwork'] = true)],
  ['mounts a token', (pod) => delete pod['automountServiceAccountToken']],
  ['a volume of a forbidden kind', (pod) => pod['volumes'].push({ name: 'host', hostPath: { path: '/' } })],
  ['may gain privileges', (_, { securityContext }) => delete securityContext.allowPrivilegeEscalation],
  ['is privileged', (_, { securityContext }) => (securityContext.privileged = true)],
  ['keeps capabilities', (_, { securityContext }) => (securityContext.capabilities = { drop: [] })],
  ['keeps capabilities', (_, { securityContext }) => (securityContext.capabilities.add = ['SYS_ADMIN'])],
  ['may run as root', (pod) => delete pod['securityContext'].runAsNonRoot],
  ['may run as root', (_, { securityContext }) => (securityContext.runAsUser = 0)],
  ['has no seccomp profile', (pod) => (pod['securityContext'].seccompProfile = { type: 'Unconfined' })],
  ['can write to its root', (_, { securityContext }) => delete securityContext.readOnlyRootFilesystem],
  ['asks for no resources', (_, { resources }) => delete resources.requests.cpu],
  ['has no limit of memory', (_, { resources }) => delete resources.limits],
])('%s', (problem, change) => {
  expect(podProblems(deployment(change))).toEqual([expect.stringContaining(problem)]);
});

test('what a Secret holds is a setting also where it is mounted as a file', () => {
  const asFile = deployment((_, { env }) => {
    env.push({ name: 'RESCIND_API_KEYS_FILE', value: '/etc/rescind/secrets/rescind/api-keys' });
    env.push({ name: 'RESCIND_PROVIDERS_FILE', value: '/etc/rescind/providers/providers.yaml' });
  });
  expect(environmentOf(asFile, { RESCIND_API_KEYS: 'a:b' })).toMatchObject({
    RESCIND_API_KEYS: 'a:b',
    RESCIND_PROVIDERS_FILE: '/etc/rescind/providers/providers.yaml',
  });
});

test('the settings of a service, with something for each secret', () => {
  expect(environmentOf(deployment(), { DATABASE_URL: 'postgres://x' })).toEqual({
    PORT: '8080',
    DATABASE_URL: 'postgres://x',
  });
});

test('anchors as GitHub makes them, metrics without the endings of their parts', () => {
  expect([...anchorsOf('# Alerts\n## The view is stale\n### `a_b`: what, then?')]).toEqual([
    'alerts',
    'the-view-is-stale',
    'a_b-what-then',
  ]);
  expect(metricsIn('rate(rescind_x_seconds_bucket{a="b"}[5m]) / rescind_y_total')).toEqual([
    'rescind_x_seconds',
    'rescind_y_total',
  ]);
});

test('what each replica tells of the whole is not added up', () => {
  expect(summedWholes('sum by (topic) (rescind_consumer_lag_records) > 1 or sum(rescind_guard_trips_paused)')).toEqual([
    'rescind_consumer_lag_records',
    'rescind_guard_trips_paused',
  ]);
  expect(summedWholes('max by (topic) (rescind_consumer_lag_records) + sum(rate(rescind_x_total[5m]))')).toEqual([]);
});
