import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { calculateJwkThumbprint, type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { VoidFacts } from '#proof/receipt.js';
import { openReceipt, voidReceipt } from '#testing/receipt.js';
import { rescind } from '../src/main.js';
import { verifyReceipt } from '../src/verify-receipt.js';

interface Signer {
  privateKey: CryptoKey;
  kid: string;
  jwks: { keys: object[] };
}
async function newSigner(): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { privateKey, kid, jwks: { keys: [{ ...jwk, kid, use: 'sig', alg: 'EdDSA' }] } };
}
const sign = (receipt: object, { privateKey, kid }: Signer, typ = 'rescind-receipt+jwt'): Promise<string> =>
  new SignJWT({ receipt })
    .setProtectedHeader({ alg: 'EdDSA', kid, typ })
    .setIssuer('https://portal.example.com')
    .setIssuedAt(1_772_409_600)
    .setJti('receipt_1')
    .sign(privateKey);

let portal: Signer;
let other: Signer;
let dir: string;
let keys: string;
beforeAll(async () => {
  [portal, other] = [await newSigner(), await newSigner()];
  dir = await mkdtemp(join(tmpdir(), 'rescind-receipt-'));
  keys = join(dir, 'jwks.json');
  await writeFile(keys, JSON.stringify(portal.jwks));
});
afterAll(() => rm(dir, { recursive: true }));

const bundle = async (receipt: object, signer = portal): Promise<string> =>
  JSON.stringify({ jws: await sign(receipt, signer), receipt, jwks: signer.jwks });
/** Signed by the portal as it is, so that only what it says can be wrong. */
const changed = async (change: (facts: VoidFacts) => void): Promise<string> => {
  const facts = structuredClone(voidReceipt());
  change(facts);
  return sign(facts, portal);
};

