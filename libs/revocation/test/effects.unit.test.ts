import { momentToWire } from '#contracts/moment.js';
import { decodeWorkOSEvent } from '#contracts/workos-event.js';
import { effectsOf, wouldBeEffectsOf } from '#revocation/effects.js';
import { explain, type PastClosing } from '#revocation/explain.js';
import { type Access, judge } from '#revocation/judge.js';
import { keyOf } from '#revocation/scope.js';
import { merge, OPEN, type ScopeState } from '#revocation/scope-state.js';
import { stateFromWire, stateToWire } from '#revocation/wire.js';

const AT = '2026-03-01T10:00:00.250Z';
const at = Date.parse(AT);
const member = { user_id: 'u', organization_id: 'o' };
const effects = (event: string, data: object, previous?: object) =>
  effectsOf(
    decodeWorkOSEvent(
      {
        id: 'event_1',
        event,
        data,
        created_at: AT,
        ...(previous ? { context: { previous_attributes: previous } } : {}),
      },
      'p',
    ),
    { metadataKey: 'suspended', value: 'true' },
  ).map(({ scope, state, reason }) => [keyOf(scope), state.closedAt, state.openedAt, state.tokensBefore, reason]);

const no = -Infinity;
const M = 'p/membership:u:o';

/** The table of docs/architecture.md, line by line. */
test.each([
  ['user.deleted', { id: 'u' }, undefined, [['p/user:u', Infinity, no, no, 'user_deprovisioned']]],
  [
    'user.updated',
    { id: 'u', metadata: { suspended: 'true' } },
    undefined,
    [['p/user:u', at, no, no, 'user_suspended']],
  ],
  ['user.updated', { id: 'u', metadata: { suspended: true } }, undefined, [['p/user:u', at, no, no, 'user_suspended']]],
  ['user.updated', { id: 'u', metadata: {} }, undefined, [['p/user:u', no, at, no, null]]],
  [
    'organization_membership.deleted',
    { ...member, status: 'active' },
    undefined,
    [[M, at, no, no, 'membership_deleted']],
  ],
  [
    'organization_membership.updated',
    { ...member, status: 'inactive' },
    { status: 'active' },
    [[M, at, no, no, 'membership_inactive']],
  ],
  [
    'organization_membership.updated',
    { ...member, status: 'frozen' },
    undefined,
    [[M, at, no, no, 'membership_inactive']],
  ],
  [
    'organization_membership.created',
    { ...member, status: 'inactive' },
    undefined,
    [[M, at, no, no, 'membership_inactive']],
  ],
  ['organization_membership.created', { ...member, status: 'active' }, undefined, [[M, no, at, no, null]]],
  ['organization_membership.created', { ...member, status: 'pending' }, undefined, [[M, no, at, no, null]]],
  ['organization_membership.updated', { ...member, status: 'pending' }, undefined, []],
  ['organization_membership.updated', { ...member, status: 'active' }, undefined, [[M, no, at, no, null]]],
  [
    'organization_membership.updated',
    { ...member, status: 'active' },
    { status: 'inactive' },
    [
      [M, no, at, no, null],
      [M, at - 251, no, no, 'membership_inactive'],
    ],
  ],
  [
    'organization_membership.updated',
    { ...member, status: 'active' },
    { role: { slug: 'admin' } },
    [
      [M, no, at, no, null],
      [M, no, no, at, 'role_changed'],
    ],
  ],
  ['session.revoked', { id: 's' }, undefined, [['p/session:s', Infinity, no, no, 'session_revoked']]],
  ['organization.deleted', { id: 'o' }, undefined, [['p/org:o', Infinity, no, no, 'organization_deleted']]],
  [
    'signal.received',
    { user_id: 'u', ends: 'account_for_ever' },
    undefined,
    [['p/user:u', Infinity, no, no, 'signal_received']],
  ],
  ['signal.received', { user_id: 'u', ends: 'account' }, undefined, [['p/user:u', at, no, no, 'signal_received']]],
  ['signal.received', { user_id: 'u', ends: 'sessions' }, undefined, [['p/user:u', no, no, at, 'signal_received']]],
  ['signal.received', { ...member, ends: 'sessions' }, undefined, [[M, no, no, at, 'signal_received']]],
  [
    'signal.received',
    { organization_id: 'o', ends: 'sessions' },
    undefined,
    [['p/org:o', no, no, at, 'signal_received']],
  ],
  [
    'signal.received',
    { user_id: 'u', session_id: 's', ends: 'sessions' },
    undefined,
    [['p/session:s', Infinity, no, no, 'signal_received']],
  ],
  ['user.created', { id: 'u' }, undefined, []],
  ['organization.created', { id: 'o' }, undefined, []],
  ['organization.updated', { id: 'o' }, undefined, []],
  ['session.created', { id: 's' }, undefined, []],
  ['dsync.user.deleted', { id: 'directory_user_1' }, undefined, []],
])('%s %j %j', (type, data, previous, expected) => expect(effects(type, data, previous)).toEqual(expected));

