import {
  decodeIdentityProvider,
  IDENTITY_PROVIDER_TYPE,
  type IdentityProviderData,
} from '#contracts/identity-provider.js';
import { claimMappingsOf, readIssuer, type Vendor } from '#workos/issuer-shape.js';
import { claimAt, NOT_ONE } from '#providers/claim-at.js';
import { makeIssuer, providerOf, token } from './issuer.js';
import { recordOf } from './record-of.js';
import { outcomeOf, type World, worldOf } from './verifier-of.js';

const NOW = Date.parse('2026-11-24T10:00:00.500Z');
const seconds = Math.floor(NOW / 1_000);
const issuer = makeIssuer('client', 'key_1');
const TENANT = '3fa85f64-5717-4562-b3fc-2c963f66afa6';
const API = 'https://api.example.com';

interface Shape {
  vendor: Vendor;
  iss: string;
  header: Record<string, unknown>;
  /** As the vendor's documentation has an access token for an API. */
  claims: Record<string, unknown>;
  settings?: Partial<IdentityProviderData>;
  subject: { userId: string; organizationId?: string; sessionId?: string };
}

const times = { iat: seconds - 10, exp: seconds + 3_600 };
const SHAPES: Record<string, Shape> = {
  'Auth0, its own profile': {
    vendor: 'auth0',
    iss: 'https://tenant.eu.auth0.com/',
    header: { typ: 'JWT' },
    claims: {
      sub: 'auth0|507f1f77bcf86cd799439011',
      aud: [API, 'https://tenant.eu.auth0.com/userinfo'],
      azp: 'my_client_id',
      scope: 'openid profile read:reports',
      org_id: 'org_9ybsU1dN2dKfDkBi',
      permissions: ['read:reports'],
    },
    subject: { userId: 'auth0|507f1f77bcf86cd799439011', organizationId: 'org_9ybsU1dN2dKfDkBi' },
  },
  'Auth0, RFC 9068 profile': {
    vendor: 'auth0',
    iss: 'https://tenant.eu.auth0.com/',
    header: { typ: 'at+jwt' },
    claims: { sub: 'auth0|5', aud: API, client_id: 'my_client_id', jti: 'a1', scope: 'read:reports' },
    subject: { userId: 'auth0|5' },
  },
  'Auth0, a claim of its own in a namespace with dots': {
    vendor: 'auth0',
    iss: 'https://tenant.eu.auth0.com/',
    header: { typ: 'JWT' },
    claims: { sub: 'auth0|5', aud: [API], 'https://example.com/org.id': 'org_1', azp: 'my_client_id' },
    settings: {
      claim_mappings: { ...claimMappingsOf('auth0'), organization_id: 'https://example.com/org.id' },
    },
    subject: { userId: 'auth0|5', organizationId: 'org_1' },
  },
  'Okta, a custom authorization server': {
    vendor: 'okta',
    iss: 'https://dev-1.okta.com/oauth2/default',
    header: { typ: undefined },
    claims: {
      ver: 1,
      jti: 'AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE',
      aud: API,
      cid: '0oa42dm6S9FBrkjyI0g7',
      uid: '00uid4BxXw6I6TV4m0g3',
      scp: ['openid', 'offline_access'],
      auth_time: seconds - 20,
      sub: 'alice@example.com',
      groups: ['Everyone'],
    },
    subject: { userId: '00uid4BxXw6I6TV4m0g3' },
  },
  'Entra, version 2': {
    vendor: 'entra',
    iss: `https://login.microsoftonline.com/${TENANT}/v2.0`,
    header: { typ: 'JWT' },
    claims: {
      aud: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
      nbf: seconds - 10,
      aio: 'AXQAi/8IAAAAtAaZLo3ChMif6KOn',
      azp: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
      azpacr: '0',
      name: 'Alice',
      oid: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
      preferred_username: 'alice@example.com',
      rh: '0.',
      roles: ['Reports.Read'],
      scp: 'access_as_user',
      sid: '000c2a1e-0000-4000-8000-0000000000aa',
      sub: 'HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ',
      tid: TENANT,
      uti: 'fqiBqXLPj0eQa82S-IYFAA',
      ver: '2.0',
    },
    settings: { audience: ['6e74172b-be56-4843-9ff4-e66a39bb12e3'] },
    subject: {
      userId: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
      organizationId: TENANT,
      sessionId: '000c2a1e-0000-4000-8000-0000000000aa',
    },
  },
  'Entra, version 1': {
    vendor: 'entra',
    iss: `https://sts.windows.net/${TENANT}/`,
    header: { typ: 'JWT', x5t: 'i6lGk3FZzxRcUb2C3nEQ7syHJlY' },
    claims: {
      aud: `api://reports`,
      nbf: seconds - 10,
      acr: '1',
      amr: ['pwd', 'mfa'],
      appid: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
      appidacr: '0',
      family_name: 'A',
      ipaddr: '203.0.113.7',
      oid: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
      scp: 'access_as_user',
      sub: 'l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA',
      tid: TENANT,
      unique_name: 'alice@example.com',
      upn: 'alice@example.com',
      uti: 'fqiBqXLPj0eQa82S-IYFAA',
      ver: '1.0',
    },
    settings: { audience: ['api://reports'] },
    subject: { userId: '690222be-ff1a-4d56-abd1-7e4f7d38e474', organizationId: TENANT },
  },
  'Keycloak, with an organization': {
    vendor: 'keycloak',
    iss: 'https://login.example.com/realms/main',
    header: { typ: 'JWT' },
    claims: {
      jti: 'onrtac:0b2f',
      aud: [API, 'account'],
      sub: '4d4b4d0e-5f43-4d54-9f5b-2f2c5d5a1a11',
      typ: 'Bearer',
      azp: 'web',
      sid: '8d3a8a3c-2b1d-4a5c-9a43-1f2e3d4c5b6a',
      acr: '1',
      'allowed-origins': ['https://app.example.com'],
      realm_access: { roles: ['offline_access', 'uma_authorization'] },
      resource_access: { account: { roles: ['view-profile'] } },
      scope: 'openid email profile organization',
      email_verified: true,
      organization: ['acme'],
      preferred_username: 'alice',
    },
    subject: {
      userId: '4d4b4d0e-5f43-4d54-9f5b-2f2c5d5a1a11',
      organizationId: 'acme',
      sessionId: '8d3a8a3c-2b1d-4a5c-9a43-1f2e3d4c5b6a',
    },
  },
  'Keycloak, with the id of the organization': {
    vendor: 'keycloak',
    iss: 'https://login.example.com/realms/main',
    header: { typ: 'JWT' },
    claims: { aud: [API], sub: 'u', azp: 'web', sid: 's', typ: 'Bearer', organization: { acme: { id: '42c3e46f' } } },
    settings: {
      claim_mappings: { ...claimMappingsOf('keycloak'), organization_id: 'organization.*.id' },
    },
    subject: { userId: 'u', organizationId: '42c3e46f', sessionId: 's' },
  },
  'Clerk, version 2, with an organization': {
    vendor: 'clerk',
    iss: 'https://calm-fox-1.clerk.accounts.dev',
    header: { typ: 'JWT', cat: 'cl_B7d4PD222AAA' },
    claims: {
      azp: 'https://app.example.com',
      fva: [7, -1],
      nbf: seconds - 20,
      o: { id: 'org_2k', rol: 'admin', slg: 'acme', per: 'read,manage', fpm: '3,2' },
      pla: 'o:pro',
      sid: 'sess_2c',
      sts: 'active',
      sub: 'user_2b',
      v: 2,
    },
    settings: { audience: [], audience_policy: 'bound_by_keys' },
    subject: { userId: 'user_2b', organizationId: 'org_2k', sessionId: 'sess_2c' },
  },
  'Clerk, version 2, without one': {
    vendor: 'clerk',
    iss: 'https://clerk.example.com',
    header: { typ: 'JWT', cat: 'cl_B7d4PD111AAA' },
    claims: { azp: 'https://app.example.com', fva: [7, -1], sid: 'sess_2c', sub: 'user_2b', v: 2, sts: 'active' },
    settings: { audience: [], audience_policy: 'bound_by_keys' },
    subject: { userId: 'user_2b', sessionId: 'sess_2c' },
  },
  'Clerk, version 1': {
    vendor: 'clerk',
    iss: 'https://clerk.example.com',
    header: { typ: 'JWT', cat: 'cl_B7d4PD111AAA' },
    claims: { azp: 'https://app.example.com', org_id: 'org_2k', org_role: 'org:admin', sid: 'sess_2c', sub: 'user_2b' },
    settings: {
      audience: [],
      audience_policy: 'bound_by_keys',
      claim_mappings: { ...claimMappingsOf('clerk'), organization_id: 'org_id' },
    },
    subject: { userId: 'user_2b', organizationId: 'org_2k', sessionId: 'sess_2c' },
  },
};

