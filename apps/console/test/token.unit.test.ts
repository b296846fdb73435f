import { takeApart, tidy, timeOf } from '../src/token.js';

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
const part = (value: unknown): string => base64url(new TextEncoder().encode(JSON.stringify(value)));
const token = [part({ alg: 'RS256' }), part({ sub: 'user_1', name: 'Zoë' }), 'c2ln'].join('.');

test.each([
  token,
  `  ${token}\n`,
  `Bearer ${token}`,
  `Authorization: Bearer ${token}`,
  `"${token}",`,
  token.replace('.', '.\n'),
  `'${token.slice(0, 20)} ${token.slice(20)}'`,
])('what is around a token is taken off: %j', (pasted) => {
  expect(tidy(pasted).replace(/["',]+$/, '')).toBe(token);
});

test('a token is taken apart, whatever letters its names have', () => {
  expect(takeApart(token)).toEqual({ header: { alg: 'RS256' }, claims: { sub: 'user_1', name: 'Zoë' } });
});

test.each([
  ['', /Paste a token/],
  ['sk_test_123', /API key/],
  ['whsec_123', /signing secret/],
  ['a.b.c.d.e', /encrypted/],
  ['abc', /three parts/],
  ['a.b.c', /first part/],
  [`${part({ alg: 'RS256' })}.@@@.c`, /second part/],
  [`${part([])}.${part({})}.c`, /first part/],
  [`${part({})}.${part(null)}.c`, /second part/],
  [`${base64url(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d))}.${part({})}.c`, /first part/],
])('%j: its own sentence', (pasted, sentence) => {
  expect(takeApart(pasted)).toEqual({ mistake: expect.stringMatching(sentence) });
});

test('only what RFC 7519 says is a time is shown as one', () => {
  expect(timeOf('exp', 1_790_000_000)?.toISOString()).toBe('2026-09-21T14:13:20.000Z');
  expect(timeOf('exp', '1790000000')).toBeUndefined();
  expect(timeOf('exp', 1e300)).toBeUndefined();
  expect(timeOf('count', 1_790_000_000)).toBeUndefined();
});
