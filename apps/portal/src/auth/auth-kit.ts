import { createHash, randomBytes } from 'node:crypto';
import { Problem } from '#platform/problem.js';
import { apiKeyOwner, type EncryptionKeys, unseal } from '#providers/sealing.js';
import { AuthKit, AuthKitError, type Authenticated } from '#workos/auth-kit.js';
import { markSignIn, type ProviderRow, readProvider } from '../providers/identity-providers.sql.js';
import type { Database } from '#platform/database.js';
import type { Upstream } from '../console/proxy.js';
import { type ActiveToken, verifyToken } from './verify.js';

/** A person whose tokens were just made by WorkOS and judged by our own rule. */
export interface SignedIn {
  token: ActiveToken;
  user: Authenticated['user'];
  tokens: Tokens;
}
export interface Tokens {
  access: string;
  refresh: string;
}

export const newVerifier = (): string => randomBytes(32).toString('base64url');
/** RFC 7636, section 4.2. */
export const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

type SignInRow = ProviderRow & { api_key: string; settings: { client_id: string } };

/** Whether people sign in with it: it is WorkOS, and we have its client ID and API key. */
export const canSignIn = (row: ProviderRow): row is SignInRow =>
  row.settings.kind === 'workos' && !!row.settings.client_id && row.api_key !== null;

/** Signing in with a provider's AuthKit: what WorkOS says, and then what the rule says of the token. */
export class ProviderSignIn {
  constructor(
    private readonly database: Database,
    private readonly keys: EncryptionKeys,
    private readonly verifier: Upstream,
  ) {}

  /** Throws 404 `sign_in_not_configured` for a provider that is not WorkOS, or lacks client ID or API key. */
  async kitOf(providerId: string): Promise<AuthKit> {
    const row = await this.database.read((tx) => readProvider(tx, providerId));
    if (!row || !canSignIn(row)) {
      throw new Problem(
        404,
        'sign_in_not_configured',
        'Nobody signs in with this identity provider: it has to be WorkOS, with a client ID and an API key.',
      );
    }
    const apiKey = unseal(row.api_key, apiKeyOwner(providerId), this.keys);
    return new AuthKit({ clientId: row.settings.client_id, apiKey, baseUrl: row.settings.api_base_url });
  }

  async byCode(providerId: string, code: string, codeVerifier: string): Promise<SignedIn> {
    const kit = await this.kitOf(providerId);
    const signedIn = await this.judged(providerId, () => kit.byCode(code, codeVerifier));
    await this.database.transaction((tx) => markSignIn(tx, providerId));
    return signedIn;
  }

  async byRefreshToken(providerId: string, refreshToken: string): Promise<SignedIn> {
    const kit = await this.kitOf(providerId);
    return this.judged(providerId, () => kit.byRefreshToken(refreshToken));
  }

  /** New tokens, not judged yet; undefined where WorkOS refuses. Throws 503 `identity_provider_unavailable`. */
  async refresh(providerId: string, refreshToken: string): Promise<Authenticated | undefined> {
    const kit = await this.kitOf(providerId);
    try {
      return await kit.byRefreshToken(refreshToken);
    } catch (error) {
      if (error instanceof AuthKitError && error.kind === 'refused') return undefined;
      throw error instanceof AuthKitError ? problemOf(error) : error;
    }
  }

  /** At WorkOS too; what does not succeed is not held against whoever signs out. */
  async endAtWorkOS(providerId: string, sessionId: string): Promise<void> {
    try {
      await (await this.kitOf(providerId)).revokeSession(sessionId);
    } catch (error) {
      if (!(error instanceof AuthKitError || error instanceof Problem)) throw error;
    }
  }

  /**
   * Throws 401 `sign_in_refused` where WorkOS refuses, 403 `access_refused` where the rule does, and 503
   * `identity_provider_unavailable` or `access_unknown` where one of them cannot tell.
   */
  private async judged(providerId: string, authenticate: () => Promise<Authenticated>): Promise<SignedIn> {
    const { user, access_token, refresh_token } = await authenticate().catch((error: unknown) => {
      throw error instanceof AuthKitError ? problemOf(error) : error;
    });
    const token = await verifyToken(this.verifier, access_token);
    if (!token.active) {
      throw new Problem(403, 'access_refused', `The token is refused: ${token.reason}.`, {
        extra: { reason: token.reason },
      });
    }
    // Two providers may share an issuer; what WorkOS says beside the token has to be about the same person.
    if (token.provider_id !== providerId || token.user_id !== user.id) {
      throw new Problem(403, 'access_refused', 'The token belongs to somebody else.', {
        extra: { reason: 'mismatch' },
      });
    }
    return { token, user, tokens: { access: access_token, refresh: refresh_token } };
  }
}

function problemOf({ kind, code }: AuthKitError): Problem {
  if (kind === 'refused') {
    const reason = /^[a-z_]{1,60}$/.test(code) ? code : 'refused';
    return new Problem(401, 'sign_in_refused', `WorkOS refuses: ${reason}.`, { extra: { reason } });
  }
  return new Problem(503, 'identity_provider_unavailable', 'WorkOS does not answer; try again.', {
    headers: { 'retry-after': '1' },
  });
}

/**
 * Where the page is to go on after the sign-in: a place within the page. Throws 400 `return_to_invalid` for anything that
 * some browser might take for another site.
 */
export function returnPath(given: string | undefined): string {
  const path = given ?? '/';
  const isPlace = path.length <= 1_000 && /^\/(?![/\\])[\x21-\x7e]*$/.test(path) && !path.includes('\\');
  const url = isPlace ? URL.parse(path, 'http://portal.invalid') : null;
  if (url?.host === 'portal.invalid' && !/^\/(auth|api|v1)(\/|$)/.test(url.pathname)) return path;
  throw new Problem(400, 'return_to_invalid', 'return_to is a path of the page, such as /users.');
}
