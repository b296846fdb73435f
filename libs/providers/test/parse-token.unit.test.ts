import fc from 'fast-check';
import { decodeSegment, parseObject } from '../src/parse-token.js';

const base64url = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'];

test('a segment is canonical just where its bytes, written again, are the same text', () => {
  const characters = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...base64url) },
    { weight: 1, arbitrary: fc.constantFrom('+', '/', '=', ' ', '\n', '.', '%', '\0', 'é', '–', '\ud800', 'Ａ') },
  );
  const any = fc.array(characters, { maxLength: 12 }).map((some) => some.join(''));
  const good = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('base64url'));
  fc.assert(
    fc.property(fc.oneof(any, good, fc.string()), (text) => {
      const bytes = Buffer.from(text, 'base64url');
      const isCanonical = text !== '' && bytes.toString('base64url') === text;
      expect(decodeSegment(text)).toEqual(isCanonical ? bytes : undefined);
    }),
    { numRuns: 20_000 },
  );
});

test('every last character, at every length', () => {
  for (const start of ['', 'A', 'AA', 'AAA', 'AAAA', 'AAAAA', 'AAAAAA']) {
    for (const last of [...base64url, '+', '/', '=', 'é']) {
      const text = start + last;
      const isCanonical = Buffer.from(text, 'base64url').toString('base64url') === text;
      expect([text, decodeSegment(text) !== undefined]).toEqual([text, isCanonical]);
    }
  }
});

/** By the names themselves, member by member, as the text has them. */
function hasRepeats(json: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  let atName = false;
  for (let i = 0; i < json.length; i++) {
    const character = json[i]!;
    if (character === '"') {
      let end = i + 1;
      for (; json[end] !== '"'; end++) if (json[end] === '\\') end += 1;
      const names = open.at(-1);
      if (atName && names) {
        const name = JSON.parse(json.slice(i, end + 1)) as string;
        if (names.has(name)) return true;
        names.add(name);
        atName = false;
      }
      i = end;
    } else if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : undefined);
      atName = character === '{';
    } else if (character === '}' || character === ']') {
      open.pop();
      atName = false;
    } else if (character === ',') atName = open.at(-1) !== undefined;
  }
  return false;
}

/** JSON as anybody may write it: spaces, escapes, and members that come again. */
const name = fc.constantFrom(
  '"a"',
  '"\\u0061"',
  '"b"',
  '"b:"',
  '"{"',
  '"\\""',
  '"__proto__"',
  '"0"',
  '"constructor"',
  '""',
);
const json = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('1', 'null', 'true', '":"', '"a\\\\"', '"[{"', '"\\":"', '-0.5e3', '"é"'),
    tie('object'),
    fc.array(tie('value'), { maxLength: 3 }).map((values) => `[${values.join(', ')}]`),
  ),
  object: fc
    .array(fc.tuple(name, tie('value')), { maxLength: 4 })
    .map((members) => `{ ${members.map(([key, value]) => `${key} : ${value}`).join(',')}}`),
})).object;

test('an object is read just where no object in it has two members of one name', () => {
  let repeats = 0;
  fc.assert(
    fc.property(json, (text) => {
      const read = parseObject(Buffer.from(text));
      if (hasRepeats(text)) repeats += 1;
      expect(read).toEqual(hasRepeats(text) ? undefined : JSON.parse(text));
    }),
    { numRuns: 10_000 },
  );
  expect(repeats).toBeGreaterThan(100);
});

test('sixteen levels are read, seventeen are not, of objects as of lists', () => {
  const objects = (levels: number): Buffer => Buffer.from(`${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`);
  const lists = (levels: number): Buffer => Buffer.from(`{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`);
  for (const nested of [objects, lists])
    expect([nested(16), nested(17)].map((text) => parseObject(text) !== undefined)).toEqual([true, false]);
});
