import { swcOptions } from './tools/swc-options.mjs';

// In no zone that anybody works in, and not by whole hours from UTC: what leans on the machine's own is red. Services, Postgres and
// browsers that tests start have it, too.
process.env.TZ = 'Pacific/Chatham';

/** @type {import('jest').Config} */
const base = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', { ...swcOptions, sourceMaps: 'inline' }] },
  moduleNameMapper: {
    '^#([^/]+)/(.*)\\.js$': '<rootDir>/libs/$1/src/$2.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.local'],
};

/** unit: pure functions. integration: one service or library on real Postgres and Kafka. journey: the whole stack. */
export default {
  testTimeout: 180_000,
  maxWorkers: 2,
  projects: [
    { ...base, displayName: 'unit', testMatch: ['<rootDir>/{apps,libs,tools,test,bench}/**/*.unit.test.ts'] },
    {
      ...base,
      displayName: 'integration',
      testMatch: ['<rootDir>/{apps,libs,tools,test}/**/*.integration.test.ts'],
      globalSetup: '<rootDir>/libs/testing/jest-global-setup.mjs',
      globalTeardown: '<rootDir>/libs/testing/jest-global-teardown.mjs',
    },
    { ...base, displayName: 'journey', testMatch: ['<rootDir>/test/**/*.journey.test.ts'] },
  ],
};
