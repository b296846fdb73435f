import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { ConfigError, loadConfig } from '#platform/config.js';
import { z } from 'zod';
import {
  apiKeyOwner,
  CannotUnseal,
  encryptionKeys,
  type EncryptionKeys,
  seal,
  sealingKeyOf,
  unseal,
  webhookSecretOwner,
} from '../src/sealing.js';

const key = (id: string): EncryptionKeys[number] => ({ id, key: randomBytes(32) });
const OLD = key('2025');
const NEW = key('2026');
const OWNER = apiKeyOwner('idp_1');

test('what was sealed is opened again, whatever it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (secret, owner) => {
      expect(unseal(seal(secret, owner, [NEW]), owner, [NEW])).toBe(secret);
    }),
  );
});

test('the same secret never looks the same, and does not show', () => {
  const sealed = Array.from({ length: 100 }, () => seal('sk_live_secret', OWNER, [NEW]));
  expect(new Set(sealed).size).toBe(100);
  expect(sealed.join()).not.toContain(Buffer.from('sk_live').toString('base64url').slice(0, 8));
  expect(sealed[0]).toMatch(/^v1\.2026\.[\w-]{16}\.[\w-]+$/);
});

/** AES-256-GCM of "secret" under bytes 0…31, nonce 0…11, additional data "idp_1/api-key", by Python's cryptography 48. */
test('a value that another tool has sealed', () => {
  const keys = [{ id: 'k1', key: Buffer.from(Array.from({ length: 32 }, (_, byte) => byte)) }];
  expect(unseal(VECTOR, 'idp_1/api-key', keys)).toBe('secret');
});
const VECTOR = 'v1.k1.AAECAwQFBgcICQoL.NGe1aaCRB6yB6Uhw8ANHCmsOCEtTRw';

test('rotation: the first key seals, each of them opens, and which one it was can be told', () => {
  const sealed = seal('secret', OWNER, [OLD]);
  expect(unseal(sealed, OWNER, [NEW, OLD])).toBe('secret');
  const again = seal('secret', OWNER, [NEW, OLD]);
  expect([sealingKeyOf(sealed), sealingKeyOf(again)]).toEqual(['2025', '2026']);
  expect(() => unseal(sealed, OWNER, [NEW])).toThrow('RESCIND_ENCRYPTION_KEYS lacks the key 2025');
  expect(() => seal('secret', OWNER, [])).toThrow('no encryption key');
});

test('it opens for its owner alone', () => {
  const secret = webhookSecretOwner('idp_1', 'whs_1');
  const sealed = seal('secret', secret, [NEW]);
  for (const owner of ['', OWNER, webhookSecretOwner('idp_2', 'whs_1'), webhookSecretOwner('idp_1', 'whs_2')]) {
    expect(() => unseal(sealed, owner, [NEW])).toThrow(CannotUnseal);
  }
});

test('another key under the same id does not open it', () => {
  expect(() => unseal(seal('secret', OWNER, [NEW]), OWNER, [{ ...key('2026') }])).toThrow(CannotUnseal);
});

test('no change of a single bit goes unnoticed', () => {
  const sealed = seal('secret', OWNER, [NEW]);
  const [format, id, nonce, body] = sealed.split('.') as [string, string, string, string];
  for (const [place, text] of [
    [2, nonce],
    [3, body],
  ] as const) {
    const bytes = Buffer.from(text, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const parts = [format, id, nonce, body];
      parts[place] = changed.toString('base64url');
      expect(() => unseal(parts.join('.'), OWNER, [NEW])).toThrow(CannotUnseal);
    }
  }
});

test('a shortened tag is no tag', () => {
  const [format, id, nonce, body] = seal('secret', OWNER, [NEW]).split('.') as [string, string, string, string];
  const bytes = Buffer.from(body, 'base64url');
  for (let length = 0; length < bytes.length; length++) {
    const sealed = [format, id, nonce, bytes.subarray(0, length).toString('base64url')].join('.');
    expect(() => unseal(sealed, OWNER, [NEW])).toThrow(CannotUnseal);
  }
});

test.each([
  '',
  'v1',
  'v1.2026',
  'v1.2026..',
  'v1.2026.AAAA.',
  'v2.2026.AAAAAAAAAAAAAAAA.AAAA',
  'v1.2026.a.b.c',
  'secret',
])('%j is nothing sealed', (text) => {
  expect(() => unseal(text, OWNER, [NEW])).toThrow(CannotUnseal);
});

test('nothing that is told of a failure holds the secret or a key', () => {
  const sealed = seal('sk_live_secret', OWNER, [NEW]);
  try {
    unseal(sealed, 'somebody else', [NEW]);
    throw new Error('it was opened');
  } catch (error) {
    const told = `${(error as Error).stack}${String((error as Error).cause)}`;
    expect(told).not.toMatch(/sk_live/);
    expect(told).not.toContain(NEW.key.toString('base64'));
  }
});

describe('RESCIND_ENCRYPTION_KEYS', () => {
  const schema = z.object({ RESCIND_ENCRYPTION_KEYS: encryptionKeys });
  const read = (text: string): EncryptionKeys =>
    loadConfig(schema, { RESCIND_ENCRYPTION_KEYS: text }).RESCIND_ENCRYPTION_KEYS;
  const good = randomBytes(32).toString('base64');

  test('one or several keys, the current one first', () => {
    expect(read(`a:${good}`)).toEqual([{ id: 'a', key: Buffer.from(good, 'base64') }]);
    expect(read(`b:${good}, a:${good}`).map(({ id }) => id)).toEqual(['b', 'a']);
  });

  test.each([
    ['nothing', ' , '],
    ['no id', good],
    ['an id with a dot', `a.b:${good}`],
    ['too short', `a:${randomBytes(31).toString('base64')}`],
    ['too long', `a:${randomBytes(33).toString('base64')}`],
    ['one of two too short', `a:${good},b:c2hvcnQ=`],
  ])('%s is refused without being repeated', (_, text) => {
    expect(() => read(text)).toThrow(ConfigError);
    expect(() => read(text)).not.toThrow(new RegExp(good.slice(0, 12).replace(/[+/]/g, '.')));
  });
});
