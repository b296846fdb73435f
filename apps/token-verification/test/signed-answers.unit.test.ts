import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { ConfigError, loadConfig } from '#platform/config.js';
import { AnswerSigner, wantsSignedAnswer } from '../src/answer-signer.js';
import { verificationConfig } from '../src/config.js';
import { signingKeys } from '../src/keys/signing-key.js';

const pairs = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  EdDSA: generateKeyPairSync('ed25519'),
};
const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;
const jwkOf = (key: KeyObject, more: object = {}): object => ({ ...key.export({ format: 'jwk' }), ...more });
const NOW = Date.parse('2026-11-24T10:00:00.500Z');
const ANSWER = { active: true, sub: 'user_01ALICE', scope: 'a b' };

describe.each(Object.entries(pairs))('%s', (algorithm, { privateKey }) => {
  test.each([
    ['PEM', pemOf(privateKey)],
    ['PEM on one line', pemOf(privateKey).replaceAll('\n', '\\n')],
    ['a JWK', JSON.stringify(jwkOf(privateKey))],
  ])('a key as %s signs what jose accepts, and is published without its secret', async (_, text) => {
    const keys = signingKeys.parse(text);
    const signer = new AnswerSigner('https://rescind.test', keys);
    expect(signer.algorithms).toEqual([algorithm]);
    const { payload, protectedHeader } = await jwtVerify(
      await signer.sign(ANSWER, 'gateway', NOW),
      createLocalJWKSet(signer.jwks as JSONWebKeySet),
      {
        issuer: 'https://rescind.test',
        audience: 'gateway',
        typ: 'token-introspection+jwt',
        currentDate: new Date(NOW),
      },
    );
    expect(payload).toEqual({
      iss: 'https://rescind.test',
      aud: 'gateway',
      iat: Math.floor(NOW / 1_000),
      token_introspection: ANSWER,
    });
    const kid = await calculateJwkThumbprint(keys[0]!.publicJwk);
    expect(protectedHeader).toEqual({ alg: algorithm, kid, typ: 'token-introspection+jwt' });
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi']) expect(keys[0]!.publicJwk).not.toHaveProperty(secret);
  });
});

test('of a set the first key signs, and all are published, so that a change of keys overlaps', async () => {
  const set = { keys: [jwkOf(pairs.ES256.privateKey, { kid: 'new' }), jwkOf(pairs.RS256.privateKey, { kid: 'old' })] };
  const before = new AnswerSigner('https://rescind.test', signingKeys.parse(JSON.stringify({ keys: [set.keys[1]] })));
  const after = new AnswerSigner('https://rescind.test', signingKeys.parse(JSON.stringify(set)));
  for (const [signer, kid] of [
    [before, 'old'],
    [after, 'new'],
  ] as const) {
    const checked = await jwtVerify(
      await signer.sign(ANSWER, 'gateway', NOW),
      createLocalJWKSet(after.jwks as JSONWebKeySet),
    );
    expect(checked.protectedHeader.kid).toBe(kid);
  }
});

test.each([
  ['nothing', ' '],
  ['a word', 'secret-word'],
  ['a public key', pairs.RS256.publicKey.export({ type: 'spki', format: 'pem' }) as string],
  ['a public JWK', JSON.stringify(jwkOf(pairs.ES256.publicKey))],
  ['a set without keys', '{"keys":[]}'],
  ['a secret key', '{"kty":"oct","k":"c2VjcmV0LXdvcmQ"}'],
  ['a weak key', pemOf(generateKeyPairSync('rsa', { modulusLength: 1_024 }).privateKey)],
  ['a curve that nobody checks', pemOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey)],
  ['a key for agreement', pemOf(generateKeyPairSync('x25519').privateKey)],
  ['one kid twice', JSON.stringify({ keys: [jwkOf(pairs.EdDSA.privateKey), jwkOf(pairs.EdDSA.privateKey)] })],
])('%s is no signing key, and is not repeated in the complaint', (_, text) => {
  const { error } = signingKeys.safeParse(text);
  expect(error!.issues).toHaveLength(1);
  expect(error!.message).not.toContain('secret-word');
});

describe('the settings belong together', () => {
  const env = {
    PORT: '0',
    KAFKA_BROKERS: '127.0.0.1:9',
    RESCIND_API_KEYS: 'a:b',
    RESCIND_INTROSPECTION_SIGNING_KEY: pemOf(pairs.EdDSA.privateKey),
  };
  const problemsOf = (more: Record<string, string>): string => {
    try {
      loadConfig(verificationConfig, { ...env, ...more });
      return '';
    } catch (error) {
      return (error as ConfigError).problems.join();
    }
  };

  test.each([
    ['a key without an issuer', {}, 'goes with'],
    ['an issuer with a path', { RESCIND_INTROSPECTION_ISSUER: 'https://rescind.test/a' }, 'without path'],
    ['an issuer with a slash', { RESCIND_INTROSPECTION_ISSUER: 'https://rescind.test/' }, 'without path'],
    ['an issuer over http', { RESCIND_INTROSPECTION_ISSUER: 'http://rescind.test' }, 'must be https'],
    ['both', { RESCIND_INTROSPECTION_ISSUER: 'https://rescind.test' }, ''],
  ])('%s', (_, more, problem) => expect(problemsOf(more)).toContain(problem));
});

test.each([
  [undefined, 'no'],
  ['', 'no'],
  ['*/*', 'no'],
  ['application/json', 'no'],
  ['application/jwt', 'no'],
  ['application/token-introspection+jwt', 'required'],
  ['Application/Token-Introspection+JWT', 'required'],
  ['application/token-introspection+jwt;q=0', 'no'],
  ['application/token-introspection+jwt;q=x', 'no'],
  ['application/token-introspection+jwt, application/json;q=0.5', 'preferred'],
  ['application/json, application/token-introspection+jwt', 'preferred'],
  ['application/json, application/token-introspection+jwt;q=0.9', 'no'],
  ['text/html, application/token-introspection+jwt ; q=0.2 , */*;q=0.1', 'preferred'],
  ['application/token-introspection+jwt, application/json;q=0', 'required'],
])('Accept: %s: %s', (accept, expected) => expect(wantsSignedAnswer(accept)).toBe(expected));
