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

type Victim = 'webhookIngress' | 'grants' | 'tokenVerification' | 'postgres' | 'kafka' | Broker;
/** Of three. */
export type Broker = 'kafka1' | 'kafka2' | 'kafka3';

/** Something that goes wrong, `atMs` after the first delivery. */
export interface Fault {
  atMs: number;
  victim: Victim;
  /** One that is kept away is killed again whenever it comes back. */
  kind: 'kill' | 'pause' | 'keep away';
  /** How long it is paused or kept away, ms. */
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
  /** One after the other, each once every replica is in sync again; `atMs` counts from then. */
  brokerFaults: (Fault & { victim: Broker })[];
  holdings: Holding[];
}

const VICTIMS: readonly Victim[] = [
  'webhookIngress',
  'grants',
  'tokenVerification',
  'tokenVerification',
  'kafka',
  'postgres',
];

const fault: fc.Arbitrary<Fault> = fc.record({
  atMs: fc.integer({ min: 0, max: 1_500 }),
  victim: fc.constantFrom(...VICTIMS),
  kind: fc.constantFrom('kill' as const, 'kill' as const, 'pause' as const),
  forMs: fc.integer({ min: 100, max: 2_500 }),
});

/** One in three strikes somebody else in the same way at the same moment. */
const strikes = fc
  .tuple(fault, fc.option(fc.constantFrom(...VICTIMS), { freq: 2 }))
  .map(([one, other]) => (other === null || other === one.victim ? [one] : [one, { ...one, victim: other }]));

const holding: fc.Arbitrary<Holding> = fc.record({
  userId: fc.constantFrom(...USERS),
  organizationId: fc.option(fc.constantFrom(...ORGANIZATIONS), { nil: undefined }),
  sessionId: fc.constantFrom(...SESSIONS),
  issuedAt: fc.integer({ min: -1, max: HISTORY_SPAN_MS / 1_000 + 1 }).map((second) => HISTORY_START + second * 1_000),
});

/** Long enough for the others to take over, or not. */
const brokerFault: fc.Arbitrary<Fault & { victim: Broker }> = fc.record({
  atMs: fc.integer({ min: 0, max: 800 }),
  victim: fc.constantFrom<Broker[]>('kafka1', 'kafka2', 'kafka3'),
  kind: fc.constantFrom('kill' as const, 'pause' as const, 'keep away' as const),
  forMs: fc.integer({ min: 200, max: 9_000 }),
});

/** What is struck, and how slowly WorkOS delivers, so that the load goes on meanwhile. */
interface Variant {
  faults: fc.Arbitrary<Fault[]>;
  brokerFaults: fc.Arbitrary<Plan['brokerFaults']>;
  longestPauseMs: number;
}

const VARIANTS: Record<1 | 3, Variant> = {
  1: {
    faults: fc.array(strikes, { minLength: 1, maxLength: 4 }).map((all) => all.flat()),
    brokerFaults: fc.constant([]),
    longestPauseMs: 120,
  },
  3: {
    // Half of the runs strike brokers only: then everybody must go on.
    faults: fc.oneof(
      fc.constant<Fault[]>([]),
      fc.array(
        fault.filter(({ victim }) => victim !== 'kafka'),
        { minLength: 1, maxLength: 2 },
      ),
    ),
    brokerFaults: fc.array(brokerFault, { minLength: 1, maxLength: 3 }),
    longestPauseMs: 600,
  },
};

/** Some come when everything before them is long known, and most of the faults are over. */
const pauses = (longestMs: number): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 14, arbitrary: fc.integer({ min: 0, max: longestMs }) },
    { weight: 1, arbitrary: fc.integer({ min: 800, max: 1_600 }) },
  );

const planFor = ({ faults, brokerFaults, longestPauseMs }: Variant): fc.Arbitrary<Plan> =>
  histories({ maxLength: 30 })
    .filter((history) => history.length >= 5)
    .chain((history) =>
      fc.record({
        history: fc.constant(history),
        deliveries: arrivals(history).chain((batches) =>
          fc
            .array(pauses(longestPauseMs), {
              minLength: batches.flat().length,
              maxLength: batches.flat().length,
            })
            .map((pauses) => batches.flat().map((event, index) => ({ event, pauseMs: pauses[index]! }))),
        ),
        faults,
        holdings: fc.array(holding, { minLength: 8, maxLength: 8 }),
        brokerFaults,
      }),
    );

const PLANS = { 1: planFor(VARIANTS[1]), 3: planFor(VARIANTS[3]) };

/** The same seed and number of brokers, the same plan. */
export function planOf(seed: number, brokers: 1 | 3 = 1): Plan {
  return fc.sample(PLANS[brokers], { seed, numRuns: 1 })[0]!;
}
