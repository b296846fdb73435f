import fc from 'fast-check';
import { decodeStateRecord, SCOPE_STATE_TYPE } from '#contracts/revocation.js';
import { decodeWorkOSRecord, encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import { effectsOf, type ScopeUpdate } from '#revocation/effects.js';
import { type Access, judge } from '#revocation/judge.js';
import { keyOf, type Scope, type ScopeKey, scopesOf } from '#revocation/scope.js';
import { isClosed, isHarmless, merge, OPEN, type ScopeState } from '#revocation/scope-state.js';
import { stateToWire } from '#revocation/wire.js';
import {
  arrivals,
  histories,
  HISTORY_SPAN_MS,
  HISTORY_START,
  ORGANIZATIONS,
  type RawEvent,
  SESSIONS,
  USERS,
} from '#testing/histories.js';
import { isVoidByEvents } from '#testing/oracle.js';
import { RevocationView } from '../src/domain/revocation-view.js';
import { recordOf } from './record-of.js';

const PROVIDER = { id: 'idp_1', mode: 'enforced' } as const;
const SUSPENSION = { metadataKey: 'suspended', value: 'yes' };
const RUNS = Number(process.env['LAW_RUNS'] ?? 2_000);
const SEED = Number(process.env['LAW_SEED'] ?? Date.now() % 2 ** 31);

/** Seeds are printed: a failure is run again with LAW_SEED=<seed>. */
beforeAll(() => console.info(`law of the view: ${RUNS} histories a property, LAW_SEED=${SEED}`));
const check = (property: fc.IProperty<unknown> | fc.IRawProperty<unknown>): void =>
  fc.assert(property as fc.IProperty<unknown>, { seed: SEED, numRuns: RUNS });

/** What stands on one of the two topics, with the events whose effects are in it. */
type Message = { topic: 'events' | 'states'; value: Buffer; said: readonly RawEvent[] };

type States = Map<ScopeKey, ScopeState>;

/** The fold of libs/revocation. */
function fold(events: readonly RawEvent[]): States {
  const states: States = new Map();
  for (const event of events) applyTo(states, event);
  return states;
}

const known = new WeakMap<RawEvent, { message: Message; updates: readonly ScopeUpdate[] }>();

/** An event as it stands on `workos.events`, and what it means as it is read from there; once for each. */
function read(event: RawEvent): { message: Message; updates: readonly ScopeUpdate[] } {
  let entry = known.get(event);
  if (!entry) {
    const body = Buffer.from(JSON.stringify(event));
    const value = encodeWorkOSRecord(body, readWorkOSEnvelope(body), PROVIDER, new Date(0));
    entry = {
      message: { topic: 'events', value, said: [event] },
      updates: effectsOf(decodeWorkOSRecord(value).event, SUSPENSION),
    };
    known.set(event, entry);
  }
  return entry;
}

const eventMessage = (event: RawEvent): Message => read(event).message;

function applyTo(states: States, event: RawEvent): Scope[] {
  return read(event).updates.map(({ scope, state }) => {
    states.set(keyOf(scope), merge(states.get(keyOf(scope)) ?? OPEN, state));
    return scope;
  });
}

/** What grants publishes as it applies these batches: after each one the states that it touched, but for harmless ones. */
function statesPublished(batches: readonly (readonly RawEvent[])[]): { message: Message; scope: Scope }[][] {
  const states: States = new Map();
  const said: RawEvent[] = [];
  return batches.map((batch) => {
    said.push(...batch);
    const touched = new Map(batch.flatMap((event) => applyTo(states, event)).map((scope) => [keyOf(scope), scope]));
    const until = [...said];
    return [...touched.values()]
      .filter((scope) => !isHarmless(states.get(keyOf(scope))!))
      .map((scope) => {
        const key = keyOf(scope);
        const value = recordOf(SCOPE_STATE_TYPE, stateToWire(scope, states.get(key)!));
        return { scope, message: { topic: 'states', value, said: until.filter((event) => touches(event, key)) } };
      });
  });
}

const touches = (event: RawEvent, key: ScopeKey): boolean =>
  read(event).updates.some(({ scope }) => keyOf(scope) === key);

/** As the feed takes records of the two topics. */
function feed(view: RevocationView, { topic, value }: Message): void {
  if (topic === 'events') return view.takeUpdates(effectsOf(decodeWorkOSRecord(value).event, SUSPENSION));
  const record = decodeStateRecord(value);
  if (record.kind === 'scope') view.takeState(record.data);
}

const statesIn = (view: RevocationView, states: States): States =>
  new Map([...states.keys()].map((key) => [key, view.stateOf(key) ?? OPEN]));

const tokens: fc.Arbitrary<Access> = fc
  .record({
    second: fc.integer({ min: -2, max: HISTORY_SPAN_MS / 1_000 + 2 }),
    userId: fc.constantFrom(...USERS),
    organizationId: fc.option(fc.constantFrom(...ORGANIZATIONS), { nil: undefined }),
    sessionId: fc.option(fc.constantFrom(...SESSIONS), { nil: undefined }),
  })
  .map(({ second, ...holder }) => ({
    kind: 'token',
    issuedAt: HISTORY_START + second * 1_000,
    scopes: scopesOf({ providerId: PROVIDER.id, ...holder }),
  }));

const isVoid = (access: Access, events: readonly RawEvent[]): boolean =>
  access.scopes.some((scope) => isVoidByEvents(PROVIDER.id, scope, access, events));

/** A history, how grants applied it, and how all that stands on the two topics came to a verifier. */
const worlds = histories().chain((history) =>
  fc.tuple(fc.constant(history), arrivals(history)).chain(([, batches]) => {
    const published = statesPublished(batches)
      .flat()
      .map(({ message }) => message);
    return fc.record({
      history: fc.constant(history),
      messages: arrivals<Message>([...history.map(eventMessage), ...published]).map((parts) => parts.flat()),
    });
  }),
);

describe('the law, in the memory of token-verification', () => {
  test('any order, repetition and split of events and states ends in the state of the fold', () => {
    check(
      fc.property(worlds, ({ history, messages }) => {
        const view = new RevocationView();
        for (const message of messages) feed(view, message);
        const expected = fold(history);
        expect(statesIn(view, expected)).toEqual(expected);
        expect(view.size).toBe(expected.size);
      }),
    );
  });

  test('in the end every token is judged as the events say, read one by one without any state', () => {
    check(
      fc.property(worlds, fc.array(tokens, { minLength: 1, maxLength: 8 }), ({ history, messages }, some) => {
        const view = new RevocationView();
        for (const message of messages) feed(view, message);
        for (const token of some) expect(judge(token, view.stateOf).void).toBe(isVoid(token, history));
      }),
    );
  });

  test('at no time is a token let in that what has come so far makes void', () => {
    check(
      fc.property(worlds, tokens, ({ messages }, token) => {
        const view = new RevocationView();
        const said: RawEvent[] = [];
        for (const message of messages) {
          feed(view, message);
          said.push(...message.said);
          if (!judge(token, view.stateOf).void) expect(isVoid(token, said)).toBe(false);
        }
      }),
    );
  });

  test('what is void becomes valid only by a later re-opening of the closed scope, and only if it is younger', () => {
    check(
      fc.property(worlds, tokens, ({ messages }, token) => {
        const view = new RevocationView();
        for (const message of messages) {
          const before = new Map(token.scopes.map((scope) => [scope, view.stateOf(scope)]));
          const earlier = judge(token, (scope) => before.get(scope));
          feed(view, message);
          if (!earlier.void || judge(token, view.stateOf).void) continue;
          const was = before.get(earlier.scope)!;
          const is = view.stateOf(earlier.scope)!;
          expect(isClosed(was)).toBe(true);
          expect(is.openedAt).toBeGreaterThan(was.closedAt);
          expect(is.openedAt).toBeGreaterThan(is.closedAt);
          expect(token.issuedAt).toBeGreaterThan(is.closedAt);
        }
      }),
    );
  });

  /**
   * A start: of each scope the newest state that grants had published, and the events that it had not applied by then, which
   * grants applies and publishes while the verifier reads. What grants left out as harmless the verifier never sees.
   */
  test('a verifier that starts late ends in the same judgement, and is never more lenient on its way there', () => {
    const starts = histories().chain((history) =>
      arrivals(history).chain((batches) => {
        const published = statesPublished(batches);
        return fc.nat({ max: batches.length }).chain((applied) => {
          const compacted = new Map(
            published.slice(0, applied).flatMap((batch) => batch.map(({ scope, message }) => [keyOf(scope), message])),
          );
          const later = [
            ...batches.slice(applied).flat().map(eventMessage),
            ...published
              .slice(applied)
              .flat()
              .map(({ message }) => message),
          ];
          return fc.record({
            history: fc.constant(history),
            compacted: fc.constant([...compacted.values()]),
            before: fc.constant(batches.slice(0, applied).flat()),
            later:
              later.length === 0 ? fc.constant<Message[]>([]) : arrivals<Message>(later).map((parts) => parts.flat()),
          });
        });
      }),
    );
    check(
      fc.property(starts, tokens, ({ history, compacted, before, later }, token) => {
        const view = new RevocationView();
        for (const message of compacted) feed(view, message);
        const said = [...before];
        for (const message of later) {
          if (!judge(token, view.stateOf).void) expect(isVoid(token, said)).toBe(false);
          feed(view, message);
          said.push(...message.said);
        }
        expect(judge(token, view.stateOf).void).toBe(isVoid(token, history));
      }),
    );
  });

  test('types that nobody knows change nothing', () => {
    check(
      fc.property(histories(), (history) => {
        const view = new RevocationView();
        const unknown = history.filter(
          ({ event }) => !/^(user|organization|organization_membership|session|signal)\./.test(event),
        );
        for (const event of unknown) feed(view, eventMessage(event));
        expect(view.size).toBe(0);
      }),
    );
  });
});
