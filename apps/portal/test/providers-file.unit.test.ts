import { ConfigError } from '#platform/config.js';
import { readProvidersFile } from '../src/providers/providers-file.js';

const TOKEN = 'a'.repeat(32);

test('a file with everything', () => {
  const [provider] = readProvidersFile(
    `
providers:
  - id: workos-production
    name: WorkOS
    kind: workos
    issuers: [https://api.workos.com/user_management/client_01ABC]
    audience: https://api.example.com
    api_key: \${WORKOS_API_KEY}
    webhook:
      token: \${WEBHOOK_TOKEN}
      secrets: ['\${WORKOS_WEBHOOK_SECRET}']
`,
    { WORKOS_API_KEY: 'sk_live_x', WEBHOOK_TOKEN: TOKEN, WORKOS_WEBHOOK_SECRET: 'whsec_0123456789abcdef' },
  );
  expect(provider).toEqual({
    id: 'workos-production',
    given: {
      name: 'WorkOS',
      kind: 'workos',
      issuers: ['https://api.workos.com/user_management/client_01ABC'],
      audience: ['https://api.example.com'],
    },
    apiKey: 'sk_live_x',
    webhook: { token: TOKEN, secrets: ['whsec_0123456789abcdef'] },
  });
});

test.each(['', 'providers:', 'providers: []', '# nothing yet'])('%j declares nobody', (text) => {
  expect(readProvidersFile(text, {})).toEqual([]);
});

test('a variable within a text, and the text itself', () => {
  const [provider] = readProvidersFile(
    `
providers:
  - { id: a, name: '\${REGION} is $\${REGION}', kind: workos, issuers: ['https://\${REGION}.example.com/user_management/client_1'] }
`,
    { REGION: 'eu' },
  );
  expect(provider!.given).toMatchObject({
    name: 'eu is ${REGION}',
    issuers: ['https://eu.example.com/user_management/client_1'],
  });
});

test('every problem at once, each with its path, none with its value', () => {
  const text = `
providers:
  - id: Not An Id
    name: ''
    kind: saml
    issuers: [sk_live_pasted]
    colour: red
  - id: twice
    name: A
    kind: workos
    issuers: [https://a.example.com]
    api_key: \${MISSING_ONE}
    webhook: { token: short-token, secrets: [sk_live_wrong_one] }
  - id: twice
    name: B
    kind: workos
    issuers: [https://b.example.com]
    algorithms: [none]
    api_key: \${MISSING_TWO}
`;
  const problems = problemsOf(text, {});
  for (const path of [
    'providers[0].id',
    'providers[0].name',
    'providers[0].kind',
    'providers[0].issuers[0]: holds a secret',
    'providers[0]: Unrecognized key: "colour"',
    'providers[1].api_key: the variable MISSING_ONE is not set',
    'providers[1].webhook.token',
    'providers[1].webhook.secrets[0]: This is a WorkOS API key',
    'providers[2].algorithms[0]',
    'providers[2].api_key: the variable MISSING_TWO is not set',
  ]) {
    expect(problems.filter((problem) => problem.startsWith(path))).toHaveLength(1);
  }
  expect(problems.join()).not.toMatch(/sk_live|short-token/);
});

test('an id or an endpoint token that is there twice', () => {
  const one = (id: string, token: string): string =>
    `  - { id: ${id}, name: A, kind: workos, issuers: [https://a.example.com], webhook: { token: ${token}, secrets: [] } }`;
  expect(problemsOf(`providers:\n${one('a', TOKEN)}\n${one('a', 'b'.repeat(32))}`, {})).toEqual([
    'providers[1].id: is there twice',
  ]);
  expect(problemsOf(`providers:\n${one('a', TOKEN)}\n${one('b', TOKEN)}`, {})).toEqual([
    'providers[1].webhook.token: is there twice',
  ]);
});

test.each([
  ['broken', 'providers: ['],
  ['a key twice', 'providers: []\nproviders: []'],
  ['a list', '- a'],
  ['a text', 'hello'],
  ['something else too', 'providers: []\nusers: []'],
])('%s is refused', (_, text) => {
  expect(problemsOf(text, {}).length).toBeGreaterThan(0);
});

test('what is not YAML is told by its line, without its text', () => {
  expect(problemsOf('providers:\n  - id: "sk_live_secret\n', {}).join()).toMatch(/^providers file, line \d+: [A-Z_]+/);
  expect(problemsOf('providers:\n  - id: "sk_live_secret\n', {}).join()).not.toContain('sk_live');
});

test('references that multiply are refused', () => {
  const level = (name: string, of: string): string => `${name}: &${name} [${Array(10).fill(`*${of}`).join()}]`;
  const bomb = ['a: &a [x]', level('b', 'a'), level('c', 'b'), level('d', 'c'), 'providers: [*d]'].join('\n');
  expect(problemsOf(bomb, {})).toEqual(['providers file: its references cannot be resolved']);
});

function problemsOf(text: string, env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readProvidersFile(text, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('it was read');
}
