import { createHash, timingSafeEqual } from 'node:crypto';
import { SignJWT } from 'jose';
import { z } from 'zod';
import { invalidGrant, oauthError, refused } from './api-error.js';
import { createSession, membershipOf, requireUser } from './directory.js';
import { newUlid, randomText } from './ids.js';
import type { AuthMethod, Session, User } from './objects.js';
import type { World } from './world.js';

/** How AuthKit signs people in: `authorize` gives a code, `authenticate` exchanges it (JSON; no id_token, no token_type). */

const CODE_TTL_MS = 600_000;

export interface AuthorizeRequest {
  client_id: string;
  redirect_uri: string;
  response_type: string;
  state?: string | undefined;
  provider?: string | undefined;
  organization_id?: string | undefined;
  connection_id?: string | undefined;
  login_hint?: string | undefined;
  code_challenge?: string | undefined;
  code_challenge_method?: string | undefined;
}

export interface IssuedCode {
  userId: string;
  organizationId: string | undefined;
  codeChallenge: string | undefined;
  issuedAtMs: number;
}

export interface SignIns {
  codes: Map<string, IssuedCode>;
  /** Sign-ins that wait for the choice of an organization. */
  pending: Map<string, { userId: string; authMethod: AuthMethod }>;
}

export const noSignIns = (): SignIns => ({ codes: new Map(), pending: new Map() });

/** Why the browser cannot even be sent back; undefined where it can. */
export function problemOfAuthorize(world: World, request: AuthorizeRequest): string | undefined {
  if (request.client_id !== world.options.clientId) return 'The client ID is not one of this environment.';
  if (!URL.canParse(request.redirect_uri)) return 'The redirect URI is missing or not a URL.';
  const { redirectUris } = world.options;
  if (redirectUris && !redirectUris.includes(request.redirect_uri)) return 'This is not a valid redirect URI.';
  if (request.response_type !== 'code') return 'response_type must be code.';
  if (request.code_challenge !== undefined && request.code_challenge_method !== 'S256') {
    return 'Only the code challenge method S256 is supported.';
  }
  return [request.provider, request.connection_id, request.organization_id].some((selector) => selector !== undefined)
    ? undefined
    : 'One of provider, connection_id and organization_id is needed.';
}

/** Where the browser goes once the person is known; a sign-up is a sign-in for an email that nobody has. */
export function redirectAfterLogin(world: World, signIns: SignIns, request: AuthorizeRequest, email: string): string {
  const target = new URL(request.redirect_uri);
  const userId = world.userIdByEmail.get(email.toLowerCase());
  if (userId === undefined) {
    target.searchParams.set('error', 'access_denied');
    target.searchParams.set('error_description', 'There is no user with this email.');
  } else {
    const code = randomText(26);
    signIns.codes.set(code, {
      userId,
      organizationId: request.organization_id,
      codeChallenge: request.code_challenge,
      issuedAtMs: Date.now(),
    });
    target.searchParams.set('code', code);
  }
  if (request.state !== undefined) target.searchParams.set('state', request.state);
  return target.href;
}

const client = {
  client_id: z.string(),
  client_secret: z.string().optional(),
  ip_address: z.string().optional(),
  user_agent: z.string().optional(),
};
const authenticateBody = z.discriminatedUnion('grant_type', [
  z.object({
    ...client,
    grant_type: z.literal('authorization_code'),
    code: z.string(),
    code_verifier: z.string().optional(),
  }),
  z.object({ ...client, grant_type: z.literal('password'), email: z.string(), password: z.string() }),
  z.object({
    ...client,
    grant_type: z.literal('refresh_token'),
    refresh_token: z.string(),
    organization_id: z.string().optional(),
  }),
  z.object({
    ...client,
    grant_type: z.literal('urn:workos:oauth:grant-type:organization-selection'),
    pending_authentication_token: z.string(),
    organization_id: z.string(),
  }),
]);
type AuthenticateBody = z.infer<typeof authenticateBody>;

