import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { brokenRecords, RECORDS, schemasOf } from './records.js';
import { RELEASED, type Released } from './released.js';

const record = z.object({
  scope: z.string(),
  at: z.string().nullable(),
  kind: z.enum(['a', 'b']),
  note: z.string().optional(),
  inner: z.object({ ids: z.array(z.string()) }),
});
const of = (data: z.ZodType, writer: 'rescind' | 'workos' = 'rescind') => schemasOf({ record: { writer, data } });
const broken = (now: z.ZodType, writer?: 'workos'): string[] => brokenRecords(of(record, writer), of(now, writer));

test.each<[string, z.ZodType]>([
  ['nothing', record],
  ['a new field that may be left out', record.extend({ more: z.number().optional() })],
  ['a new field with a default', record.extend({ more: z.string().default('') })],
  ['one within another', record.extend({ inner: z.object({ ids: z.array(z.string()), more: z.string().optional() }) })],
])('%s: both releases read what the other writes', (_, now) => expect(broken(now)).toEqual([]));

test.each<[string, z.ZodType, string]>([
  ['a field taken out', record.omit({ scope: true }), 'record.scope may be left out now'],
  ['a field renamed', record.omit({ scope: true }).extend({ key: z.string() }), 'record.key is required now'],
  ['a new field that is required', record.extend({ more: z.string() }), 'record.more is required now'],
  [
    'one that need not be there any more',
    record.extend({ scope: z.string().optional() }),
    'the release before requires it',
  ],
  ['one that must be there now', record.extend({ note: z.string() }), 'record.note is required now'],
  ['another type', record.extend({ scope: z.number() }), 'record.scope was {"type":"string"}'],
  ['a narrower one', record.extend({ scope: z.string().max(3) }), 'record.scope was'],
  ['never null any more', record.extend({ at: z.string() }), 'record.at was'],
  ['one word less', record.extend({ kind: z.enum(['a']) }), 'record.kind was'],
  ['one word more', record.extend({ kind: z.enum(['a', 'b', 'c']) }), 'record.kind was'],
  ['within a list', record.extend({ inner: z.object({ ids: z.array(z.number()) }) }), 'record.inner.ids[] was'],
])('%s is found', (_, now, said) => expect(broken(now).join()).toContain(said));

test('what WorkOS writes may be asked for less, never for more', () => {
  expect(broken(record.omit({ scope: true }), 'workos')).toEqual([]);
  expect(broken(record.extend({ more: z.string() }), 'workos')).toHaveLength(1);
});

test('a kind of record that is read no more is found', () => {
  const { revocation: _, ...others } = schemasOf(RECORDS);
  expect(brokenRecords(schemasOf(RECORDS), others)).toEqual(['revocation is read no more']);
});

test('records of now are read by the release before, and those of the release before by us', () => {
  const { records } = JSON.parse(readFileSync(RELEASED, 'utf8')) as Released;
  expect(Object.keys(records).length).toBeGreaterThan(8);
  expect(brokenRecords(records, schemasOf(RECORDS))).toEqual([]);
});