/** The provider as the services read it from its record, with what discovery proposes for the vendor. */
function providerFor({ vendor, iss, settings }: Shape): IdentityProviderData {
  const data = providerOf(issuer, {
    kind: 'oidc',
    issuers: [iss],
    client_id: null,
    audience: [API],
    audience_policy: 'required',
    claim_mappings: claimMappingsOf(vendor),
    ...settings,
  });
  return decodeIdentityProvider(recordOf(IDENTITY_PROVIDER_TYPE, data));
}
const worldFor = (shape: Shape): World =>
  worldOf(NOW, [providerFor(shape)], { 'https://keys.test/client': [issuer.jwk] });
const tokenOf = ({ iss, claims, header }: Shape, over: Record<string, unknown> = {}): string =>
  token(issuer, { iss, ...times, ...claims, ...over }, header);

describe.each(Object.entries(SHAPES))('%s', (_, shape) => {
  test('is recognised by its issuer, and its tokens are active for whom they are', async () => {
    expect(readIssuer(shape.iss, false)).toMatchObject({ vendor: shape.vendor, issuer: shape.iss });
    const verdict = await worldFor(shape).verifier.verify(tokenOf(shape));
    expect(verdict.kind === 'active' && verdict.verified.subject).toEqual({
      ...shape.subject,
      issuedAt: times.iat,
      expiresAt: times.exp,
      ...(shape.claims['nbf'] === undefined ? {} : { notBefore: shape.claims['nbf'] }),
    });
  });

  test('its tokens end with the person, the organization, the membership and the session', async () => {
    const { userId, organizationId, sessionId } = shape.subject;
    const provider = providerFor(shape).id;
    const scopes = [
      `user:${userId}`,
      ...(organizationId ? [`org:${organizationId}`, `membership:${userId}:${organizationId}`] : []),
      ...(sessionId ? [`session:${sessionId}`] : []),
    ];
    for (const scope of scopes) {
      const here = worldFor(shape);
      expect(await outcomeOf(here, tokenOf(shape))).toBe('active');
      here.view.takeState({
        scope: `${provider}/${scope}`,
        provider_id: provider,
        closed_at: new Date(NOW).toISOString(),
        opened_at: null,
        tokens_before: null,
        reason: 'closed_by_test',
        source_event_id: null,
        occurred_at: new Date(NOW).toISOString(),
      });
      expect([scope, await outcomeOf(here, tokenOf(shape))]).toEqual([scope, 'closed_by_test']);
    }
  });

  test('is refused for another API, from another tenant, of nobody, and late', async () => {
    const here = worldFor(shape);
    expect(await outcomeOf(here, tokenOf(shape, { aud: 'https://elsewhere.example.com' }))).toBe('audience_mismatch');
    expect(await outcomeOf(here, tokenOf(shape, { iss: `${shape.iss}x` }))).toBe('issuer_unknown');
    const { user_id } = providerFor(shape).claim_mappings;
    expect(await outcomeOf(here, tokenOf(shape, { [user_id]: undefined }))).toBe('claim_missing');
    expect(await outcomeOf(here, tokenOf(shape, { exp: seconds - 10 }))).toBe('expired');
  });
});

