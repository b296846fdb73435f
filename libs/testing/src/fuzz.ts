import fc from 'fast-check';

/** One parser with what it promises, whatever comes in. */
export interface FuzzTarget {
  name: string;
  inputs: fc.Arbitrary<Buffer>;
  /** Throws where a promise is broken. */
  check(input: Buffer): void | Promise<void>;
}

/** Far more than any input here needs, on a machine that has other things to do. */
const MAX_CPU_MS = 250;
const TRIES = 3;

export interface FuzzRun {
  inputs: number;
  /** The one that took longest, ms of this process's CPU. */
  slowestMs: number;
}

/**
 * Gives new inputs to a target until the time is over. Throws {@link FuzzFailure} where a promise is broken; taking more than {@link MAX_CPU_MS} for an input, each time that it is tried, is one.
 */
export async function fuzz(target: FuzzTarget, options: { seed: number; ms: number }): Promise<FuzzRun> {
  const run: FuzzRun = { inputs: 0, slowestMs: 0 };
  const property = fc.asyncProperty(target.inputs, async (input) => {
    run.inputs += 1;
    let tookMs = await timed(target, input);
    for (let tries = 1; tookMs > MAX_CPU_MS && tries < TRIES; tries++) {
      tookMs = Math.min(tookMs, await timed(target, input));
    }
    run.slowestMs = Math.max(run.slowestMs, tookMs);
    if (tookMs > MAX_CPU_MS) throw new Error(`took ${tookMs.toFixed(0)} ms for ${input.length} bytes`);
  });
  const found = await fc.check(property, {
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: options.ms,
    seed: options.seed,
  });
  if (!found.failed) return run;
  const [input] = found.counterexample ?? [Buffer.alloc(0)];
  throw new FuzzFailure(target.name, options.seed, input, found.errorInstance);
}

/** The smallest input that was found to break a promise. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
  constructor(
    readonly target: string,
    readonly seed: number,
    readonly input: Buffer,
    cause: unknown,
  ) {
    const why = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    super(
      `${target} is broken, seed ${seed}, by ${input.length} bytes: ${input.toString('base64').slice(0, 1_000)} (base64)\n` +
        why.slice(0, 2_000),
    );
  }
}

async function timed(target: FuzzTarget, input: Buffer): Promise<number> {
  const before = process.cpuUsage();
  await target.check(input);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** Runs `parse`; only errors of this class may come out. Answers undefined where one did. */
export function unlessRefused<T>(refusal: new (...args: never[]) => Error, parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof refusal) return undefined;
    throw error;
  }
}

const edits = fc.array(
  fc.tuple(
    fc.constantFrom('set', 'cut', 'double', 'put', 'flip', 'splice'),
    fc.nat(),
    fc.nat({ max: 255 }),
    fc.nat({ max: 40 }),
  ),
  { minLength: 1, maxLength: 6 },
);