/** `POST /user_management/authenticate`. Throws `ApiError` in WorkOS's shapes. */
export async function authenticate(world: World, signIns: SignIns, json: unknown): Promise<object> {
  const parsed = authenticateBody.safeParse(json);
  if (!parsed.success) throw oauthError(400, 'invalid_request', z.prettifyError(parsed.error));
  const body = parsed.data;
  const isConfidential = body.client_secret !== undefined;
  if (
    body.client_id !== world.options.clientId ||
    (isConfidential && !same(body.client_secret!, world.options.apiKey))
  ) {
    throw oauthError(401, 'invalid_client', 'The client ID or the client secret is wrong.');
  }
  switch (body.grant_type) {
    case 'authorization_code':
      return byCode(world, signIns, body);
    case 'password':
      return byPassword(world, signIns, body);
    case 'refresh_token':
      return byRefreshToken(world, body);
    case 'urn:workos:oauth:grant-type:organization-selection':
      return bySelection(world, signIns, body);
  }
}

type Of<Grant> = Extract<AuthenticateBody, { grant_type: Grant }>;

async function byCode(world: World, signIns: SignIns, body: Of<'authorization_code'>): Promise<object> {
  const issued = signIns.codes.get(body.code);
  signIns.codes.delete(body.code);
  if (!issued || Date.now() - issued.issuedAtMs > CODE_TTL_MS) {
    throw invalidGrant(`The code '${body.code}' has expired or is invalid.`);
  }
  if (issued.codeChallenge !== undefined) {
    const given = createHash('sha256')
      .update(body.code_verifier ?? '')
      .digest('base64url');
    if (!same(given, issued.codeChallenge)) throw invalidGrant('The code verifier does not match the code challenge.');
  } else if (body.client_secret === undefined) {
    throw oauthError(401, 'invalid_client', 'A client without a secret needs PKCE.');
  }
  return signIn(world, signIns, requireKnown(world, issued.userId), 'magic_code', body, issued.organizationId);
}

async function byPassword(world: World, signIns: SignIns, body: Of<'password'>): Promise<object> {
  const userId = world.userIdByEmail.get(body.email.toLowerCase());
  if (userId === undefined || !same(world.passwords.get(userId) ?? randomText(32), body.password)) {
    throw refused(400, 'invalid_credentials', 'Invalid credentials.');
  }
  return signIn(world, signIns, requireUser(world, userId), 'password', body, undefined);
}

async function bySelection(
  world: World,
  signIns: SignIns,
  body: Of<'urn:workos:oauth:grant-type:organization-selection'>,
): Promise<object> {
  const pending = signIns.pending.get(body.pending_authentication_token);
  if (!pending) throw invalidGrant('The pending authentication token has expired or is invalid.');
  signIns.pending.delete(body.pending_authentication_token);
  return signIn(world, signIns, requireKnown(world, pending.userId), pending.authMethod, body, body.organization_id);
}

/** A refresh token is good for one exchange, while its session is active and the person may still be there. */
async function byRefreshToken(world: World, body: Of<'refresh_token'>): Promise<object> {
  const token = world.refreshTokens.get(body.refresh_token);
  const session = token && world.sessions.get(token.sessionId);
  if (!token || !session || token.exchanged) throw invalidGrant('Refresh token already exchanged or invalid.');
  const user = world.users.get(session.user_id);
  if (!user || session.status !== 'active' || Date.parse(session.expires_at) <= world.clock.now()) {
    throw invalidGrant('Session has already ended.');
  }
  const organizationId = body.organization_id ?? session.organization_id;
  if (organizationId !== undefined && membershipOf(world, user.id, organizationId)?.status !== 'active') {
    throw invalidGrant('The user is not an active member of the organization.');
  }
  token.exchanged = true;
  if (organizationId !== undefined) session.organization_id = organizationId;
  return answer(world, user, session, undefined);
}

