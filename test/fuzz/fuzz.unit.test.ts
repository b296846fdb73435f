import { fuzz, FuzzFailure } from '#testing/fuzz.js';
import { FUZZ_TARGETS } from './targets.js';

/** Each parser for this long here; `npm run fuzz -- --minutes 60` for long. */
const MS = Number(process.env['FUZZ_MS'] ?? 700);
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);

beforeAll(() => console.info(`fuzz: ${MS} ms each, FUZZ_SEED=${SEED}`));

test.each(FUZZ_TARGETS.map((target) => [target.name, target] as const))(
  '%s',
  async (_, target) => {
    const { inputs } = await fuzz(target, { seed: SEED, ms: MS });
    expect(inputs).toBeGreaterThan(10);
  },
  MS + 60_000,
);

describe('a fuzzer that would find nothing is none: it objects to', () => {
  const target = FUZZ_TARGETS.find(({ name }) => name === 'token parser')!;
  const over = { seed: SEED, ms: 4_000 };

  test('an error of another kind', async () => {
    const broken = { ...target, check: (input: Buffer) => void input.toString('latin1').split('.')[2]!.length };
    await expect(fuzz(broken, over)).rejects.toThrow(FuzzFailure);
  });

  test('an input that takes too long', async () => {
    const slow = {
      ...target,
      check(input: Buffer) {
        const { user } = process.cpuUsage();
        while (input.length > 5_000 && process.cpuUsage().user - user < 300_000);
      },
    };
    await expect(fuzz(slow, over)).rejects.toThrow(/took \d+ ms/);
  });
});
