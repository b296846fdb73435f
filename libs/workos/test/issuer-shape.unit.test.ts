import { IssuerRefused, readIssuer } from '../src/issuer-shape.js';

const ISSUER = 'https://api.workos.com/user_management/client_01ABC';

test.each<[string, string, string, string[]]>([
  ['the issuer itself', ISSUER, ISSUER, []],
  ['blanks around it', `  ${ISSUER}\n`, ISSUER, []],
  ['quotes around it', `"${ISSUER}"`, ISSUER, []],
  ['a slash at the end', `${ISSUER}/`, ISSUER, ['issuer_trailing_slash']],
  ['a client ID', 'client_01ABC', ISSUER, ['issuer_was_client_id']],
  ['without https://', 'api.workos.com/user_management/client_01ABC', ISSUER, ['issuer_without_scheme']],
  ['the discovery URL', `${ISSUER}/.well-known/openid-configuration`, ISSUER, ['issuer_was_discovery_url']],
  ['the key set', 'https://api.workos.com/sso/jwks/client_01ABC', ISSUER, ['issuer_was_jwks_url']],
  ['SSO of api', 'https://api.workos.com/sso/client_01ABC', ISSUER, ['issuer_is_sso']],
  ['SSO of auth', 'https://auth.workos.com/sso/client_01ABC', ISSUER, ['issuer_is_sso']],
  ['the generic one', 'https://api.workos.com', 'https://api.workos.com', ['issuer_generic']],
  ['the generic one with a slash', 'https://api.workos.com/', 'https://api.workos.com', ['issuer_generic']],
  [
    'a custom domain with the client',
    'https://auth.acme.com/user_management/client_01ABC',
    'https://auth.acme.com/user_management/client_01ABC',
    ['issuer_custom_domain'],
  ],
  ['an AuthKit domain', 'https://acme.authkit.app', 'https://acme.authkit.app', ['session_is_consent']],
  [
    'a page of an AuthKit domain',
    'https://acme.authkit.app/login',
    'https://acme.authkit.app',
    ['issuer_path_left_out', 'session_is_consent'],
  ],
  ['Auth0', 'https://acme.eu.auth0.com', 'https://acme.eu.auth0.com/', []],
  ['Okta', 'https://acme.okta.com/oauth2/default', 'https://acme.okta.com/oauth2/default', []],
  ['Okta’s org server', 'https://acme.okta.com', 'https://acme.okta.com', ['okta_org_server']],
  ['Entra', 'https://login.microsoftonline.com/8f2c/v2.0', 'https://login.microsoftonline.com/8f2c/v2.0', []],
  [
    'Entra without version',
    'https://login.microsoftonline.com/8f2c',
    'https://login.microsoftonline.com/8f2c/v2.0',
    ['entra_without_version'],
  ],
  ['Entra version 1', 'https://sts.windows.net/8f2c/', 'https://sts.windows.net/8f2c/', ['entra_v1']],
  ['Keycloak', 'https://sso.acme.com/realms/acme', 'https://sso.acme.com/realms/acme', []],
  [
    'an old Keycloak’s endpoint',
    'https://sso.acme.com/auth/realms/acme/protocol/openid-connect/token',
    'https://sso.acme.com/auth/realms/acme',
    ['issuer_path_left_out'],
  ],
  ['Clerk', 'https://calm-fox-1.clerk.accounts.dev', 'https://calm-fox-1.clerk.accounts.dev', []],
  ['Google', 'https://accounts.google.com/', 'https://accounts.google.com', []],
  ['somebody else', 'https://auth.acme.com', 'https://auth.acme.com', []],
])('%s', (_, pasted, issuer, warnings) => {
  const shape = readIssuer(pasted, false);
  expect(shape.issuer).toBe(issuer);
  expect(shape.warnings.map(({ code }) => code)).toEqual(warnings);
});

