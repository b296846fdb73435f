import * as fc from 'fast-check';

export type Schema = { [keyword: string]: unknown };
type Value = fc.Arbitrary<unknown>;

/** Texts that have broken servers: of no length, of no encoding, of another language's syntax. */
const ODD_TEXTS = [
  '',
  ' ',
  '\u0000',
  '\u0000a',
  '\ud800',
  '0',
  '-1',
  'null',
  '../..',
  "'; select 1; --",
  '%',
  'ﷺ'.repeat(20),
  'a'.repeat(2_000),
  '{"a":1}',
  '2026-02-30T25:61:61Z',
  'infinity',
  '9'.repeat(40),
];
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  Number.MAX_SAFE_INTEGER,
  1e308,
  [],
  {},
  [[]],
  { __proto__: null, constructor: 1 },
  ...ODD_TEXTS,
];
const odd: Value = fc.constantFrom(...ODD_VALUES);
export const oddText = fc.constantFrom(...ODD_TEXTS);

/**
 * What fits the schema, mostly: now and then a member is missing, of another type, or one too many.
 * @param known ids of things that are there, by the name of the member that asks for one
 */
export function valueOf(schema: Schema, known: Readonly<Record<string, string>>): Value {
  const of = (inner: unknown): Value => valueOf(inner as Schema, known);
  if ('const' in schema) return fc.constant(schema['const']);
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as unknown[]));
  const either = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(either)) return fc.oneof(...either.map(of));
  if (Array.isArray(schema['allOf'])) return of(Object.assign({}, ...(schema['allOf'] as object[])));
  switch (schema['type']) {
    case 'object':
      return objectOf(schema, known);
    case 'array':
      return fc.array(of(schema['items'] ?? {}), {
        minLength: numberIn(schema, 'minItems') ?? 0,
        maxLength: Math.min(numberIn(schema, 'maxItems') ?? 3, (numberIn(schema, 'minItems') ?? 0) + 3),
      });
    case 'string':
      return textOf(schema);
    case 'integer':
    case 'number':
      return fc.integer({
        min: numberIn(schema, 'minimum') ?? (numberIn(schema, 'exclusiveMinimum') ?? -1) + 1,
        max: Math.min(numberIn(schema, 'maximum') ?? 1_000, 1_000_000_000),
      });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return odd;
  }
}

function objectOf(schema: Schema, known: Readonly<Record<string, string>>): Value {
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);
  const required = new Set((schema['required'] ?? []) as string[]);
  const fitting: Record<string, Value> = {};
  for (const [name, property] of properties) {
    const value = valueOf(property, known);
    fitting[name] =
      known[name] === undefined
        ? value
        : fc.oneof({ weight: 4, arbitrary: fc.constant(known[name]) }, { weight: 1, arbitrary: value });
  }
  const requiredKeys = properties.map(([name]) => name).filter((name) => required.has(name));
  const whole = fc.record(fitting, { requiredKeys });
  const names = [...Object.keys(fitting), 'unheard_of'];
  return fc.oneof(
    { weight: 6, arbitrary: whole },
    // One member is something else …
    {
      weight: 1,
      arbitrary: fc
        .tuple(whole, fc.constantFrom(...names), odd)
        .map(([object, name, value]) => ({ ...object, [name]: value })),
    },
    // … or is not there.
    { weight: 1, arbitrary: fc.tuple(whole, fc.constantFrom(...names)).map(([object, name]) => without(object, name)) },
  );
}

function fittingText({ format, pattern }: Schema): fc.Arbitrary<string> | undefined {
  switch (format) {
    case 'date-time':
      return fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
    case 'uuid':
      return fc.uuid();
    case 'uri':
      return fc.webUrl({ validSchemes: ['https'] });
    case 'email':
      return fc.emailAddress();
    default:
      return typeof pattern === 'string' ? fc.stringMatching(new RegExp(pattern)) : undefined;
  }
}

function textOf(schema: Schema): Value {
  const minLength = numberIn(schema, 'minLength') ?? 0;
  const maxLength = Math.max(minLength, Math.min(numberIn(schema, 'maxLength') ?? 40, minLength + 40));
  return fc.oneof(
    { weight: 12, arbitrary: fittingText(schema) ?? fc.string({ minLength, maxLength, unit: 'grapheme-ascii' }) },
    { weight: 1, arbitrary: fc.string({ minLength, maxLength, unit: 'grapheme' }) },
    { weight: 1, arbitrary: oddText },
  );
}

function without(object: Record<string, unknown>, name: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
}

function numberIn(schema: Schema, keyword: string): number | undefined {
  const value = schema[keyword];
  return typeof value === 'number' ? value : undefined;
}
