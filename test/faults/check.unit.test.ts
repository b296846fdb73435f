import type { RawEvent } from '#testing/histories.js';
import { check, type Journal, type Observation } from './check.js';

/** A run in which nothing went wrong: somebody leaves, and everybody sees it. */
const LEFT_AT = '2026-03-01T09:00:05.000Z';
const left: RawEvent = {
  id: 'event_1',
  object: 'event',
  event: 'organization_membership.deleted',
  data: { user_id: 'u', organization_id: 'o', status: 'active' },
  created_at: LEFT_AT,
};
const invited: RawEvent = {
  ...left,
  id: 'event_2',
  event: 'organization_membership.created',
  created_at: '2026-03-01T09:00:09.000Z',
};
const saw = (isValid: boolean | undefined, startedAt: number, kind: Observation['kind'] = 'token'): Observation => ({
  holding: 0,
  kind,
  startedAt,
  endedAt: startedAt + 1,
  isValid,
});
const scope = 'p/membership:u:o';
const state = { scope, closed_at: LEFT_AT, opened_at: null, tokens_before: null };
const good = (): Journal => ({
  providerId: 'p',
  holdings: [{ userId: 'u', organizationId: 'o', sessionId: 's', issuedAt: Date.parse('2026-03-01T09:00:01.000Z') }],
  grantedAt: new Map([[0, Date.parse('2026-03-01T09:00:02.000Z')]]),
  sent: [{ event: left, firstSentAt: 10, acknowledgedAt: 11 }],
  observations: [saw(true, 5), saw(undefined, 12), saw(false, 20), saw(false, 30)],
  final: [saw(false, 30), saw(false, 31, 'grant')],
  revocations: [state],
  states: [state],
  unexpected: [],
  outboxRows: 0,
  audit: ['grant.revoked grant_1 event_1 {}'],
  patienceMs: 1_000,
});

test('nothing to object to', () => expect(check(good())).toEqual([]));

test.each<[string, (journal: Journal) => Partial<Journal>, RegExp]>([
  [
    'an acknowledged event that is not reflected',
    () => ({ final: [saw(true, 30)] }),
    /token 0 ends valid, but the events say void/,
  ],
  ['a grant that is not revoked', () => ({ final: [saw(true, 30, 'grant')] }), /grant 0 ends valid/],
  ['an answer that never comes', () => ({ final: [saw(undefined, 30)] }), /ends unknown/],
  [
    'somebody who is refused for nothing',
    ({ sent }) => ({ sent: [{ ...sent[0]!, acknowledgedAt: undefined }] }),
    /token 0 ends void, but the events say valid/,
  ],
  ['void, then valid', () => ({ observations: [saw(false, 20), saw(true, 25)] }), /became valid without a re-opening/],
  [
    'void, then valid, before the re-opening was sent',
    ({ sent }) => ({
      sent: [...sent, { event: invited, firstSentAt: 40, acknowledgedAt: 41 }],
      observations: [saw(false, 20), saw(true, 25)],
      final: [],
    }),
    /became valid without a re-opening/,
  ],
  ['a state that goes back', () => ({ states: [state, { ...state, closed_at: null }] }), /went back/],
  ['an end that nobody is told of', () => ({ revocations: [] }), /never announced/],
  ['an outbox that is not empty', () => ({ outboxRows: 3 }), /outbox still has 3/],
  ['an effect that happened twice', ({ audit }) => ({ audit: [...audit, ...audit] }), /audit has twice/],
  [
    'a webhook that waits while one broker of three is away',
    ({ sent }) => ({ sent: [{ ...sent[0]!, acknowledgedAt: 1_011 }] }),
    /a webhook waited for 1001 ms/,
  ],
  [
    'nobody being told about a token meanwhile',
    () => ({ observations: [saw(false, 20), saw(undefined, 500), saw(false, 1_021)] }),
    /a token waited for 1001 ms/,
  ],
  ['an answer that nobody should get', () => ({ unexpected: ['a token was answered with 500'] }), /answered with 500/],
])('it objects to %s', (_, change, problem) => {
  const journal = good();
  const problems = check({ ...journal, ...change(journal) });
  expect(problems.join('\n')).toMatch(problem);
});

test('void, then valid, after a re-opening was sent, is no objection', () => {
  const journal = good();
  const grantedAfter = Date.parse('2026-03-01T09:00:06.000Z');
  expect(
    check({
      ...journal,
      grantedAt: new Map([[0, grantedAfter]]),
      sent: [...journal.sent, { event: invited, firstSentAt: 22, acknowledgedAt: 23 }],
      observations: [saw(false, 20, 'grant'), saw(true, 25, 'grant')],
      final: [saw(true, 30, 'grant')],
    }),
  ).toEqual([]);
});

test.each([
  ['u', {}, 0],
  ['u', { suspended: 'yes' }, 1],
  ['somebody else', {}, 1],
])('a change of %s with metadata %j that was sent before explains it, or not', (id, metadata, objections) => {
  const journal = good();
  const updated: RawEvent = { ...left, id: 'event_3', event: 'user.updated', data: { id, metadata } };
  const problems = check({
    ...journal,
    sent: [...journal.sent, { event: updated, firstSentAt: 22, acknowledgedAt: 23 }],
    observations: [saw(false, 20), saw(true, 25)],
    final: [],
  });
  expect(problems).toHaveLength(objections);
});

test('requests that overlap say nothing of their order', () => {
  const journal = good();
  const slow = { ...saw(true, 15), endedAt: 40 };
  expect(check({ ...journal, observations: [slow, saw(false, 20)] })).toEqual([]);
});

test('a wait is no objection where what answers was struck itself', () => {
  const journal = good();
  const sent = [{ ...journal.sent[0]!, acknowledgedAt: 5_000 }];
  expect(check({ ...journal, sent, patienceMs: undefined })).toEqual([]);
});
