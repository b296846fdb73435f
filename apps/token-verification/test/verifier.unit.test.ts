import { decodeWorkOSEvent } from '#contracts/workos-event.js';
import { effectsOf } from '#revocation/effects.js';
import { claimsOf, makeIssuer, providerOf, token } from './issuer.js';
import { outcomeOf, type World, worldOf } from './verifier-of.js';

const NOW = Date.parse('2026-11-24T10:00:00.500Z');
const ours = makeIssuer('client_01OURS', 'key_1');
const legacyA = { ...makeIssuer('client_01A', 'key_a'), issuer: 'https://api.workos.com' };
const legacyB = { ...makeIssuer('client_01B', 'key_b'), issuer: 'https://api.workos.com' };
const URL = 'https://keys.test/client_01OURS';
const world = (over = {}): World => worldOf(NOW, [providerOf(ours, over)], { [URL]: [ours.jwk] });
const signed = (over: Record<string, unknown> = {}): string => token(ours, claimsOf(ours, NOW, over));
const happens = ({ view, providers }: World, event: string, data: object, at: number, previous?: object): void =>
  view.takeUpdates(
    effectsOf(
      decodeWorkOSEvent(
        {
          id: `event_${at}`,
          event,
          data,
          created_at: new Date(at).toISOString(),
          ...(previous ? { context: { previous_attributes: previous } } : {}),
        },
        providers[0]!.id,
      ),
    ),
  );
const member = { user_id: 'user_01ALICE', organization_id: 'org_01ACME' };

describe('the rule is asked each time, also for a token that was just active', () => {
  test.each([
    ['user.deleted', { id: 'user_01ALICE' }, 'user_deprovisioned'],
    ['organization_membership.deleted', member, 'membership_deleted'],
    ['organization_membership.updated', { ...member, status: 'inactive' }, 'membership_inactive'],
    ['session.revoked', { id: 'session_01A' }, 'session_revoked'],
    ['organization.deleted', { id: 'org_01ACME' }, 'organization_deleted'],
  ])('%s', async (event, data, reason) => {
    const here = world();
    const held = signed();
    expect(await outcomeOf(here, held)).toBe('active');
    happens(here, event, data, NOW);
    expect(await outcomeOf(here, held)).toBe(reason);
  });

  test('a changed role ends the old token and not the new one', async () => {
    const here = world();
    const [old, young] = [signed({ iat: NOW / 1_000 - 10.5 }), signed({ iat: NOW / 1_000 + 0.5 })];
    happens(here, 'organization_membership.updated', { ...member, status: 'active' }, NOW, {
      role: { slug: 'member' },
    });
    expect(await outcomeOf(here, old)).toBe('role_changed');
    expect(await outcomeOf(here, young)).toBe('active');
  });

  test('a token of the second of the closing is refused, also after a re-opening; the next second is not', async () => {
    const here = world();
    happens(here, 'organization_membership.deleted', member, NOW - 1_400);
    happens(here, 'organization_membership.created', { ...member, status: 'active' }, NOW - 1_300);
    const second = Math.floor((NOW - 1_400) / 1_000);
    expect(await outcomeOf(here, signed({ iat: second }))).toBe('membership_deleted');
    expect(await outcomeOf(here, signed({ iat: second + 0.999 }))).toBe('membership_deleted');
    expect(await outcomeOf(here, signed({ iat: second + 1 }))).toBe('active');
  });

  test('another provider with the same ids is another world', async () => {
    const here = world();
    here.providers.unshift({ ...providerOf(ours), id: 'idp_other', issuers: ['https://other.test'] });
    happens(here, 'user.deleted', { id: 'user_01ALICE' }, NOW);
    expect(await outcomeOf(here, signed())).toBe('active');
  });
});

