import type { RevocationData, ScopeStateData } from '#contracts/revocation.js';
import { outcomeOf, retryAfterMs } from '../src/domain/retry.js';
import { changeOf, jtiOf, type Kind, type SaidRecord, type Signal, signalsOf } from '../src/domain/signals.js';
import { scopeOfSubject } from '../src/domain/subject.js';
import { headsOf, type Due } from '../src/sending/queue.sql.js';
import { AT, PROVIDER, revocationOf, stateOf, USERS_ISSUER } from './records.js';
import { OPEN, type ScopeState } from '#revocation/scope-state.js';

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/';
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/';
const user = { format: 'iss_sub', iss: USERS_ISSUER, sub: 'user_a' };

const recordOf = (data: ScopeStateData, revocation?: RevocationData): SaidRecord => ({
  id: `record ${JSON.stringify(data)}`,
  data,
  revocation,
  writtenAt: AT,
});
const revoked = (data: RevocationData): SaidRecord => recordOf(data, data);
const shortOf = ({ type, sub_id, claims }: Signal) => [type.split('/').at(-1), sub_id, claims];

function said(kind: Kind, record: SaidRecord, known?: ScopeState): unknown[] {
  return signalsOf(changeOf(record, known), kind, USERS_ISSUER).map(shortOf);
}

const caepClaims = (reason: string, second = 10) => ({
  event_timestamp: AT / 1000 + second,
  initiating_entity: 'system',
  reason_admin: { en: reason },
});

describe('what a revocation means in Shared Signals', () => {
  const forEver = { closed_at: 'infinity', reason: 'user_deprovisioned' };
  test.each([
    [
      'a user who was deleted',
      revocationOf({ user_id: 'user_a' }, 10, 'event_1', forEver),
      [
        ['session-revoked', user, caepClaims('user_deprovisioned')],
        ['account-purged', user, {}],
      ],
    ],
    [
      'a user who was suspended',
      revocationOf({ user_id: 'user_a' }, 10, 'event_1'),
      [
        ['session-revoked', user, caepClaims('user_suspended')],
        ['account-disabled', user, {}],
      ],
    ],
    [
      'a membership',
      revocationOf({ user_id: 'user_a', organization_id: 'org_a' }, 10, 'event_1', { reason: 'membership_inactive' }),
      [
        [
          'session-revoked',
          { format: 'complex', user, tenant: { format: 'opaque', id: 'org_a' } },
          caepClaims('membership_inactive'),
        ],
      ],
    ],
    [
      'an organization',
      revocationOf({ organization_id: 'org_a' }, 10, 'event_1', { reason: 'organization_deleted' }),
      [
        [
          'session-revoked',
          { format: 'complex', tenant: { format: 'opaque', id: 'org_a' } },
          caepClaims('organization_deleted'),
        ],
      ],
    ],
    [
      'a session',
      revocationOf({ session_id: 'session_a' }, 10, 'event_1', { reason: 'session_revoked' }),
      [
        [
          'session-revoked',
          { format: 'complex', session: { format: 'opaque', id: 'session_a' } },
          caepClaims('session_revoked'),
        ],
      ],
    ],
    [
      'another role',
      revocationOf({ user_id: 'user_a', organization_id: 'org_a' }, 10, 'event_1', { reason: 'role_changed' }),
      [
        [
          'token-claims-change',
          { format: 'complex', user, tenant: { format: 'opaque', id: 'org_a' } },
          { ...caepClaims('role_changed'), claims: { role: null } },
        ],
      ],
    ],
  ])('%s', (_, data, expected) => {
    expect(said('set_push', revoked(data))).toEqual(expected);
    expect(said('set_poll', revoked(data))).toEqual(expected);
  });

  test('by hand it was an administrator', () => {
    const byHand = revocationOf({ user_id: 'user_a' }, 10, 'event_1', {
      source_event_id: null,
      reason: 'stolen laptop',
    });
    expect(signalsOf(changeOf(revoked(byHand), undefined), 'set_push', USERS_ISSUER)[0]).toMatchObject({
      claims: { initiating_entity: 'admin', reason_admin: { en: 'stolen laptop' } },
      txn: null,
    });
  });
});

describe('accounts: the last word is true whatever the order of the two topics', () => {
  const closed = (second: number): ScopeStateData =>
    stateOf({ user_id: 'user_a' }, { closed_at: new Date(AT + second * 1000).toISOString(), reason: 'user_suspended' });
  const reopened = (closedAt: number, openedAt: number): ScopeStateData => ({
    ...closed(closedAt),
    opened_at: new Date(AT + openedAt * 1000).toISOString(),
  });
  const history: SaidRecord[] = [
    revoked(revocationOf({ user_id: 'user_a' }, 10, 'event_1')),
    recordOf(closed(10)),
    recordOf(reopened(10, 20)),
    revoked(revocationOf({ user_id: 'user_a' }, 30, 'event_2')),
    recordOf(reopened(30, 20)),
  ];

  function accountEvents(records: readonly SaidRecord[]): string[] {
    let state: ScopeState = OPEN;
    return records.flatMap((record) => {
      const change = changeOf(record, state);
      state = change.after;
      return signalsOf(change, 'set_push', USERS_ISSUER)
        .map(({ type }) => type)
        .filter((type) => type.startsWith(RISC));
    });
  }

  test('disabled, enabled, disabled', () => {
    expect(accountEvents(history).map((type) => type.split('/').at(-1))).toEqual([
      'account-disabled',
      'account-enabled',
      'account-disabled',
    ]);
  });

  test('any order ends with disabled', () => {
    for (const order of permutations(history)) expect(accountEvents(order).at(-1)).toBe(`${RISC}account-disabled`);
  });

  test('where it was opened again, no order ends with disabled', () => {
    for (const order of permutations(history.slice(0, 3))) {
      expect([undefined, `${RISC}account-enabled`]).toContain(accountEvents(order).at(-1));
    }
  });
});

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, index) =>
    permutations([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [item, ...rest]),
  );
}

