import fc from 'fast-check';
import { readFlatObject } from '../src/flat-object.js';
import { parseObject } from '../src/parse-token.js';

/** In a buffer that goes on: what stood there before must not be read. */
const readBefore = (text: string, behind: string): unknown =>
  readFlatObject(Buffer.from(text + behind), Buffer.byteLength(text));
const read = (text: string): unknown => readBefore(text, '"}');

const CLAIMS = {
  iss: 'https://api.workos.com/user_management/client_1',
  sub: 'user_1',
  roles: ['member', 'admin'],
  permissions: [],
  '': '',
  1: '~ !',
  exp: 999_999_999_999_999,
};

test('claims as WorkOS writes them are read, once, and again with others between', () => {
  const others = { exp: 1, role: 'r', 0: 'zero', iss: 'i' };
  for (const claims of [CLAIMS, others, CLAIMS, { sub: 'user_1' }, CLAIMS]) {
    const object = read(JSON.stringify(claims));
    expect(object).toEqual(claims);
    expect(Object.keys(object as object)).toEqual(Object.keys(claims));
  }
});

test.each([
  ['a repeated name', '{"a":"1","a":"2"}'],
  ['a name of every object', '{"__proto__":"1"}'],
  ['another one', '{"a":"1","constructor":"1"}'],
  ['an escape', String.raw`{"a":"\""}`],
  ['an escaped name', String.raw`{"\u0061":"1"}`],
  ['what is no ASCII', '{"a":"ü"}'],
  ['a control character', '{"a":"\n"}'],
  ['white space', '{"a": "1"}'],
  ['a number that begins with 0', '{"a":0}'],
  ['a number that is no number', '{"a":01}'],
  ['a fraction', '{"a":1.5}'],
  ['more digits than are exact', '{"a":9007199254740993}'],
  ['an object', '{"a":{}}'],
  ['a list of lists', '{"a":[[]]}'],
  ['a list with a comma at its end', '{"a":["1",]}'],
  ['a list that does not end', '{"a":["1"}'],
  ['a comma at the end', '{"a":"1",}'],
  ['no comma', '{"a":"1""b":"2"}'],
  ['another sign for the comma', '{"a":"1";"b":"2"}'],
  ['another sign for the comma of a list', '{"a":["1";"2"]}'],
  ['no colon', '{"a""1"}'],
  ['another sign for the colon', '{"a"="1"}'],
  ['a name that has no quote before it', '{a":"1"}'],
  ['another sign for that quote', `{'a":"1"}`],
  ['a name that has no quote behind it', '{"a:"1"}'],
  ['another sign for that one', `{"a':"1"}`],
  ['nothing', ''],
  ['no member', '{}'],
  ['no object', '["a"]'],
  ['an object that does not begin', '"a":"1"}'],
  ['one that begins as a list', '["a":"1"}'],
  ['an object that does not end', '{"a":"1"'],
  ['a text that does not end', '{"a":"1'],
  ['a name that does not end', '{"a'],
  ['a value that is not there', '{"a":'],
  ['more behind it', '{"a":"1"}}'],
])('it leaves %s to JSON.parse', (_, text) => {
  expect(read('{"a":"1"}')).toEqual({ a: '1' });
  for (const behind of ['', '"}', '}', '"}"}', ':"1"}', '"1"}', '"]}', ']}', ',"b":"1"}'])
    expect([behind, readBefore(text, behind)]).toEqual([behind, undefined]);
});

test('whatever it reads, JSON.parse reads so', () => {
  const name = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('sub', 'sid', 'iss', 'roles', 'a', '1') },
    fc.constantFrom('', '__proto__', 'toString', 'a"', 'ü'),
  );
  const word = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('user_1', '', '~ !') },
    fc.constantFrom('\\', '\u007f', '"', '\n'),
    fc.string({ maxLength: 6 }),
  );
  const plain = fc.oneof(word, fc.nat(), fc.array(word, { maxLength: 3 }));
  const value = fc.oneof({ weight: 8, arbitrary: plain }, fc.jsonValue({ maxDepth: 2 }));
  const members = fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 5 });
  /** At a place: cut that many, put that in. */
  const edit = fc.tuple(
    fc.nat(),
    fc.nat({ max: 2 }),
    fc.constantFrom('', '"', ',', '{', '}', '[', ']', '0', '1', '\\', ' '),
  );
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(members, fc.oneof(fc.constant([]), fc.array(edit, { maxLength: 2 })), word, (list, edits, behind) => {
      let text = `{${list.map(([key, held]) => `${JSON.stringify(key)}:${JSON.stringify(held)}`).join(',')}}`;
      for (const [place, cut, put] of edits) {
        const from = place % (text.length + 1);
        text = text.slice(0, from) + put + text.slice(from + cut);
      }
      const object = readBefore(text, behind);
      if (object === undefined) return void refused++;
      accepted += 1;
      const strictly = parseObject(Buffer.from(text));
      expect(object).toStrictEqual(strictly);
      expect(JSON.stringify(object)).toBe(JSON.stringify(strictly));
    }),
    { numRuns: 20_000 },
  );
  expect(accepted).toBeGreaterThan(2_000);
  expect(refused).toBeGreaterThan(2_000);
});