describe('what it cannot know it does not answer', () => {
  test('an old view: unknown, whatever is remembered', async () => {
    const here = world();
    expect(await outcomeOf(here, signed())).toBe('active');
    here.fresh = false;
    expect(await outcomeOf(here, signed())).toBe('view_stale');
    expect(await outcomeOf(here, 'rubbish')).toBe('view_stale');
  });

  test('a view that grew old while keys were fetched: unknown', async () => {
    const here = world();
    const asked = outcomeOf(here, signed());
    here.fresh = false;
    expect(await asked).toBe('view_stale');
    here.fresh = true;
    expect(await outcomeOf(here, signed())).toBe('active');
  });

  test('no keys: unknown, and active as soon as the source answers', async () => {
    const here = world();
    here.keys.set(URL, new Error('away'));
    expect(await outcomeOf(here, signed())).toBe('keys_unavailable');
    here.keys.set(URL, [ours.jwk]);
    here.now += 1_000;
    expect(await outcomeOf(here, signed())).toBe('active');
  });

  test('keys without their source: active for 24 hours, then unknown and never refused, then active again', async () => {
    const here = world();
    const held = signed({ exp: NOW / 1_000 + 200_000 });
    expect(await outcomeOf(here, held)).toBe('active');
    here.keys.set(URL, new Error('away'));
    here.now += 86_400_000 - 1;
    expect(await outcomeOf(here, held)).toBe('active');
    expect(await outcomeOf(here, signed({ exp: NOW / 1_000 + 200_000, jti: 'another' }))).toBe('active');
    here.now += 1;
    for (let times = 0; times < 3; times++) expect(await outcomeOf(here, held)).toBe('keys_unavailable');
    here.keys.set(URL, [ours.jwk]);
    here.now += 1_000;
    expect(await outcomeOf(here, held)).toBe('active');
  });

  test('what needs no key is refused all the same: a token that is none, an issuer that nobody knows', async () => {
    const here = world();
    here.keys.set(URL, new Error('away'));
    expect(await outcomeOf(here, 'rubbish')).toBe('malformed');
    expect(await outcomeOf(here, signed({ iss: 'https://evil.test' }))).toBe('issuer_unknown');
    expect(await outcomeOf(here, signed())).toBe('keys_unavailable');
  });

  test('a source that has no key left lets nobody in', async () => {
    const here = world();
    expect(await outcomeOf(here, signed())).toBe('active');
    here.keys.set(URL, []);
    here.now += 31_000;
    expect(await outcomeOf(here, token({ ...ours, kid: 'new' }, claimsOf(ours, NOW)))).toBe('keys_unavailable');
    expect(await outcomeOf(here, signed())).toBe('keys_unavailable');
  });
});

describe('the cache of checked signatures', () => {
  test('does not outlive the token', async () => {
    const here = world();
    expect(await outcomeOf(here, signed())).toBe('active');
    here.now += 306_000;
    expect(await outcomeOf(here, signed())).toBe('expired');
  });

  test('does not outlive the settings of the provider', async () => {
    const here = world();
    const held = signed({ aud: ours.clientId });
    expect(await outcomeOf(here, held)).toBe('active');
    here.providers = [providerOf(ours, { version: 2, audience: ['https://api.test'] })];
    expect(await outcomeOf(here, held)).toBe('audience_mismatch');
    here.providers = [];
    expect(await outcomeOf(here, held)).toBe('issuer_unknown');
  });

  test('does not outlive the key', async () => {
    const here = world();
    expect(await outcomeOf(here, signed())).toBe('active');
    const next = makeIssuer('client_01OURS', 'key_2');
    here.keys.set(URL, [next.jwk]);
    here.now += 31_000;
    expect(await outcomeOf(here, token(next, claimsOf(next, NOW)))).toBe('active');
    expect(await outcomeOf(here, signed())).toBe('signature_invalid');
  });

  test('is left alone by a key set that only grows', async () => {
    const here = world();
    const held = signed();
    await outcomeOf(here, held);
    const before = await here.verifier.verify(held);
    here.keys.set(URL, [makeIssuer('client_01OURS', 'key_2').jwk, { ...ours.jwk }]);
    here.now += 31_000;
    await outcomeOf(here, token({ ...ours, kid: 'unknown' }, claimsOf(ours, NOW)));
    const after = await here.verifier.verify(held);
    expect(before.kind === 'active' && after.kind === 'active' && before.verified === after.verified).toBe(true);
  });
});

