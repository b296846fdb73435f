/** Something about a pasted issuer that a person should know; nothing that stops. */
export interface Warning {
  code: string;
  message: string;
}

/** What was pasted cannot be an issuer. The message says what to paste instead, and never repeats a secret. */
export class IssuerRefused extends Error {
  override readonly name = 'IssuerRefused';
  /** @param suggestion what to paste instead, where that can be told; `<…>` stands for what has to be filled in */
  constructor(
    readonly code: string,
    message: string,
    readonly suggestion?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export type Vendor = 'workos' | 'authkit' | 'auth0' | 'okta' | 'entra' | 'keycloak' | 'clerk' | 'google' | 'unknown';

export interface ClaimMappings {
  user_id: string;
  organization_id: string;
  session_id: string;
}

/** What the text alone tells. */
export interface IssuerShape {
  issuer: string;
  vendor: Vendor;
  /** WorkOS: whose keys sign. */
  clientId?: string;
  /** There is nothing to ask: the issuer stands for many clients. */
  generic?: true;
  warnings: Warning[];
}

export const WORKOS_API = 'https://api.workos.com';
const CLIENT_ID = /^client_[A-Za-z0-9]+$/;
const EXAMPLE = `${WORKOS_API}/user_management/<client id>`;

/** AuthKit's issuer of a client, in environments made since the middle of 2025. */
export const workosIssuer = (clientId: string): string => `${WORKOS_API}/user_management/${clientId}`;

/** Which claims hold what, by vendor; the group claim is to be confirmed by a person in any case. */
export function claimMappingsOf(vendor: Vendor): ClaimMappings {
  const usual = { user_id: 'sub', organization_id: 'org_id', session_id: 'sid' };
  switch (vendor) {
    case 'entra':
      return { ...usual, user_id: 'oid', organization_id: 'tid' };
    case 'okta':
      return { ...usual, user_id: 'uid' };
    case 'keycloak':
      return { ...usual, organization_id: 'organization.*' };
    case 'google':
      return { ...usual, organization_id: 'hd' };
    case 'clerk':
      return { ...usual, organization_id: 'o.id' };
    case 'workos':
    case 'authkit':
    case 'auth0':
    case 'unknown':
      return usual;
  }
}

/**
 * Recognises an issuer by its text, mends what is plainly meant (a client id, a discovery URL, a slash) with a warning, and
 * throws {@link IssuerRefused} where something else must be pasted.
 * @param allowHttp whether http is looked at at all (development)
 */
export function readIssuer(pasted: string, allowHttp: boolean): IssuerShape {
  const text = pasted.trim().replace(/^(["'<])(.*)[">']$/, '$2');
  refuseSecrets(text);
  refuseOtherThings(text);
  if (CLIENT_ID.test(text)) {
    return {
      issuer: workosIssuer(text),
      vendor: 'workos',
      clientId: text,
      warnings: [
        {
          code: 'issuer_was_client_id',
          message: `This is a client ID; its AuthKit issuer is ${workosIssuer(text)}, which was looked up.`,
        },
      ],
    };
  }
  const { url, warnings } = readUrl(text, allowHttp);
  const shape = shapeOf(url);
  return { ...shape, warnings: [...warnings, ...shape.warnings] };
}

function refuseSecrets(text: string): void {
  if (/\bsk_[A-Za-z0-9_]{6,}/.test(text)) {
    throw new IssuerRefused(
      'issuer_is_api_key',
      'This holds a WorkOS API key, which is a secret: make a new one in the dashboard and delete this one. The issuer is ' +
        `${EXAMPLE}; the client ID stands beside the API keys and begins with client_.`,
      EXAMPLE,
    );
  }
  if (/\bwhsec_/.test(text)) {
    throw new IssuerRefused(
      'issuer_is_webhook_secret',
      `This is a webhook’s signing secret, which is pasted later. The issuer is ${EXAMPLE}.`,
      EXAMPLE,
    );
  }
  if (/\beyJ[\w-]{8,}\./.test(text)) {
    throw new IssuerRefused(
      'issuer_is_token',
      'This is a token. The issuer is what its claim iss says, such as ' + EXAMPLE + '.',
      EXAMPLE,
    );
  }
}

function refuseOtherThings(text: string): void {
  if (text === '') {
    throw new IssuerRefused('issuer_blank', `Nothing was pasted. With WorkOS the issuer is ${EXAMPLE}.`, EXAMPLE);
  }
  if (/^conn_[A-Za-z0-9]+$/.test(text)) throw ssoConnection();
  if (/^(org|user|directory|environment|project|we)_[A-Za-z0-9]+$/.test(text)) {
    throw new IssuerRefused(
      'issuer_is_id',
      `This is an id of something else. What is needed is the client ID (client_…) or the issuer ${EXAMPLE}.`,
      EXAMPLE,
    );
  }
}

const ssoConnection = (): IssuerRefused =>
  new IssuerRefused(
    'issuer_is_sso_connection',
    'This is a connection of standalone SSO, which signs no tokens that could be verified. People who sign in with AuthKit ' +
      `have tokens of ${EXAMPLE}: paste that, with the client ID of the environment (client_…, beside the API keys).`,
    EXAMPLE,
  );

/** RFC 1035, section 2.3.4. Some versions of Node take longer ones for readable, and others do not. */
const LONGEST_HOST = 253;

function readUrl(text: string, allowHttp: boolean): { url: URL; warnings: Warning[] } {
  const warnings: Warning[] = [];
  const notUrl = (): IssuerRefused =>
    new IssuerRefused(
      'issuer_not_a_url',
      `This is no URL. An issuer is one, such as ${EXAMPLE} or https://auth.example.com.`,
      EXAMPLE,
    );
  let given = text;
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(given)) {
    if (!/^[\w-]+(\.[\w-]+)+(:\d+)?(\/\S*)?$/.test(given)) throw notUrl();
    given = `https://${given}`;
    warnings.push({ code: 'issuer_without_scheme', message: 'https:// was put in front: an issuer is a whole URL.' });
  }
  const url = URL.parse(given);
  if (url === null || /\s/.test(given) || url.hostname.length > LONGEST_HOST) throw notUrl();
  if (url.protocol === 'http:' && !allowHttp) {
    const secure = given.replace(/^http:/i, 'https:').replace(/\/+$/, '');
    throw new IssuerRefused(
      'issuer_is_http',
      'Over http anybody on the way could put keys of their own in place of the issuer’s: paste it with https.',
      url.username + url.password === '' && url.search + url.hash === '' ? secure : undefined,
    );
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw notUrl();
  if (url.username !== '' || url.password !== '') {
    throw new IssuerRefused('issuer_has_credentials', 'There is a user or password in this URL: paste it without.');
  }
  if (url.search !== '' || url.hash !== '') {
    throw new IssuerRefused(
      'issuer_has_query',
      'An issuer has no query and no fragment (OpenID Connect Discovery 1.0, section 3): paste it up to the ? or #.',
      url.origin + url.pathname,
    );
  }
  const wellKnown = /^(.*)\/\.well-known\/(openid-configuration|oauth-authorization-server)\/?$/.exec(url.pathname);
  if (wellKnown) {
    url.pathname = wellKnown[1]!;
    warnings.push({
      code: 'issuer_was_discovery_url',
      message: 'This is the address of the discovery document; the issuer is what stands before /.well-known.',
    });
  }
  return { url, warnings };
}

function shapeOf(url: URL): IssuerShape {
  const host = url.hostname.replace(/\.$/, '');
  if (/^(dashboard|app|console)\.workos\.com$/.test(host)) {
    throw new IssuerRefused(
      'issuer_is_dashboard_url',
      `This is a page of the WorkOS dashboard. Paste ${EXAMPLE}; the client ID stands there under API keys.`,
      EXAMPLE,
    );
  }
  if (/^(www\.)?workos\.com$/.test(host)) {
    throw new IssuerRefused('issuer_is_website', `This is WorkOS’s website. The issuer is ${EXAMPLE}.`, EXAMPLE);
  }
  if (host === 'api.workos.com' || host === 'auth.workos.com') return workosShape(url, host);
  if (host.endsWith('.authkit.app')) return authkitShape(url);
  return clientPathShape(url) ?? vendorShape(url, host);
}

function workosShape(url: URL, host: string): IssuerShape {
  const path = url.pathname.replace(/\/+$/, '');
  const slash: Warning[] = url.pathname !== path && path !== '' ? [trailingSlash()] : [];
  if (path === '' && host === 'api.workos.com') {
    return {
      issuer: WORKOS_API,
      vendor: 'workos',
      generic: true,
      warnings: [
        {
          code: 'issuer_generic',
          message:
            'This issuer is the same for every WorkOS client, so it does not tell whose keys sign. Paste ' +
            `${EXAMPLE} instead. Only environments made before the middle of 2025 issue tokens with ${WORKOS_API} itself: ` +
            `for one of those, add it with its client ID and the key set ${WORKOS_API}/sso/jwks/<client id>.`,
        },
      ],
    };
  }
  const [, area, part, last, rest] = path.split('/');
  if (rest === undefined && area === 'sso' && part === 'jwks' && CLIENT_ID.test(last ?? '')) {
    return authkitOf(last!, {
      code: 'issuer_was_jwks_url',
      message: `This is the key set of a client; its AuthKit issuer is ${workosIssuer(last!)}, which was looked up.`,
    });
  }
  if (last === undefined && area === 'sso' && CLIENT_ID.test(part ?? '')) {
    return authkitOf(part!, {
      code: 'issuer_is_sso',
      message:
        `This is the issuer of standalone SSO. People who sign in with AuthKit have tokens of ${workosIssuer(part!)}, which ` +
        'was looked up in its place.',
    });
  }
  if (area === 'sso' && (part ?? '').startsWith('conn_')) throw ssoConnection();
  if (last === undefined && area === 'user_management' && CLIENT_ID.test(part ?? '') && host === 'api.workos.com') {
    return { issuer: workosIssuer(part!), vendor: 'workos', clientId: part!, warnings: slash };
  }
  if (area === 'user_management' && (part === undefined || part.startsWith('<'))) {
    throw new IssuerRefused(
      'issuer_without_client_id',
      `The client ID is missing at the end: ${EXAMPLE}. It begins with client_ and stands under API keys in the dashboard.`,
      EXAMPLE,
    );
  }
  throw new IssuerRefused(
    'issuer_not_of_workos',
    `WorkOS has no issuer at this path. AuthKit’s is ${EXAMPLE}, with a client ID that begins with client_.`,
    EXAMPLE,
  );
}

const authkitOf = (clientId: string, warning: Warning): IssuerShape => ({
  issuer: workosIssuer(clientId),
  vendor: 'workos',
  clientId,
  warnings: [warning],
});

const trailingSlash = (): Warning => ({
  code: 'issuer_trailing_slash',
  message:
    'The slash at the end was left out: tokens carry the issuer without it, and it is compared letter by letter.',
});

/** An AuthKit domain: real OpenID Connect, for OAuth applications (Connect). */
function authkitShape(url: URL): IssuerShape {
  return {
    issuer: url.origin,
    vendor: 'authkit',
    warnings: [...(url.pathname === '/' || url.pathname === '' ? [] : [pathLeftOut(url.origin)]), connectSession()],
  };
}

export const connectSession = (): Warning => ({
  code: 'session_is_consent',
  message:
    'In tokens of WorkOS Connect sid is the id of a consent, not of a session, so session.revoked does not reach them. ' +
    `Sessions of AuthKit have tokens of ${EXAMPLE}.`,
});

const pathLeftOut = (issuer: string): Warning => ({
  code: 'issuer_path_left_out',
  message: `The issuer is ${issuer} alone; what came after it was left out.`,
});

/** `…/user_management/<client id>` on a host of one's own: a custom authentication domain, or a sandbox. */
function clientPathShape(url: URL): IssuerShape | undefined {
  const [, clientId] = /^\/user_management\/(client_[A-Za-z0-9_]+)\/*$/.exec(url.pathname) ?? [];
  if (clientId === undefined) return undefined;
  const issuer = `${url.origin}/user_management/${clientId}`;
  const custom: Warning = {
    code: 'issuer_custom_domain',
    message:
      `Tokens carry this issuer while the custom domain is switched on; before and after it is ${workosIssuer(clientId)}. ` +
      'List both while you change over.',
  };
  return {
    issuer,
    vendor: 'workos',
    clientId,
    warnings: [
      ...(url.pathname.endsWith('/') ? [trailingSlash()] : []),
      ...(url.protocol === 'https:' ? [custom] : []),
    ],
  };
}

function vendorShape(url: URL, host: string): IssuerShape {
  const asPasted = url.origin + (url.pathname === '/' ? '' : url.pathname);
  const found = (vendor: Vendor, issuer = asPasted, warnings: Warning[] = []): IssuerShape => ({
    issuer,
    vendor,
    warnings,
  });

  if (host === 'login.microsoftonline.com' || host === 'sts.windows.net') return entraShape(url, host, found);
  if (/(^|\.)auth0\.com$/.test(host)) {
    if (host === 'manage.auth0.com') throw adminPage('Auth0', 'https://<tenant>.<region>.auth0.com/');
    return found('auth0', `${url.origin}/`); // Auth0's issuers end with a slash
  }
  if (/\.(okta|oktapreview|okta-emea|okta-gov)\.com$/.test(host)) {
    if (/-admin\./.test(host)) throw adminPage('Okta', `https://${host.replace('-admin', '')}/oauth2/default`);
    const issuer = asPasted.replace(/\/+$/, '');
    const own = /^\/oauth2\/[^/]+\/?$/.test(url.pathname);
    const warning: Warning = {
      code: 'okta_org_server',
      message: `Access tokens of Okta’s org server are for Okta alone; APIs take those of a custom one: ${url.origin}/oauth2/default.`,
    };
    return found('okta', issuer, own ? [] : [warning]);
  }
  const realm = /^((?:\/[^/]+)*?\/realms\/[^/]+)(\/.*)?$/.exec(url.pathname);
  if (realm) {
    const issuer = url.origin + realm[1]!;
    return found('keycloak', issuer, realm[2] && realm[2] !== '/' ? [pathLeftOut(issuer)] : []);
  }
  if (/\.clerk\.accounts\.dev$/.test(host) || /^clerk\./.test(host)) {
    if (host === 'dashboard.clerk.com') throw adminPage('Clerk', 'https://<your app>.clerk.accounts.dev');
    return found('clerk', url.origin);
  }
  if (host === 'accounts.google.com') return found('google', url.origin);
  return found('unknown');
}

function entraShape(
  url: URL,
  host: string,
  found: (vendor: Vendor, issuer: string, warnings?: Warning[]) => IssuerShape,
) {
  const [, tenant = '', version = ''] = url.pathname.split('/');
  const instead = 'https://login.microsoftonline.com/<tenant id>/v2.0';
  if (['', 'common', 'organizations', 'consumers'].includes(tenant.toLowerCase())) {
    throw new IssuerRefused(
      'issuer_is_template',
      `This address stands for every tenant, and no token carries it as its issuer. Paste your own tenant’s: ${instead}.`,
      instead,
    );
  }
  if (host === 'sts.windows.net') {
    return found('entra', `${url.origin}/${tenant}/`, [
      {
        code: 'entra_v1',
        message: `This is the issuer of version 1 tokens. Where your API asks for version 2 it is ${instead.replace('<tenant id>', tenant)}.`,
      },
    ]);
  }
  const issuer = `${url.origin}/${tenant}/v2.0`;
  if (version === 'v2.0') return found('entra', issuer);
  const warning = {
    code: 'entra_without_version',
    message: `/v2.0 was put at the end: version 2 tokens carry ${issuer}.`,
  };
  return found('entra', issuer, [warning]);
}

const adminPage = (vendor: string, instead: string): IssuerRefused =>
  new IssuerRefused(
    'issuer_is_dashboard_url',
    `This is a page for ${vendor}’s administrators. Paste ${instead}.`,
    instead,
  );