describe('who else is told what', () => {
  test('webhooks carry the revocation as it stands on the topic', () => {
    const data = revocationOf({ organization_id: 'org_a' }, 10, 'event_1', { revoked_grant_ids: ['grant_1'] });
    const [signal] = signalsOf(changeOf(revoked(data), undefined), 'webhook', USERS_ISSUER);
    expect(signal).toMatchObject({ type: 'access.revoked', claims: data });
  });

  test.each<[Kind, object, number]>([
    ['backchannel_logout', { user_id: 'user_a' }, 1],
    ['backchannel_logout', { session_id: 'session_a' }, 1],
    ['backchannel_logout', { organization_id: 'org_a' }, 0], // a logout token cannot name it
    ['token_revocation', { user_id: 'user_a' }, 1],
    ['token_revocation', { user_id: 'user_a', organization_id: 'org_a' }, 1],
    ['token_revocation', { session_id: 'session_a' }, 0],
    ['token_revocation', { organization_id: 'org_a' }, 0],
  ])('%s of %j', (kind, ids, expected) => {
    expect(said(kind, revoked(revocationOf(ids, 10, 'event_1')))).toHaveLength(expected);
  });
});

test('a jti is that of the record, the type and the stream, and of nothing else', () => {
  const signal = { id: 'revocation_1', type: `${CAEP}session-revoked` };
  expect(jtiOf(signal, 'stream_1')).toBe(jtiOf({ ...signal }, 'stream_1'));
  const others = [
    jtiOf(signal, 'stream_2'),
    jtiOf({ ...signal, id: 'revocation_2' }, 'stream_1'),
    jtiOf({ ...signal, type: `${RISC}account-disabled` }, 'stream_1'),
  ];
  expect(new Set([jtiOf(signal, 'stream_1'), ...others]).size).toBe(4);
});

test('only the first of each subject may be sent, and not while it rests', () => {
  const due = (id: string, subject: string, is_due = true) => ({ id, subject, is_due }) as Due;
  const window = [due('1', 'a'), due('2', 'b', false), due('3', 'a'), due('4', 'b'), due('5', 'c')];
  expect(headsOf(window).map(({ id }) => id)).toEqual(['1', '5']);
});

describe('subjects as others write them', () => {
  const providersOf = (issuer: string) => (issuer === USERS_ISSUER ? [PROVIDER] : []);
  const opaque = (id: string) => ({ format: 'opaque', id });
  test.each([
    ['a user', user, { kind: 'user', userId: 'user_a' }],
    ['a user within a tenant', { format: 'complex', user, tenant: opaque('org_a') }, { kind: 'membership' }],
    [
      'a session',
      { format: 'complex', user, session: opaque('session_a') },
      { kind: 'session', sessionId: 'session_a' },
    ],
    ['a tenant', { format: 'complex', tenant: opaque('org_a') }, { kind: 'organization', organizationId: 'org_a' }],
    ['an e-mail address', { format: 'email', email: 'ada@example.com' }, undefined],
    ['another issuer', { ...user, iss: 'https://other.example.com' }, undefined],
    ['a device of a user', { format: 'complex', user, device: opaque('device_a') }, undefined],
    ['a user whose id is no text', { ...user, sub: 5 }, undefined],
    ['a session that we cannot tell', { format: 'complex', user, session: { format: 'email' } }, undefined],
    ['a tenant that is null', { format: 'complex', user, tenant: null }, undefined],
    ['nothing', { format: 'complex' }, undefined],
  ])('%s', (_, subject, expected) => {
    const scope = scopeOfSubject(subject, providersOf, PROVIDER);
    if (expected === undefined) expect(scope).toBeUndefined();
    else expect(scope).toMatchObject(expected);
  });
});

describe('what an answer says', () => {
  test.each([
    [202, false, undefined, 'delivered'],
    [400, false, 'invalid_request', 'refused'],
    [400, false, undefined, 'refused'],
    [400, false, 'authentication_failed', 'unavailable'],
    [400, false, 'invalid_key', 'unavailable'],
    [401, false, undefined, 'unavailable'],
    [404, false, undefined, 'unavailable'],
    [429, false, undefined, 'unavailable'],
    [503, false, undefined, 'unavailable'],
    [410, false, undefined, 'unavailable'],
    [410, true, undefined, 'gone'],
    [302, false, undefined, 'unavailable'],
  ])('%i (webhook: %s, err: %s) is %s', (status, isWebhook, err, kind) => {
    expect(outcomeOf(status, isWebhook, err).kind).toBe(kind);
  });

  test('waits double up to a bound, and differ', () => {
    const settings = { firstMs: 1_000, longestMs: 60_000 };
    expect([1, 2, 3, 7, 100].map((failures) => retryAfterMs(failures, settings, 1))).toEqual([
      1_000, 2_000, 4_000, 60_000, 60_000,
    ]);
    expect(retryAfterMs(1, settings, 0)).toBe(500);
  });
});