test('older environments share one issuer: the keys say whose token it is', async () => {
  const here = worldOf(NOW, [providerOf(legacyA), providerOf(legacyB)], {
    'https://keys.test/client_01A': [legacyA.jwk],
    'https://keys.test/client_01B': [legacyB.jwk],
  });
  const verdict = await here.verifier.verify(token(legacyB, claimsOf(legacyB, NOW)));
  expect(verdict.kind === 'active' && verdict.verified.provider.id).toBe('idp_client_01B');
  expect(await outcomeOf(here, token({ ...legacyB, kid: 'key_a' }, claimsOf(legacyB, NOW)))).toBe('signature_invalid');
});

test('of two that share an issuer, one whose keys cannot be had keeps the answer open, but for the other one', async () => {
  const here = worldOf(NOW, [providerOf(legacyA), providerOf(legacyB)], {
    'https://keys.test/client_01B': [legacyB.jwk],
  });
  here.keys.set('https://keys.test/client_01A', new Error('away'));
  expect(await outcomeOf(here, token(legacyB, claimsOf(legacyB, NOW)))).toBe('active');
  expect(await outcomeOf(here, token(legacyA, claimsOf(legacyA, NOW)))).toBe('keys_unavailable');
});

test("a provider's session is its own: the same ids of two clients of one issuer do not meet", async () => {
  const here = worldOf(NOW, [providerOf(legacyA), providerOf(legacyB)], {
    'https://keys.test/client_01A': [legacyA.jwk],
    'https://keys.test/client_01B': [legacyB.jwk],
  });
  happens(here, 'session.revoked', { id: 'session_01A' }, NOW);
  expect(await outcomeOf(here, token(legacyA, claimsOf(legacyA, NOW)))).toBe('session_revoked');
  expect(await outcomeOf(here, token(legacyB, claimsOf(legacyB, NOW)))).toBe('active');
});

test('a provider may have several issuers, as while a custom domain is switched on', async () => {
  const issuers = [ours.issuer, 'https://auth.example.com/user_management/client_01OURS'];
  const here = world({ issuers });
  for (const iss of issuers) expect(await outcomeOf(here, signed({ iss }))).toBe('active');
  expect(await outcomeOf(here, signed({ iss: 'https://auth.example.com' }))).toBe('issuer_unknown');
});

test.each([0, 5, 300])('with a tolerance of %d s a token is used that long, and no longer', async (tolerance) => {
  const here = world({ clock_tolerance_seconds: tolerance });
  const now = NOW / 1_000;
  const iat = now - 600;
  expect(await outcomeOf(here, signed({ iat, exp: now - tolerance + 0.25 }))).toBe('active');
  expect(await outcomeOf(here, signed({ iat, exp: now - tolerance }))).toBe('expired');
  expect(await outcomeOf(here, signed({ nbf: now + tolerance }))).toBe('active');
  expect(await outcomeOf(here, signed({ nbf: now + tolerance + 0.25 }))).toBe('not_yet_valid');
});

test.each([
  ['required', {}, 'audience_mismatch'],
  ['required', { aud: 'client_01OURS' }, 'active'],
  ['if_present', {}, 'active'],
  ['if_present', { aud: 'x' }, 'audience_mismatch'],
  ['bound_by_keys', {}, 'active'],
  ['bound_by_keys', { aud: 'x' }, 'audience_mismatch'],
] as const)('audience %s, %j: %s', async (audience_policy, over, expected) => {
  expect(await outcomeOf(world({ audience_policy }), signed(over))).toBe(expected);
});

test('impersonation is accepted where the provider allows it', async () => {
  expect(await outcomeOf(world({ allow_impersonation: true }), signed({ act: { sub: 'admin@example.test' } }))).toBe(
    'active',
  );
});

test('claims that a provider requires', async () => {
  expect(await outcomeOf(world({ required_claims: ['role'] }), signed())).toBe('claim_missing');
  expect(await outcomeOf(world({ required_claims: ['role'] }), signed({ role: 'admin' }))).toBe('active');
});

test('other claim mappings, as other issuers need them', async () => {
  const claim_mappings = { user_id: 'oid', organization_id: 'tid', session_id: 'sid' };
  const here = world({ kind: 'oidc', claim_mappings });
  const verdict = await here.verifier.verify(signed({ oid: 'user_01BOB', tid: 'tenant', sid: undefined }));
  expect(verdict.kind === 'active' && verdict.verified.subject).toMatchObject({
    userId: 'user_01BOB',
    organizationId: 'tenant',
  });
});
