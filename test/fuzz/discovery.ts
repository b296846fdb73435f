import { strictEqual } from 'node:assert/strict';
import { bytesNear, type FuzzTarget, jsonNear, unlessRefused } from '#testing/fuzz.js';
import { discover } from '#workos/discovery.js';
import { IssuerRefused, readIssuer } from '#workos/issuer-shape.js';

const ISSUERS = [
  'https://api.workos.com/user_management/client_01ABC',
  'https://api.workos.com',
  'https://tenant.eu.auth0.com/',
  'https://dev-1.okta.com/oauth2/default',
  'https://login.microsoftonline.com/3fa85f64-5717-4562-b3fc-2c963f66afa6/v2.0',
  'https://sts.windows.net/3fa85f64-5717-4562-b3fc-2c963f66afa6/',
  'https://login.example.com/realms/main',
  'https://app.clerk.accounts.dev',
  'https://name.authkit.app/.well-known/openid-configuration',
  'client_01ABC',
  '<https://dashboard.workos.com/environment>',
];

/** What a person pastes: an issuer that is a URL of its own host, without user, query or fragment; or a refusal. */
const pastedIssuer: FuzzTarget = {
  name: 'pasted issuer',
  inputs: bytesNear(ISSUERS.map((issuer) => Buffer.from(issuer))),
  check(input) {
    const shape = unlessRefused(IssuerRefused, () => readIssuer(input.toString('utf8'), false));
    if (shape === undefined) return;
    const url = new URL(shape.issuer);
    strictEqual(url.protocol, 'https:');
    strictEqual(url.username + url.password + url.search + url.hash, '');
    strictEqual(/\s/.test(shape.issuer), false);
  },
};

const ISSUER = 'https://login.example.com/realms/main';
const DOCUMENTS = [
  {
    issuer: ISSUER,
    authorization_endpoint: `${ISSUER}/protocol/openid-connect/auth`,
    token_endpoint: `${ISSUER}/protocol/openid-connect/token`,
    introspection_endpoint: `${ISSUER}/protocol/openid-connect/token/introspect`,
    jwks_uri: `${ISSUER}/protocol/openid-connect/certs`,
    response_types_supported: ['code'],
  },
  {
    issuer: `${ISSUER}/`,
    authorization_endpoint: `${ISSUER}/user_management/authorize`,
    token_endpoint: `${ISSUER}/user_management/authenticate`,
    jwks_uri: `${ISSUER}/sso/jwks/client_01ABC`,
  },
];
const KEYS = { keys: [{ kty: 'RSA', use: 'sig', alg: 'RS256', kid: '1', n: 'AQ', e: 'AQAB' }] };

async function found(document: Buffer, keys: Buffer): Promise<void> {
  const answers = [document, keys];
  let asked = 0;
  try {
    const result = await discover(ISSUER, {
      allowLocalHosts: false,
      fetch: async () => {
        const body = answers[asked++];
        if (body === undefined) throw new Error('asked a third time');
        return { status: 200, contentType: 'application/json', body };
      },
    });
    strictEqual([ISSUER, `${ISSUER}/`].includes(result.issuer), true, result.issuer);
    strictEqual(/^https?:$/.test(new URL(result.jwks_uri ?? '').protocol), true);
    strictEqual(result.algorithms.length > 0 && !result.algorithms.some((name) => /^(HS|none)/i.test(name)), true);
  } catch (error) {
    if (!(error instanceof IssuerRefused)) throw error;
  }
}

/** A discovery document is of the issuer that was asked, but for a slash, and names a key set on the web; or a refusal. */
const discoveryDocument: FuzzTarget = {
  name: 'discovery document',
  inputs: jsonNear(DOCUMENTS),
  check: (input) => found(input, Buffer.from(JSON.stringify(KEYS))),
};

/** A key set that discovery looks at. */
const discoveredKeys: FuzzTarget = {
  name: 'discovered key set',
  inputs: jsonNear([KEYS]),
  check: (input) => found(Buffer.from(JSON.stringify(DOCUMENTS[0])), input),
};

export const discoveryTargets: FuzzTarget[] = [pastedIssuer, discoveryDocument, discoveredKeys];