describe('a genuine receipt', () => {
  test('of somebody whose access is void proves it, and says what it does not prove', async () => {
    const verdict = await verifyReceipt(await bundle(voidReceipt()), keys);
    expect(verdict).toMatchObject({ code: 0, refused: [], about: { user_id: 'user_1' } });
    const proved = verdict.proved.join('\n');
    expect(proved).toMatch(/signed by https:\/\/portal.example.com on 2026-03-02T00:00:00.000Z/);
    expect(proved).toMatch(/every token of user_1 was void/);
    expect(proved).toMatch(/3 rows of the audit stand in its chain of 7/);
    expect(proved).toMatch(/event_1 closed it: occurred 2026-03-01T09:01:00.000Z, received .*250Z, applied .*262Z/);
    expect(proved).toMatch(/access.revocations\/1\/4/);
    expect(verdict.not_proved.join('\n')).toMatch(/what WorkOS said after 2026-03-01T23:59:50.000Z/);
  });

  test('of somebody who still has access says so, and proves nothing else', async () => {
    const verdict = await verifyReceipt(await bundle(openReceipt()), keys);
    expect(verdict.code).toBe(4);
    expect(verdict.not_proved.join('\n')).toMatch(/user_1 still has access/);
    expect(verdict.proved.join('\n')).not.toMatch(/void/);
  });

  test('made while the system could not know says up to when it does', async () => {
    const completeness = { ...voidReceipt().completeness, status: 'behind' as const, problem: 'still being read' };
    const verdict = await verifyReceipt(await bundle({ ...voidReceipt(), completeness }), keys);
    expect(verdict.code).toBe(0);
    expect(verdict.not_proved.join('\n')).toMatch(/after 2026-03-01T23:59:50.000Z.*not known \(behind: still being/);
  });

  test('is taken as the JWS alone, and by the thumbprint of the key that it brings', async () => {
    expect((await verifyReceipt(`${await sign(voidReceipt(), portal)}\n`, keys)).code).toBe(0);
    expect((await verifyReceipt(await bundle(voidReceipt()), portal.kid)).code).toBe(0);
  });

  test('whose key nobody vouches for proves only that it was not changed', async () => {
    const verdict = await verifyReceipt(await bundle(voidReceipt(), other), undefined);
    expect(verdict.code).toBe(3);
    expect(verdict.not_proved.join('\n')).toContain(`who signed it: the key ${other.kid}`);
  });
});

describe('refused, each with its own sentence', () => {
  const cases: [string, () => Promise<string>, RegExp][] = [
    [
      'a changed payload',
      async () => {
        const [head, body, signature] = (await sign(voidReceipt(), portal)).split('.') as [string, string, string];
        const text = Buffer.from(body, 'base64url').toString().replaceAll('user_1', 'user_2');
        return [head, Buffer.from(text).toString('base64url'), signature].join('.');
      },
      /The signature does not fit/,
    ],
    ['another key', () => sign(voidReceipt(), other), /a key that is not among yours/],
    ['another key under the name of yours', () => sign(voidReceipt(), { ...other, kid: portal.kid }), /does not fit/],
    ['a token of the same key', () => sign(voidReceipt(), portal, 'at+jwt'), /This is no receipt: it says typ at\+jwt/],
    ['something else', () => Promise.resolve('not a receipt'), /no JWS in compact form/],
    ['another form', () => sign({ hello: 1 }, portal), /form is not one that this version knows/],
    [
      'a changed leaf',
      () => changed(({ audit }) => (audit.rows[0]!.row.at = '1')),
      /audit row 3 does not lead to the root: the row or its proof was changed/,
    ],
    [
      'a row at another place',
      () => changed(({ audit }) => (audit.rows[1]!.seq = '4')),
      /audit row 4 does not lead to the root/,
    ],
    [
      'another root',
      () => changed(({ audit }) => (audit.root = 'ab'.repeat(32))),
      /the head of the chain does not lead to the root/,
    ],
    [
      'the removed row of a closing',
      () => changed(({ audit }) => audit.rows.shift()),
      /the closing of idp_1\/user:user_1 has no row in the audit: it was left out or removed/,
    ],
    [
      'the removed row of a grant',
      () => changed(({ audit }) => audit.rows.pop()),
      /the revocation of grant_2 has no row in the audit/,
    ],
    [
      'the row of another grant',
      () => changed(({ grants }) => (grants.listed[0]!.audit_seq = '5')),
      /audit row 5 is not about the revocation of grant_2/,
    ],
    [
      'the row of another closing',
      () => changed(({ scopes }) => (scopes[0]!.closed_at = '2026-03-01T09:01:00.000Z')),
      /audit row 3 is not about this closing/,
    ],
    [
      'another event',
      () => changed(({ closings }) => (closings[0]!.event!.id = 'event_2')),
      /the event event_2 is not the one that closed/,
    ],
    [
      'somebody who was let in again',
      () => changed(({ scopes }) => Object.assign(scopes[0]!, { closed_at: null, reason: null })),
      /by its own states, user_1 still has access/,
    ],
    [
      'a scope of somebody else',
      () => changed((facts) => (facts.user_id = 'user_2')),
      /the scope idp_1\/user:user_1 is not one of theirs/,
    ],
  ];
  test.each(cases)('%s', async (_, made, sentence) => {
    const verdict = await verifyReceipt(await made(), keys);
    expect(verdict.refused.join('\n')).toMatch(sentence);
    expect(verdict).toMatchObject({ code: 1, proved: [], not_proved: [] });
  });

  test('a key that it brings itself is not among yours by that', async () => {
    expect((await verifyReceipt(await bundle(voidReceipt(), other), keys)).code).toBe(1);
    expect((await verifyReceipt(await bundle(voidReceipt(), other), portal.kid)).code).toBe(1);
  });
});

describe('the command', () => {
  let out: string[];
  beforeEach(() => {
    out = [];
    jest.spyOn(console, 'log').mockImplementation((line) => void out.push(String(line)));
    jest.spyOn(console, 'error').mockImplementation((line) => void out.push(String(line)));
  });
  afterEach(() => jest.restoreAllMocks());

  test.each([
    ['proved', voidReceipt(), true, 0, /^Genuine: the access of user_1 is void/],
    ['nobody vouches', voidReceipt(), false, 3, /nobody vouches for the key/],
    ['still access', openReceipt(), true, 4, /STILL HAS ACCESS/],
    ['refused', { ...voidReceipt(), user_id: 'user_2' }, true, 1, /^REFUSED: this receipt proves nothing/],
  ])('%s, without asking anybody', async (_, facts, withKeys, code, says) => {
    const path = join(dir, 'receipt.json');
    await writeFile(path, await bundle(facts));
    jest.spyOn(globalThis, 'fetch').mockImplementation(() => Promise.reject(new Error('asked')));
    expect(await rescind(['verify-receipt', path, ...(withKeys ? ['--keys', keys] : [])], {})).toBe(code);
    expect(out.join('\n')).toMatch(says);
  });

  test.each([
    ['no file', ['verify-receipt'], /Give a file/],
    ['a file that is not there', ['verify-receipt', '/nowhere'], /cannot be read \(ENOENT\)/],
  ])('used wrongly: %s', async (_, args, says) => {
    expect(await rescind(args, {})).toBe(2);
    expect(out.join('\n')).toMatch(says);
  });

  test('used wrongly: keys that are none', async () => {
    const path = join(dir, 'receipt.json');
    await writeFile(path, await bundle(voidReceipt()));
    expect(await rescind(['verify-receipt', path, '--keys', '/nowhere'], {})).toBe(2);
    expect(await rescind(['verify-receipt', path, '--keys', path], {})).toBe(2);
    expect(out.join('\n')).toMatch(/holds no JWK Set/);
  });
});
