import fc from 'fast-check';
import {
  arrivals,
  HISTORY_SPAN_MS,
  HISTORY_START,
  histories,
  ORGANIZATIONS,
  type RawEvent,
  SESSIONS,
  USERS,
} from '#testing/histories.js';

export type Victim = 'webhookIngress' | 'grants' | 'tokenVerification' | 'kafka' | 'postgres';

/** Something that goes wrong, `atMs` after the first delivery. */
export interface Fault {
  atMs: number;
  victim: Victim;
  kind: 'kill' | 'pause';
  /** How long a pause lasts, ms. */
  forMs: number;
}

/** A token or grant of somebody, as the clients hold it. */
export interface Holding {
  userId: string;
  organizationId: string | undefined;
  sessionId: string;
  /** Milliseconds; a whole second. */
  issuedAt: number;
}

/** Everything that is random in one run, from its seed alone. */
export interface Plan {
  history: RawEvent[];
  /** Deliveries in the order in which WorkOS first tries them, duplicates among them, with the pause before each, ms. */
  deliveries: { event: RawEvent; pauseMs: number }[];
  faults: Fault[];
  holdings: Holding[];
}

const fault: fc.Arbitrary<Fault> = fc.record({
  atMs: fc.integer({ min: 0, max: 1_500 }),
  victim: fc.constantFrom<Victim[]>(
    'webhookIngress',
    'grants',
    'tokenVerification',
    'tokenVerification',
    'kafka',
    'postgres',
  ),
  kind: fc.constantFrom('kill' as const, 'kill' as const, 'pause' as const),
  forMs: fc.integer({ min: 100, max: 2_500 }),
});

const holding: fc.Arbitrary<Holding> = fc.record({
  userId: fc.constantFrom(...USERS),
  organizationId: fc.option(fc.constantFrom(...ORGANIZATIONS), { nil: undefined }),
  sessionId: fc.constantFrom(...SESSIONS),
  issuedAt: fc.integer({ min: -1, max: HISTORY_SPAN_MS / 1_000 + 1 }).map((second) => HISTORY_START + second * 1_000),
});

const plan: fc.Arbitrary<Plan> = histories({ maxLength: 30 })
  // The runner's providers have no suspension rule, so this type says nothing here.
  .map((history) => history.filter(({ event }) => event !== 'user.updated'))
  .filter((history) => history.length >= 5)
  .chain((history) =>
    fc.record({
      history: fc.constant(history),
      deliveries: arrivals(history).chain((batches) =>
        fc
          .array(fc.integer({ min: 0, max: 120 }), {
            minLength: batches.flat().length,
            maxLength: batches.flat().length,
          })
          .map((pauses) => batches.flat().map((event, index) => ({ event, pauseMs: pauses[index]! }))),
      ),
      faults: fc.array(fault, { minLength: 1, maxLength: 4 }),
      holdings: fc.array(holding, { minLength: 8, maxLength: 8 }),
    }),
  );

/** The same seed, the same plan. */
export function planOf(seed: number): Plan {
  return fc.sample(plan, { seed, numRuns: 1 })[0]!;
}
