import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { commaList, ConfigError, loadConfig, namedSecrets, serviceSettings } from '#platform/config.js';
import { encryptionKeys } from '#providers/sealing.js';

const schema = z.object({
  ...serviceSettings,
  KAFKA_BROKERS: commaList,
  RESCIND_API_KEYS: namedSecrets,
  RESCIND_ENCRYPTION_KEYS: encryptionKeys,
});
const good = {
  PORT: '3001',
  KAFKA_BROKERS: 'a:9092, b:9092,',
  RESCIND_API_KEYS: 'ops:se:cret,ci:other',
  RESCIND_ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
};
const problemsOf = (env: Record<string, string>): readonly string[] => {
  try {
    loadConfig(schema, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

test('settings are read, with their defaults', () => {
  expect(loadConfig(schema, good)).toMatchObject({
    PORT: 3001,
    HOST: '0.0.0.0',
    LOG_LEVEL: 'info',
    KAFKA_BROKERS: ['a:9092', 'b:9092'],
    RESCIND_API_KEYS: [
      { name: 'ops', secret: 'se:cret' },
      { name: 'ci', secret: 'other' },
    ],
  });
});

test('an empty variable is one that was not set', () => {
  expect(loadConfig(schema, { ...good, LOG_LEVEL: '' }).LOG_LEVEL).toBe('info');
});

test('all problems are listed at once, each by its name', () => {
  const problems = problemsOf({
    PORT: 'http',
    LOG_LEVEL: 'loud',
    RESCIND_API_KEYS: 'nocolon',
    RESCIND_ENCRYPTION_KEYS: 'k1:short',
  });
  for (const name of ['PORT', 'LOG_LEVEL', 'KAFKA_BROKERS is not set', 'RESCIND_API_KEYS', 'RESCIND_ENCRYPTION_KEYS']) {
    expect(problems.join('\n')).toContain(name);
  }
});

test('no problem repeats a value: it may be a secret', () => {
  const secret = 'hunter2hunter2';
  const problems = problemsOf({
    ...good,
    PORT: secret,
    RESCIND_API_KEYS: secret,
    RESCIND_ENCRYPTION_KEYS: `k1:${secret}`,
  });
  expect(problems.length).toBeGreaterThanOrEqual(3);
  expect(problems.join('\n')).not.toContain(secret);
});

describe('a file in place of a variable', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'rescind-config-'))));
  afterEach(() => rmSync(dir, { recursive: true }));
  const { RESCIND_API_KEYS: keys, ...others } = good;
  const file = (content: string): string => {
    writeFileSync(join(dir, 'keys'), content);
    return join(dir, 'keys');
  };

  test.each([keys, `${keys}\n`, `${keys}\r\n`])('is read, without its last line break: %j', (content) => {
    const { RESCIND_API_KEYS } = loadConfig(schema, { ...others, RESCIND_API_KEYS_FILE: file(content) });
    expect(RESCIND_API_KEYS).toEqual(loadConfig(schema, good).RESCIND_API_KEYS);
  });

  test('that is not there, empty, or one of two is a problem, without a value', () => {
    const problems = (name: string, more = {}) => problemsOf({ ...others, RESCIND_API_KEYS_FILE: name, ...more });
    expect(problems(join(dir, 'nowhere'))).toEqual(['RESCIND_API_KEYS_FILE: cannot be read (ENOENT)']);
    expect(problems(file('\n'))).toEqual(['RESCIND_API_KEYS_FILE: the file is empty']);
    expect(problems(file('x:y'), { RESCIND_API_KEYS: keys })).toEqual([
      'RESCIND_API_KEYS and RESCIND_API_KEYS_FILE are both set',
    ]);
  });

  test('is not looked for where there is no such setting', () => {
    expect(problemsOf({ ...good, NOTHING_FILE: join(dir, 'nowhere') })).toEqual([]);
  });
});