test.each<[string, string, string | undefined]>([
  ['', 'issuer_blank', 'client id'],
  ['sk_live_abcdefghij', 'issuer_is_api_key', 'client id'],
  ['https://api.workos.com/user_management/sk_test_abcdefghij', 'issuer_is_api_key', 'client id'],
  ['https://sk_test_abcdefghij@api.workos.com', 'issuer_is_api_key', 'client id'],
  ['whsec_0FWAiVGkEfGBqqsJH4aNAGBJ4', 'issuer_is_webhook_secret', 'client id'],
  ['eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln', 'issuer_is_token', 'client id'],
  ['conn_01ABC', 'issuer_is_sso_connection', 'client id'],
  ['https://api.workos.com/sso/conn_01ABC', 'issuer_is_sso_connection', 'client id'],
  ['https://auth.workos.com/sso/conn_01ABC', 'issuer_is_sso_connection', 'client id'],
  ['org_01ABC', 'issuer_is_id', 'client id'],
  ['https://dashboard.workos.com/environment_1/api-keys', 'issuer_is_dashboard_url', 'client id'],
  ['https://workos.com/docs', 'issuer_is_website', 'client id'],
  ['https://api.workos.com/user_management', 'issuer_without_client_id', 'client id'],
  ['https://api.workos.com/user_management/', 'issuer_without_client_id', 'client id'],
  ['https://api.workos.com/user_management/authorize', 'issuer_not_of_workos', 'client id'],
  ['https://api.workos.com/user_management/acme', 'issuer_not_of_workos', 'client id'],
  ['https://api.workos.com/sso', 'issuer_not_of_workos', 'client id'],
  ['http://api.workos.com/user_management/client_01ABC', 'issuer_is_http', ISSUER],
  ['http://auth.acme.com/', 'issuer_is_http', 'https://auth.acme.com'],
  ['https://me:pw@auth.acme.com', 'issuer_has_credentials', undefined],
  ['https://auth.acme.com/a?b=c', 'issuer_has_query', 'https://auth.acme.com/a'],
  ['https://auth.acme.com/#a', 'issuer_has_query', 'https://auth.acme.com/'],
  ['acme', 'issuer_not_a_url', 'client id'],
  ['our workos issuer', 'issuer_not_a_url', 'client id'],
  ['https://', 'issuer_not_a_url', 'client id'],
  [`https://{${'A'.repeat(18_000)}/x`, 'issuer_not_a_url', 'client id'],
  ['ftp://auth.acme.com', 'issuer_not_a_url', 'client id'],
  ['javascript:alert(1)', 'issuer_not_a_url', 'client id'],
  ['me@acme.com', 'issuer_not_a_url', 'client id'],
  ['https://login.microsoftonline.com/common/v2.0', 'issuer_is_template', '<tenant id>'],
  ['https://login.microsoftonline.com/organizations', 'issuer_is_template', '<tenant id>'],
  ['https://manage.auth0.com/dashboard', 'issuer_is_dashboard_url', 'auth0.com'],
  ['https://acme-admin.okta.com/admin', 'issuer_is_dashboard_url', 'https://acme.okta.com/oauth2/default'],
])('%j is refused: %s', (pasted, code, suggestion) => {
  const refused = refusalOf(pasted);
  expect(refused.code).toBe(code);
  expect(refused.message.length).toBeGreaterThan(30);
  if (suggestion === undefined) expect(refused.suggestion).toBeUndefined();
  else expect(refused.suggestion).toContain(suggestion);
});

test('no sentence repeats a secret that was pasted', () => {
  for (const secret of [
    'sk_live_abcdefghij',
    'whsec_0FWAiVGkEfGBqqsJH4',
    'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln',
  ]) {
    for (const pasted of [
      secret,
      `https://api.workos.com/${secret}`,
      `https://${secret}@x.com`,
      `http://x.com/?a=${secret}`,
    ]) {
      const { message, suggestion, stack, cause } = refusalOf(pasted);
      expect([message, suggestion, stack, String(cause)].join()).not.toContain(secret.slice(6));
    }
  }
});

test('in development http is looked at', () => {
  const issuer = 'http://127.0.0.1:3010/user_management/client_01SANDBOX';
  expect(readIssuer(issuer, true)).toEqual({ issuer, vendor: 'workos', clientId: 'client_01SANDBOX', warnings: [] });
});

function refusalOf(pasted: string): IssuerRefused {
  try {
    readIssuer(pasted, false);
  } catch (error) {
    if (error instanceof IssuerRefused) return error;
    throw error;
  }
  throw new Error(`${pasted} was not refused`);
}