describe('what is like it, and is not an access token of a person for this API', () => {
  test.each([
    ['an ID token of Auth0', 'Auth0, its own profile', { aud: 'my_client_id', nonce: 'n' }, 'audience_mismatch'],
    [
      'a token of Auth0 for its userinfo alone',
      'Auth0, its own profile',
      { aud: 'https://tenant.eu.auth0.com/userinfo' },
      'audience_mismatch',
    ],
    ['a machine of Okta', 'Okta, a custom authorization server', { uid: undefined, sub: '0oa42' }, 'claim_missing'],
    [
      'a token of Entra for Microsoft Graph',
      'Entra, version 2',
      { aud: '00000003-0000-0000-c000-000000000000' },
      'audience_mismatch',
    ],
    [
      'another tenant of Entra',
      'Entra, version 2',
      { iss: 'https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0' },
      'issuer_unknown',
    ],
    [
      'the common endpoint of Entra',
      'Entra, version 2',
      { iss: 'https://login.microsoftonline.com/common/v2.0' },
      'issuer_unknown',
    ],
    [
      'Keycloak, for its account console alone',
      'Keycloak, with an organization',
      { aud: 'account' },
      'audience_mismatch',
    ],
    [
      'Keycloak, in several organizations at once',
      'Keycloak, with an organization',
      { organization: ['acme', 'globex'] },
      'malformed',
    ],
    [
      'Keycloak, with a text for organizations',
      'Keycloak, with an organization',
      { organization: 'acme' },
      'malformed',
    ],
    ['Clerk, an actor', 'Clerk, version 2, with an organization', { act: { sub: 'user_admin' } }, 'claim_not_allowed'],
    ['Clerk, a text for o', 'Clerk, version 2, with an organization', { o: 'org_2k' }, 'malformed'],
    ['Clerk, a list for o', 'Clerk, version 2, with an organization', { o: [{ id: 'org_2k' }] }, 'malformed'],
    ['Clerk, a number for o.id', 'Clerk, version 2, with an organization', { o: { id: 7 } }, 'malformed'],
  ])('%s', async (_, name, over, reason) => {
    expect(await outcomeOf(worldFor(SHAPES[name]!), tokenOf(SHAPES[name]!, over))).toBe(reason);
  });
});

