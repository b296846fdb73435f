import fc from 'fast-check';
import { decodeWorkOSEvent } from '#contracts/workos-event.js';
import { effectsOf, type ScopeUpdate } from '#revocation/effects.js';
import { type Access, judge } from '#revocation/judge.js';
import { keyOf, type ScopeKey, scopesOf } from '#revocation/scope.js';
import { isClosed, merge, OPEN, sameState, type ScopeState } from '#revocation/scope-state.js';
import { isVoidByEvents } from '#testing/oracle.js';
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

const PROVIDER = 'idp_1';
const SUSPENSION = { metadataKey: 'suspended', value: 'yes' };
const RUNS = Number(process.env['LAW_RUNS'] ?? 3_000);
const SEED = Number(process.env['LAW_SEED'] ?? Date.now() % 2 ** 31);

/** Seeds are printed: a failure is run again with LAW_SEED=<seed>. */
beforeAll(() => console.info(`law: ${RUNS} histories a property, LAW_SEED=${SEED}`));
const check = (property: fc.IProperty<unknown> | fc.IRawProperty<unknown>): void =>
  fc.assert(property as fc.IProperty<unknown>, { seed: SEED, numRuns: RUNS });

type View = Map<ScopeKey, ScopeState>;
const updatesOf = (event: RawEvent): ScopeUpdate[] => effectsOf(decodeWorkOSEvent(event, PROVIDER), SUSPENSION);

function apply(view: View, events: readonly RawEvent[]): View {
  for (const { scope, state } of events.flatMap(updatesOf)) {
    view.set(keyOf(scope), merge(view.get(keyOf(scope)) ?? OPEN, state));
  }
  return view;
}

const accesses: fc.Arbitrary<Access> = fc
  .record({
    kind: fc.constantFrom('token' as const, 'grant' as const),
    issuedAt: fc
      .integer({ min: -2, max: HISTORY_SPAN_MS / 1000 + 2 })
      .chain((second) => fc.constantFrom(0, 1, 499, 500, 998, 999).map((ms) => HISTORY_START + second * 1000 + ms)),
    userId: fc.constantFrom(...USERS),
    organizationId: fc.option(fc.constantFrom(...ORGANIZATIONS), { nil: undefined }),
    sessionId: fc.option(fc.constantFrom(...SESSIONS), { nil: undefined }),
  })
  .map(({ kind, issuedAt, ...holder }) => ({ kind, issuedAt, scopes: scopesOf({ providerId: PROVIDER, ...holder }) }));

const historyAndArrival = histories().chain((history) => fc.tuple(fc.constant(history), arrivals(history)));

describe('the law', () => {
  test('any order, repetition and split of a history ends in the same state', () => {
    check(
      fc.property(historyAndArrival, ([history, batches]) => {
        const expected = apply(new Map(), history);
        // Each batch is folded by itself first and merged as a whole, as the services may do.
        const arrived: View = new Map();
        for (const batch of batches) {
          for (const [key, state] of apply(new Map(), batch)) {
            arrived.set(key, merge(state, arrived.get(key) ?? OPEN));
          }
        }
        expect(new Map([...arrived].sort())).toEqual(new Map([...expected].sort()));
      }),
    );
  });

  test('merge is commutative, associative and idempotent, and never lowers a moment', () => {
    const states = histories().map((history) => [...apply(new Map(), history).values()]);
    const some = states.chain((all) => fc.constantFrom(...(all.length > 0 ? all : [OPEN])));
    check(
      fc.property(some, some, some, (a, b, c) => {
        expect(merge(a, b)).toEqual(merge(b, a));
        expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)));
        expect(sameState(merge(a, a), a)).toBe(true);
        expect(merge(a, b).closedAt).toBe(Math.max(a.closedAt, b.closedAt));
      }),
    );
  });

  test('what is void becomes valid only by a later re-opening of the closed scope, and only if it is younger', () => {
    check(
      fc.property(historyAndArrival, accesses, ([, batches], access) => {
        const view: View = new Map();
        for (const batch of batches) {
          const before = new Map(view);
          const earlier = judge(access, (key) => before.get(key));
          apply(view, batch);
          const later = judge(access, (key) => view.get(key));
          if (!earlier.void || later.void) continue;
          const was = before.get(earlier.scope)!;
          const is = view.get(earlier.scope)!;
          expect(isClosed(was)).toBe(true);
          expect(is.openedAt).toBeGreaterThan(is.closedAt);
          expect(is.openedAt).toBeGreaterThan(was.closedAt);
          expect(access.issuedAt).toBeGreaterThan(is.closedAt);
        }
      }),
    );
  });

  test('the verdict is the one that can be read off the events one by one, without any state', () => {
    check(
      fc.property(histories(), accesses, (history, access) => {
        const view = apply(new Map(), history);
        const verdict = judge(access, (key) => view.get(key));
        expect(verdict.void).toBe(access.scopes.some((scope) => isVoidByEvents(PROVIDER, scope, access, history)));
      }),
    );
  });

  test('types that we do not know change nothing', () => {
    check(
      fc.property(histories(), (history) => {
        const known = history.filter(({ event }) =>
          /^(user|organization|organization_membership|session|signal)\./.test(event),
        );
        expect(apply(new Map(), history)).toEqual(apply(new Map(), known));
      }),
    );
  });

  test('a deleted user, a deleted organization and a revoked session stay closed whatever else is said', () => {
    check(
      fc.property(historyAndArrival, accesses, ([history, batches], access) => {
        const view = apply(new Map(), batches.flat());
        const gone = history.some(
          ({ event, data }) =>
            (event === 'user.deleted' && access.scopes.includes(`${PROVIDER}/user:${data['id']}`)) ||
            (event === 'organization.deleted' && access.scopes.includes(`${PROVIDER}/org:${data['id']}`)) ||
            (event === 'session.revoked' && access.scopes.includes(`${PROVIDER}/session:${data['id']}`)),
        );
        fc.pre(gone);
        expect(judge(access, (key) => view.get(key)).void).toBe(true);
        expect(judge({ ...access, issuedAt: HISTORY_START + 10 ** 12 }, (key) => view.get(key)).void).toBe(true);
      }),
    );
  });
});
