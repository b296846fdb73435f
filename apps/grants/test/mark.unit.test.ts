import fc from 'fast-check';
import { FOR_EVER, NEVER } from '#contracts/moment.js';
import { keyOf, type Scope } from '#revocation/scope.js';
import { merge, OPEN } from '#revocation/scope-state.js';
import { type KnownScopes, markOf, marksOfScope, type PastClosingOfScope, sameMark } from '../src/domain/mark.js';

const SCOPES: Scope[] = [
  { kind: 'user', providerId: 'idp', userId: 'u' },
  { kind: 'organization', providerId: 'idp', organizationId: 'o' },
  { kind: 'membership', providerId: 'idp', userId: 'u', organizationId: 'o' },
  { kind: 'session', providerId: 'idp', sessionId: 's' },
];
const HOLDER = { id: 'grant', providerId: 'idp', userId: 'u', organizationId: 'o', sessionId: 's' };

/** Few moments, so that they often are the same one, further apart than a cascade takes and closer. */
const moment = fc.integer({ min: 0, max: 12 }).map((n) => n * 3_000);
const closings = fc.array(
  fc.record({
    closedAt: fc.oneof(moment, moment, fc.constant(FOR_EVER)),
    occurredAt: moment,
    reason: fc.constantFrom('user_deprovisioned', 'by hand'),
    sourceEventId: fc.constantFrom('event_1', 'event_2', null),
  }),
  { maxLength: 6 },
);
const grantedAt = fc.oneof(moment, moment.map((at) => at + 1), moment.map((at) => at - 1)); // prettier-ignore

test('what is said of a span of moments is what the rule says of each grant in it', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SCOPES),
      closings,
      fc.oneof(fc.constant(NEVER), moment),
      grantedAt,
      (scope, had, openedAt, at) => {
        const key = keyOf(scope);
        const state = had.reduce((before, { closedAt, ...closing }) => merge(before, { ...OPEN, closedAt, closing }), {
          ...OPEN,
          openedAt,
        });
        const past = had.map((one): PastClosingOfScope => ({
          ...one,
          key,
          kind: scope.kind,
          actor: one.sourceEventId ? null : 'admin',
        }));
        const known: KnownScopes = {
          stateOf: (asked) => (asked === key ? state : { ...OPEN, openedAt: 5, tokensBefore: 7 }),
          closingsOf: (asked) => (asked === key ? past : []),
        };
        const spans = marksOfScope(key, known);
        const found = spans.filter(({ after, upTo }) => at > after && at <= upTo);
        expect(found).toHaveLength(1);
        expect(sameMark(found[0]!.mark, markOf({ ...HOLDER, grantedAt: at }, known))).toBe(true);
      },
    ),
    { numRuns: 2_000 },
  );
});
