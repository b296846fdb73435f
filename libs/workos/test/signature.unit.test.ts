import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { sign, verifySignature } from '#workos/signature.js';

/** Deliveries as WorkOS's own emulator signed them, with the secret `whsec_test_secret_123456`. */
const genuine = JSON.parse(readFileSync(new URL('./deliveries.json', import.meta.url), 'utf8')) as {
  signature: string;
  body: string;
}[];

const SECRET = { id: 'current', secret: 'whsec_0FWAiVGkEfGBqqsJH4aNAGBJ4' };
const OTHER = { id: 'previous', secret: 'f'.repeat(64) };
const NOW = new Date('2026-11-24T10:00:00.000Z');
const BODY = Buffer.from('{"id":"event_1","event":"user.deleted","data":{"id":"user_1","name":"Zoë 😀"}}');
const T = String(NOW.getTime());
const digest = (t = T, body: Buffer = BODY, secret = SECRET.secret): string =>
  createHmac('sha256', secret)
    .update(Buffer.concat([Buffer.from(`${t}.`), body]))
    .digest('hex');
const header = (t = T): string => `t=${t}, v1=${digest(t)}`;
const verify = (text: string | undefined, body = BODY, secrets = [OTHER, SECRET], now = NOW): string =>
  verifySignature(body, text, secrets, now).id;
const at = (ms: number): string => String(NOW.getTime() + ms);

test.each(genuine)('a genuine delivery is genuine', ({ signature, body }) => {
  const sentAt = new Date(Number(/t=(\d+)/.exec(signature)![1]));
  const secret = { id: 'emulator', secret: 'whsec_test_secret_123456' };
  expect(verifySignature(Buffer.from(body), signature, [secret], sentAt)).toBe(secret);
  expect(() => verifySignature(Buffer.from(body + ' '), signature, [secret], sentAt)).toThrow('signature_mismatch');
});

test('HMAC vectors of the official suite', () => {
  const hmac = (text: string): string => createHmac('sha256', 'test_secret').update(text).digest('hex');
  expect(hmac('')).toMatch(/^f7f9bd47/);
  expect(hmac('😀')).toMatch(/^837da296/);
  expect(sign('1', Buffer.from('😀'), 'test_secret')).toBe(hmac('1.😀'));
});

describe('accepted', () => {
  test.each([
    ['as WorkOS writes it', header()],
    ['without the space', header().replace(', ', ',')],
    ['v1 before t', `v1=${digest()},t=${T}`],
    ['with a key that we do not know', `t=${T}, v0=abc, v1=${digest()}, v2=xyz`],
    ['one of two v1 is right, first', `t=${T}, v1=${digest()}, v1=${'0'.repeat(64)}`],
    ['one of two v1 is right, last', `t=${T}, v1=${'0'.repeat(64)}, v1=${digest()}`],
    ['180 s old', header(at(-180_000))],
    ['180 s ahead', header(at(180_000))],
  ])('%s', (_, text) => expect(verify(text)).toBe('current'));

  test('by each live secret, and says which', () => {
    expect(verify(`t=${T}, v1=${digest(T, BODY, OTHER.secret)}`)).toBe('previous');
  });
});

describe('refused', () => {
  test.each([
    ['no header', undefined, 'signature_missing'],
    ['an empty header', '', 'signature_missing'],
    ['no key', 'garbage-header', 'signature_malformed'],
    ['no digest', `t=${T}`, 'signature_malformed'],
    ['an empty digest', `t=${T}, v1=`, 'signature_malformed'],
    ['a short digest', `t=${T}, v1=99999`, 'signature_malformed'],
    ['upper-case hex', `t=${T}, v1=${digest().toUpperCase()}`, 'signature_malformed'],
    ['no time', `v1=${digest()}`, 'signature_malformed'],
    ['an empty time', `t=, v1=${digest('')}`, 'signature_malformed'],
    ['a word for the time', `t=abc, v1=${digest('abc')}`, 'signature_malformed'],
    ['seconds', `t=${T.slice(0, 10)}, v1=${digest(T.slice(0, 10))}`, 'signature_malformed'],
    ['a signed time with a sign', `t=+${T.slice(1)}, v1=${digest(`+${T.slice(1)}`)}`, 'signature_malformed'],
    ['two times', `t=${T}, t=${T}, v1=${digest()}`, 'signature_malformed'],
    ['v0 in place of v1', `t=${T}, v0=${digest()}`, 'signature_malformed'],
    ['a very long header', `${header()}, x=${'y'.repeat(5_000)}`, 'signature_malformed'],
    ['a wrong digest', `t=${T}, v1=${'0'.repeat(64)}`, 'signature_mismatch'],
    ['another time than was signed', `t=${at(1)}, v1=${digest()}`, 'signature_mismatch'],
    ['too old by a millisecond', header(at(-180_001)), 'signature_stale'],
    ['too far ahead by a millisecond', header(at(180_001)), 'signature_stale'],
    ['too old and not genuine: the age is not told', `t=${at(-999_999)}, v1=${'0'.repeat(64)}`, 'signature_mismatch'],
  ])('%s', (_, text, code) => expect(() => verify(text)).toThrow(code));

  test.each([
    ['a changed byte', Buffer.from(BODY.toString().replace('user_1', 'user_2'))],
    ['white space', Buffer.from(JSON.stringify(JSON.parse(BODY.toString()), null, 1))],
    ['an escaped character', Buffer.from(BODY.toString().replace('ë', '\\u00eb'))],
    ['a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), BODY])],
    ['nothing', Buffer.alloc(0)],
  ])('a body with %s', (_, body) => expect(() => verify(header(), body)).toThrow('signature_mismatch'));

  test('any signature where there is no secret', () => {
    expect(() => verify(header(), BODY, [])).toThrow('signature_mismatch');
  });
});
