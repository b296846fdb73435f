import fc from 'fast-check';

/** How long each fuzzer runs: a second with the other tests, an hour with `FUZZ_MS=3600000`. */
export const FUZZ_MS = Number(process.env['FUZZ_MS'] ?? 1_000);

/** Bytes near to valid ones: a sample with some bytes changed, cut out, doubled or put in. */
export function mutations(samples: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const edit = fc.tuple(
    fc.constantFrom('set', 'cut', 'double', 'put'),
    fc.nat(),
    fc.nat({ max: 255 }),
    fc.nat({ max: 40 }),
  );
  return fc.tuple(fc.constantFrom(...samples), fc.array(edit, { minLength: 1, maxLength: 6 })).map(([sample, edits]) =>
    edits.reduce((bytes, [kind, place, byte, length]) => {
      const at = bytes.length === 0 ? 0 : place % bytes.length;
      const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
      if (kind === 'set') return Buffer.concat([head, Buffer.of(byte), tail.subarray(1)]);
      if (kind === 'cut') return Buffer.concat([head, tail.subarray(length)]);
      if (kind === 'double') return Buffer.concat([head, tail.subarray(0, length), tail]);
      return Buffer.concat([head, Buffer.from(INTERESTING[byte % INTERESTING.length]!), tail]);
    }, sample),
  );
}

const INTERESTING = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  '\\u0000',
  '__proto__',
  '1e400',
  'null',
  '\u202e',
  '\ufeff',
  '=',
  '.',
  ' ',
];

/** Runs `property` on new inputs until the time is over; what it finds is printed with its seed. */
export function fuzz(property: fc.IProperty<unknown> | fc.IPropertyWithHooks<[Buffer]>): void {
  fc.assert(property as fc.IProperty<unknown>, {
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: FUZZ_MS,
    seed: Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31),
  });
}
