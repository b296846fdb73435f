import type { FastifyRequest } from 'fastify';
import type { ApiKeyScope } from '#contracts/api-key.js';
import { ApiKeys, isPermitted, type IssuedKeys, type Permission, sha256 } from '#platform/api-key.guard.js';

const CONFIGURED = [
  { name: 'admin', secret: 'rsk_admin' },
  { name: 'portal', secret: 'rsk_portal' },
];
const ISSUED: Record<string, { name: string; scopes: ApiKeyScope[] }> = {
  rsk_verify: { name: 'gateway', scopes: ['verify'] },
  rsk_named_portal: { name: 'portal', scopes: ['administrator'] },
};

function issued(isReady = true): IssuedKeys & { uses: string[] } {
  const uses: string[] = [];
  return {
    uses,
    isReady: () => isReady,
    find: (digest) => {
      const found = Object.entries(ISSUED).find(([key]) => sha256(key) === digest);
      return found && { id: found[0], ...found[1] };
    },
    used: (id) => void uses.push(id),
  };
}

const asking = (headers: Record<string, string>): FastifyRequest => ({ headers }) as unknown as FastifyRequest;
const bearer = (key: string, more: Record<string, string> = {}) => asking({ authorization: `Bearer ${key}`, ...more });

test('a key of the settings may do everything, an issued one what it was issued for', () => {
  const keys = issued();
  const all = new ApiKeys(CONFIGURED, keys);
  expect(all.principalOf(bearer('rsk_admin'))).toEqual({ name: 'admin', permissions: ['administrator'] });
  expect(all.principalOf(bearer('rsk_verify'))).toMatchObject({ name: 'gateway', permissions: ['verify'] });
  expect(keys.uses).toEqual(['rsk_verify']);
  expect(all.principalOf(bearer('rsk_unknown'))).toBeUndefined();
  expect(all.principalOf(asking({}))).toBeUndefined();
});

test('while the issued keys are not known, a key that is not of the settings is neither good nor bad', () => {
  const keys = new ApiKeys(CONFIGURED, issued(false));
  expect(keys.principalOf(bearer('rsk_admin'))).toMatchObject({ name: 'admin' });
  expect(() => keys.principalOf(bearer('rsk_unknown'))).toThrow('api_keys_unknown');
});

test('only the portal of the settings says for whom it calls', () => {
  const keys = new ApiKeys(CONFIGURED, issued());
  const actor = { 'x-rescind-actor': encodeURIComponent('Ada ünd Co') };
  expect(keys.principalOf(bearer('rsk_portal', actor))).toMatchObject({ name: 'Ada ünd Co' });
  for (const key of ['rsk_admin', 'rsk_verify', 'rsk_named_portal']) {
    expect(() => keys.principalOf(bearer(key, actor))).toThrow('actor_not_allowed');
  }
  expect(keys.principalOf(bearer('rsk_wrong', actor))).toBeUndefined();
});

test.each(['', '%', '%00', '%0a', 'a'.repeat(301), '%ff'])('%j is no name of an actor', (actor) => {
  const keys = new ApiKeys(CONFIGURED);
  expect(() => keys.principalOf(bearer('rsk_portal', { 'x-rescind-actor': actor }))).toThrow('actor_malformed');
});

test.each<[Permission[], string, Permission[], boolean]>([
  [['administrator'], 'DELETE', [], true],
  [['auditor'], 'GET', [], true],
  [['auditor'], 'HEAD', [], true],
  [['auditor'], 'POST', [], false],
  [['auditor'], 'POST', ['auditor'], true],
  [['verify'], 'GET', [], false],
  [['verify'], 'POST', ['verify'], true],
  [['verify'], 'POST', ['grants:write'], false],
  [['person'], 'GET', [], false],
  [['person'], 'GET', ['person'], true],
  [[], 'GET', ['person'], false],
])('%j may %s where %j may besides: %s', (permissions, method, permits, may) => {
  expect(isPermitted({ name: 'x', permissions }, method, permits)).toBe(may);
});

test('keys are kept by their SHA-256 in hex, which the database and the topic have from before', () => {
  // FIPS 180-2, appendix B.1
  expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