test('without a suspension rule user.updated closes nothing and opens nothing', () => {
  const event = decodeWorkOSEvent(
    { id: 'e', event: 'user.updated', data: { id: 'u', metadata: { suspended: 'true' } }, created_at: AT },
    'p',
  );
  expect(effectsOf(event)).toEqual([]);
});

describe('judge', () => {
  const closing = { reason: 'membership_inactive', sourceEventId: 'event_1', occurredAt: 1_000 };
  const state = (closedAt: number, openedAt = no, tokensBefore = no): ScopeState => ({
    closedAt,
    openedAt,
    tokensBefore,
    closing: closedAt === no ? null : closing,
  });
  const judged = (kind: Access['kind'], issuedAt: number, scope: ScopeState) =>
    judge({ kind, issuedAt, scopes: ['k'] }, () => scope).void;

  test.each([
    ['never closed', 'grant', 500, state(no, no), false],
    ['opened, never closed', 'grant', 500, state(no, 900), false],
    ['closed', 'grant', 5_000, state(1_000), true],
    ['closed and opened at the same moment: closed', 'grant', 5_000, state(1_000, 1_000), true],
    ['opened again, issued before the closing', 'grant', 999, state(1_000, 2_000), true],
    ['opened again, issued at the closing', 'grant', 1_000, state(1_000, 2_000), true],
    ['opened again, issued after the closing', 'grant', 1_001, state(1_000, 2_000), false],
    ['a token of the second of the closing', 'token', 1_000, state(1_400, 1_900), true],
    ['a token from before a role change', 'token', 1_000, state(no, no, 1_000), true],
    ['a token from after a role change', 'token', 2_000, state(no, no, 1_999), false],
    ['a grant from before a role change', 'grant', 500, state(no, no, 1_000), false],
    ['for ever, whatever opens', 'grant', 9_000, state(Infinity, 8_000), true],
  ] as const)('%s', (_, kind, issuedAt, scope, expected) => expect(judged(kind, issuedAt, scope)).toBe(expected));

  test('the widest closed scope is the reason given', () => {
    const states: Record<string, ScopeState> = {
      a: { ...state(1_000), closing: { ...closing, reason: 'user_deprovisioned' } },
      b: state(900),
    };
    expect(judge({ kind: 'token', issuedAt: 500, scopes: ['a', 'b'] }, (key) => states[key])).toMatchObject({
      reason: 'user_deprovisioned',
      scope: 'a',
    });
  });

  test('a closed scope without its closing is void all the same', () => {
    expect(judge({ kind: 'token', issuedAt: 1, scopes: ['k'] }, () => ({ ...state(1_000), closing: null })).void).toBe(
      true,
    );
  });
});

describe('explain', () => {
  const closing = (kind: PastClosing['kind'], closedAt: number, occurredAt = closedAt): PastClosing => ({
    kind,
    closedAt,
    occurredAt,
    reason: kind,
    sourceEventId: `event_${kind}_${occurredAt}`,
  });

  test('of one cascade the widest, whatever came first', () => {
    const cascade = [
      closing('session', Infinity, 5_000),
      closing('membership', 5_001),
      closing('user', Infinity, 5_002),
    ];
    for (const order of [cascade, [...cascade].reverse()]) expect(explain(4_000, order)?.kind).toBe('user');
  });

  test('what ended it first, though somebody was deleted months later', () => {
    expect(explain(4_000, [closing('user', Infinity, 9_000_000), closing('membership', 5_000)])?.kind).toBe(
      'membership',
    );
  });

  test('a closing from before the grant does not explain its end', () => {
    expect(explain(6_000, [closing('membership', 5_000), closing('membership', 7_000)])?.closedAt).toBe(7_000);
  });
});

test('a state comes back from the wire as it was', () => {
  const scope = { kind: 'membership', providerId: 'p', userId: 'u', organizationId: 'o' } as const;
  const state = merge(
    { ...OPEN, openedAt: 5, tokensBefore: 7 },
    { ...OPEN, closedAt: Infinity, closing: { reason: 'r', sourceEventId: 'e', occurredAt: 3 } },
  );
  expect(stateFromWire(stateToWire(scope, state))).toEqual(state);
  expect(stateToWire(scope, OPEN)).toMatchObject({
    scope: M,
    closed_at: null,
    opened_at: null,
    tokens_before: null,
    reason: null,
  });
  expect(stateToWire(scope, state).closed_at).toBe('infinity');
  expect(momentToWire(5)).toBe('1970-01-01T00:00:00.005Z');
});

test('what came in shadow mode does nothing, and what it would have done can be told', () => {
  const json = { id: 'event_1', event: 'user.deleted', data: { id: 'u' }, created_at: AT };
  const shadow = decodeWorkOSEvent(json, 'p', { shadow: true });
  expect(effectsOf(shadow)).toEqual([]);
  expect(wouldBeEffectsOf(shadow)).toEqual(effectsOf(decodeWorkOSEvent(json, 'p')));
});