async function signIn(
  world: World,
  signIns: SignIns,
  user: User,
  authMethod: AuthMethod,
  { ip_address, user_agent }: { ip_address?: string | undefined; user_agent?: string | undefined },
  wanted: string | undefined,
): Promise<object> {
  if (world.options.requireEmailVerification && !user.email_verified) {
    throw refused(403, 'email_verification_required', 'Email ownership must be verified before authentication.', {
      email: user.email,
    });
  }
  const organizationId = wanted ?? chooseOrganization(world, signIns, user, authMethod);
  if (organizationId !== undefined && membershipOf(world, user.id, organizationId)?.status !== 'active') {
    throw refused(403, 'organization_membership_inactive', 'The user is not an active member of the organization.');
  }
  const session = createSession(world, {
    userId: user.id,
    organizationId,
    authMethod,
    ipAddress: ip_address,
    userAgent: user_agent,
  });
  return answer(world, user, session, authMethod);
}

/** The one where there is one; of several the person must say which. */
function chooseOrganization(world: World, signIns: SignIns, user: User, authMethod: AuthMethod): string | undefined {
  const ids = world.membershipIdsByUser
    .of(user.id)
    .flatMap((id) => world.memberships.get(id) ?? [])
    .filter(({ status }) => status === 'active')
    .map(({ organization_id }) => organization_id);
  if (ids.length < 2) return ids[0];
  const token = randomText(26);
  signIns.pending.set(token, { userId: user.id, authMethod });
  throw refused(
    403,
    'organization_selection_required',
    'The user must choose an organization to finish their authentication.',
    {
      pending_authentication_token: token,
      organizations: ids.map((id) => ({ id, name: world.organizations.get(id)?.name })),
      user,
    },
  );
}

async function answer(world: World, user: User, session: Session, authMethod: AuthMethod | undefined): Promise<object> {
  const refreshToken = randomText(25);
  world.refreshTokens.set(refreshToken, { sessionId: session.id, exchanged: false });
  return {
    user,
    ...(session.organization_id === undefined ? {} : { organization_id: session.organization_id }),
    access_token: await mint(world, user, session),
    refresh_token: refreshToken,
    ...(authMethod === undefined ? {} : { authentication_method: METHOD_NAMES[authMethod] }),
  };
}

const METHOD_NAMES: Record<AuthMethod, string> = {
  password: 'Password',
  magic_code: 'MagicAuth',
  impersonation: 'Impersonation',
};

export function issuerOf(world: World): string {
  const { clientId, token } = world.options;
  return token.issuerShape === 'generic' ? world.baseUrl : `${world.baseUrl}/user_management/${clientId}`;
}

async function mint(world: World, user: User, session: Session): Promise<string> {
  const { token, clientId } = world.options;
  const { kid, privateKey } = world.keys.current;
  const organizationId = session.organization_id;
  const role = organizationId === undefined ? undefined : membershipOf(world, user.id, organizationId)?.role.slug;
  const iat = Math.floor(world.clock.now() / 1_000);
  const claims = {
    ...token.extraClaims,
    ...(token.clientId ? { client_id: clientId, auth_time: Math.floor(Date.parse(session.created_at) / 1_000) } : {}),
    ...(token.audience === null ? {} : { aud: token.audience }),
    iss: issuerOf(world),
    sub: user.id,
    sid: session.id,
    jti: newUlid(),
    ...(role === undefined
      ? {}
      : { org_id: organizationId, role, roles: [role], permissions: world.permissionsByRole.get(role) ?? [] }),
    iat,
    exp: iat + token.ttlSeconds,
  };
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid, typ: 'JWT' }).sign(privateKey);
}

function requireKnown(world: World, userId: string): User {
  const user = world.users.get(userId);
  if (!user) throw invalidGrant('The user does not exist any more.');
  return user;
}

const same = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
};