/** Bytes near to valid ones: a sample with some bytes changed, cut out, doubled or put in, or with the end of another one. */
export function mutations(samples: readonly Buffer[]): fc.Arbitrary<Buffer> {
  return fc.tuple(fc.constantFrom(...samples), edits).map(([sample, edits]) =>
    edits.reduce((bytes, [kind, place, byte, length]) => {
      const at = bytes.length === 0 ? 0 : place % bytes.length;
      const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
      switch (kind) {
        case 'set':
          return Buffer.concat([head, Buffer.of(byte), tail.subarray(1)]);
        case 'flip':
          return Buffer.concat([head, Buffer.of((tail[0] ?? 0) ^ (1 << (byte % 8))), tail.subarray(1)]);
        case 'cut':
          return Buffer.concat([head, tail.subarray(length)]);
        case 'double':
          return Buffer.concat([head, tail.subarray(0, length), tail]);
        case 'splice': {
          const other = samples[byte % samples.length]!;
          return Buffer.concat([head, other.subarray(place % (other.length + 1))]);
        }
        case 'put':
          return Buffer.concat([head, Buffer.from(INTERESTING[byte % INTERESTING.length]!), tail]);
      }
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
  '\\',
  '\\u0000',
  '\\ud800',
  '__proto__',
  '1e400',
  '-0',
  'null',
  '\u202e',
  '\ufeff',
  '\u0000',
  '\r\n',
  '%',
  '%00',
  '+',
  '=',
  '.',
  ' ',
  '[['.repeat(2_000),
  '{"":'.repeat(2_000),
  ' '.repeat(4_000),
  'a'.repeat(9_000),
  '\\"'.repeat(2_000),
];

/** What stands in JSON where something else was meant; the texts in @@ become themselves, unquoted. */
const HOSTILE: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  1e13,
  '',
  ' ',
  '0',
  '\u0000',
  '\ud800',
  'ａ',
  'constructor',
  'infinity',
  '-infinity',
  '2026-02-31T25:61:61Z',
  '+275760-09-13T00:00:00.001Z',
  'x'.repeat(300),
  'x'.repeat(20_000),
  [],
  [null],
  [[]],
  {},
  { toString: 'x' },
  { length: -1 },
  { length: { toString: 1 } },
  '@@1e400@@',
  '@@-1e400@@',
  '@@NaN@@',
  '@@{"__proto__":{"sub":"x"}}@@',
  '@@{"a":1,"a":2}@@',
  `@@${'['.repeat(60)}${']'.repeat(60)}@@`,
  `@@${'[1,'.repeat(3_000)}1${']'.repeat(3_000)}@@`,
];

const changes = fc.array(fc.tuple(fc.constantFrom('replace', 'remove', 'add', 'wrap', 'repeat'), fc.nat(), fc.nat()), {
  minLength: 0,
  maxLength: 3,
});

/** JSON near to valid one: members of a sample replaced by what was not meant, removed, added, wrapped or repeated. */
export function hostileJson(samples: readonly object[]): fc.Arbitrary<string> {
  return fc.tuple(fc.constantFrom(...samples), changes).map(([sample, changes]) => {
    const root = { '': structuredClone(sample) as unknown };
    let repeated: number | undefined;
    for (const [kind, place, what] of changes) {
      const places = placesIn(root);
      const [parent, key] = places[place % places.length]!;
      if (kind === 'replace') put(parent, key, HOSTILE[what % HOSTILE.length]);
      else if (kind === 'remove') delete parent[key];
      else if (kind === 'wrap') put(parent, key, [parent[key]]);
      else if (kind === 'repeat') repeated = place;
      else if (!Array.isArray(parent)) put(parent, ADDED[what % ADDED.length]!, HOSTILE[place % HOSTILE.length]);
    }
    const text = (JSON.stringify(root['']) ?? '').replace(/"@@(.*?)@@"/gs, (_, raw: string) =>
      raw.replaceAll('\\"', '"'),
    );
    return repeated === undefined ? text : repeatMember(text, repeated);
  });
}

const ADDED = ['__proto__', 'constructor', 'toString', 'length', 'sub', 'alg', 'crit', 'act', 'exp', 'aud', 'nbf', ''];

type Container = Record<string, unknown>;

/** Also where the name is `__proto__`. */
function put(parent: Container, key: string, value: unknown): void {
  const own = { value: structuredClone(value), enumerable: true, writable: true, configurable: true };
  Object.defineProperty(parent, key, own);
}

function placesIn(root: Container): [Container, string][] {
  const places: [Container, string][] = [];
  const visit = (parent: Container): void => {
    for (const key of Object.keys(parent)) {
      places.push([parent, key]);
      if (typeof parent[key] === 'object' && parent[key] !== null) visit(parent[key] as Container);
    }
  };
  visit(root);
  return places.length > 0 ? places : [[root, '']];
}

/** The same member a second time, behind the first one. */
function repeatMember(text: string, which: number): string {
  const members = [...text.matchAll(/"\w+":("[^"\\]*"|\d+)/g)];
  const member = members[which % Math.max(1, members.length)];
  if (!member) return text;
  const end = member.index + member[0].length;
  return `${text.slice(0, end)},${member[0]}${text.slice(end)}`;
}

/** Mostly near to valid bytes, and some that are nothing at all. */
export function bytesNear(samples: readonly Buffer[]): fc.Arbitrary<Buffer> {
  return fc.oneof(
    { weight: 16, arbitrary: mutations(samples) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: fc.json().map((text) => Buffer.from(text)) },
  );
}

/** JSON documents, near to the samples in their bytes or in their meaning. */
export function jsonNear(samples: readonly object[]): fc.Arbitrary<Buffer> {
  return fc.oneof(
    bytesNear(samples.map((sample) => Buffer.from(JSON.stringify(sample)))),
    hostileJson(samples).map((text) => Buffer.from(text)),
  );
}
