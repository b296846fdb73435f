// The import rule: what may depend on what. `npx eslint -c eslint.imports.mjs .` checks it alone.
import ts from 'typescript-eslint';

const restrict = (files, ...patterns) => ({
  files,
  languageOptions: { parser: ts.parser },
  rules: { 'no-restricted-imports': ['error', { patterns }] },
});
const noApps = { regex: '(^|/)apps/', message: 'Apps are never imported from outside; put what two need into a lib.' };
const noOtherFolder = {
  regex: '^(\\.\\./)+(libs|tools|bench|test)/',
  message: 'Import a library by its name (#contracts/…), never by its path.',
};
const noKafkajs = { group: ['kafkajs'], message: 'Only libs/kafka imports kafkajs.' };
const only = (allowed, message) => ({ regex: `^(?!\\.\\.?/|${allowed})`, message });

export const importRule = [
  restrict(['apps/**/*.ts', 'libs/**/*.ts', 'tools/**/*.ts'], noApps, noOtherFolder, noKafkajs),
  restrict(['apps/console/**/*.{ts,tsx}'], noApps, noOtherFolder, {
    regex: '^(#|node:)',
    message: 'The console runs in a browser, and knows the services by their HTTP APIs alone.',
  }),
  restrict(['libs/kafka/**/*.ts', 'libs/testing/**/*.ts'], noApps, noOtherFolder),
  restrict(
    ['libs/contracts/src/**/*.ts'],
    noApps,
    noOtherFolder,
    only('zod$|#contracts/', 'libs/contracts imports nothing but zod: everybody depends on it.'),
  ),
  restrict(
    ['libs/revocation/src/**/*.ts'],
    noApps,
    noOtherFolder,
    only('#contracts/', 'libs/revocation is pure: it imports nothing but libs/contracts.'),
  ),
  restrict(
    ['apps/*/src/domain/**/*.ts'],
    noApps,
    noOtherFolder,
    only(
      '#contracts/|#revocation/|node:(crypto|buffer)$',
      'A domain folder imports only contracts, the rule and its own files.',
    ),
  ),
  {
    files: ['libs/revocation/src/**/*.ts', 'apps/*/src/domain/**/*.ts'],
    languageOptions: { parser: ts.parser },
    rules: {
      'no-restricted-globals': ['error', 'process', 'setTimeout', 'setInterval', 'fetch'],
      'no-restricted-syntax': [
        'error',
        {
          selector:
            "CallExpression[callee.object.name='Date'][callee.property.name='now'], NewExpression[callee.name='Date'][arguments.length=0]",
          message: 'Decisions take the time as an argument.',
        },
      ],
    },
  },
];

export default [
  { ignores: ['dist/', '.local/', 'node_modules/', 'apps/console/public/'] },
  // Comments in the code name rules of this plugin; here they are known, and off.
  { plugins: { '@typescript-eslint': ts.plugin }, linterOptions: { reportUnusedDisableDirectives: 'off' } },
  ...importRule,
];