test('one provider may list the issuers of both versions of Entra', async () => {
  const [two, one] = [SHAPES['Entra, version 2']!, SHAPES['Entra, version 1']!];
  const settings = { issuers: [two.iss, one.iss], audience: [...two.settings!.audience!, ...one.settings!.audience!] };
  const here = worldFor({ ...two, settings });
  expect(await outcomeOf(here, tokenOf(two))).toBe('active');
  expect(await outcomeOf(here, tokenOf(one))).toBe('active');
});

test('a claim further in may be required', async () => {
  const shape = SHAPES['Clerk, version 2, with an organization']!;
  const settings = { ...shape.settings, required_claims: ['o.id'] };
  expect(await outcomeOf(worldFor({ ...shape, settings }), tokenOf(shape))).toBe('active');
  expect(await outcomeOf(worldFor({ ...shape, settings }), tokenOf(shape, { o: undefined }))).toBe('claim_missing');
});

test.each([
  ['org_id', { org_id: 'a' }, 'a'],
  ['org_id', {}, undefined],
  ['o.id', { o: { id: 'a' } }, 'a'],
  ['o.id', { 'o.id': 'b', o: { id: 'a' } }, 'b'],
  ['o.id', { o: {} }, undefined],
  ['o.id', { o: null }, undefined],
  ['o.id', { o: 'a' }, NOT_ONE],
  ['o.id', { o: [{ id: 'a' }] }, NOT_ONE],
  ['o.*', { o: ['a'] }, 'a'],
  ['o.*', { o: { x: 'a' } }, 'a'],
  ['o.*', { o: [] }, undefined],
  ['o.*', { o: {} }, undefined],
  ['o.*', { o: ['a', 'b'] }, NOT_ONE],
  ['o.*.id', { o: { x: { id: 'a' } } }, 'a'],
  ['o.*.id', { o: { x: { id: 'a' }, y: { id: 'b' } } }, NOT_ONE],
  ['constructor', {}, undefined],
  ['__proto__', {}, undefined],
  ['o.constructor.name', { o: {} }, undefined],
  ['o.length', { o: ['a'] }, NOT_ONE],
  ['o.toString', { o: {} }, undefined],
])('claimAt(%s) of %j', (mapping, claims, expected) => expect(claimAt(claims, mapping)).toBe(expected));
