import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { SignJWT } from 'jose';
import { ALGORITHMS } from '#contracts/identity-provider.js';
import type { Algorithm } from '../src/keys/jwk.js';
import { base64url, claimsOf, makeIssuer, providerOf } from './issuer.js';
import { outcomeOf, type World, worldOf } from './verifier-of.js';

const NOW = Date.parse('2026-11-24T10:00:00.500Z');
const URL = 'https://keys.test/client_01OURS';
const ours = makeIssuer('client_01OURS', 'key_1', 'ed25519');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const PAIRS: Record<Algorithm, { privateKey: KeyObject; publicKey: KeyObject }> = {
  RS256: rsa,
  RS384: rsa,
  RS512: rsa,
  PS256: rsa,
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  EdDSA: generateKeyPairSync('ed25519'),
};

const jwkOf = (algorithm: Algorithm, over: object = {}): object => ({
  ...PAIRS[algorithm].publicKey.export({ format: 'jwk' }),
  kid: 'key_1',
  use: 'sig',
  ...over,
});
const world = (keys: object[], algorithms: readonly Algorithm[]): World =>
  worldOf(NOW, [providerOf(ours, { algorithms: [...algorithms] })], { [URL]: keys });
/** By jose, so that it is not our own reading of the algorithms that is checked. */
const signedBy = (algorithm: Algorithm, header: object = {}): Promise<string> =>
  new SignJWT(claimsOf(ours, NOW))
    .setProtectedHeader({ alg: algorithm, kid: 'key_1', typ: 'JWT', ...header })
    .sign(PAIRS[algorithm].privateKey);

describe.each(ALGORITHMS)('%s', (algorithm) => {
  test('is accepted where it is allowed, with a key that says so and with one that says nothing', async () => {
    const token = await signedBy(algorithm);
    expect(await outcomeOf(world([jwkOf(algorithm, { alg: algorithm })], [algorithm]), token)).toBe('active');
    expect(await outcomeOf(world([jwkOf(algorithm)], ALGORITHMS), token)).toBe('active');
  });

  test('is refused where another one is allowed', async () => {
    const others = ALGORITHMS.filter((name) => name !== algorithm);
    expect(await outcomeOf(world([jwkOf(algorithm)], others), await signedBy(algorithm))).toBe('algorithm_not_allowed');
  });

  test('is refused with a key that is for another one', async () => {
    for (const name of ALGORITHMS.filter((name) => name !== algorithm)) {
      const here = world([jwkOf(algorithm, { alg: name })], ALGORITHMS);
      expect(await outcomeOf(here, await signedBy(algorithm))).toMatch(/^(signature_invalid|keys_unavailable)$/);
    }
  });

  test('a signature of it under the name of another one is refused', async () => {
    const [, payload, signature] = (await signedBy(algorithm)).split('.');
    const keys = ALGORITHMS.map((name) => jwkOf(name));
    for (const name of ALGORITHMS.filter((name) => name !== algorithm)) {
      const token = `${base64url(JSON.stringify({ alg: name, kid: 'key_1', typ: 'JWT' }))}.${payload}.${signature}`;
      expect(await outcomeOf(world(keys, ALGORITHMS), token)).toBe('signature_invalid');
    }
  });

  test('a signature that was changed, cut, doubled or emptied is refused', async () => {
    const [head, payload, signature] = (await signedBy(algorithm)).split('.') as [string, string, string];
    const bytes = Buffer.from(signature, 'base64url');
    const flipped = Buffer.from(bytes);
    flipped[bytes.length - 1]! ^= 1;
    for (const wrong of [
      flipped,
      bytes.subarray(1),
      bytes.subarray(0, -1),
      Buffer.concat([bytes, bytes]),
      Buffer.alloc(bytes.length),
      Buffer.alloc(bytes.length, 0xff),
    ]) {
      const token = `${head}.${payload}.${wrong.toString('base64url')}`;
      expect(await outcomeOf(world([jwkOf(algorithm)], ALGORITHMS), token)).toBe('signature_invalid');
    }
  });
});

test('an ES256 signature in DER is refused: a JWS has the two numbers side by side (RFC 7518, section 3.4)', async () => {
  const input = (await signedBy('ES256')).split('.').slice(0, 2).join('.');
  const der = sign('sha256', Buffer.from(input), PAIRS.ES256.privateKey).toString('base64url');
  expect(await outcomeOf(world([jwkOf('ES256')], ALGORITHMS), `${input}.${der}`)).toBe('signature_invalid');
});

test.each([
  ['an RSA key of 1,024 bits', generateKeyPairSync('rsa', { modulusLength: 1_024 }), 'RS256'],
  ['a key on another curve', generateKeyPairSync('ec', { namedCurve: 'P-521' }), 'ES256'],
  ['a key on the curve of coins', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }), 'ES256'],
] as const)('%s checks nothing', async (_, { publicKey }, algorithm) => {
  const weak = { ...publicKey.export({ format: 'jwk' }), kid: 'key_1' };
  expect(
    await outcomeOf(world([weak, jwkOf(algorithm, { kid: 'other' })], ALGORITHMS), await signedBy(algorithm)),
  ).toBe('signature_invalid');
});
