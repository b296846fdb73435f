import { z } from 'zod';
import { WORKOS_API } from './issuer-shape.js';

/** AuthKit's sign-in, as WorkOS does it: JSON, the API key as the secret, no id_token, refresh tokens for one use. */

export interface AuthKitSettings {
  clientId: string;
  /** The environment's API key (`sk_…`): it is the client secret too. */
  apiKey: string;
  /** Default: WorkOS itself. */
  baseUrl?: string | null;
  /** Of one request. Default 5 s. */
  timeoutMs?: number;
}

export interface AuthorizeRequest {
  redirectUri: string;
  state: string;
  /** SHA-256 of the verifier, base64url (RFC 7636, section 4.2). */
  codeChallenge: string;
}

/**
 * refused: WorkOS says no, and will say so again (`code` is its own). unavailable: it did not answer, or not with what we can
 * read. Carries nothing of what was sent or came back but WorkOS's code.
 */
export class AuthKitError extends Error {
  override readonly name = 'AuthKitError';
  constructor(
    readonly kind: 'refused' | 'unavailable',
    readonly code: string,
  ) {
    super(`${kind}: ${code}`);
  }
}

const text = z.string().min(1);
const authenticated = z.object({
  user: z.object({
    id: text,
    email: z.string(),
    email_verified: z.boolean().default(false),
    first_name: z.string().nullish(),
    last_name: z.string().nullish(),
  }),
  organization_id: z.string().nullish(),
  access_token: text,
  refresh_token: text,
});
export type Authenticated = z.output<typeof authenticated>;

const refusal = z.object({ error: z.string().optional(), code: z.string().optional() });

/** One environment of WorkOS, for signing people in. */
export class AuthKit {
  private readonly base: string;

  constructor(private readonly settings: AuthKitSettings) {
    this.base = (settings.baseUrl ?? WORKOS_API).replace(/\/+$/, '');
  }

  /** Where the browser goes. There is no scope and no nonce; `provider=authkit` is the hosted page. */
  authorizeUrl({ redirectUri, state, codeChallenge }: AuthorizeRequest): string {
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: this.settings.clientId,
      redirect_uri: redirectUri,
      provider: 'authkit',
      state,
      code_challenge: codeChallenge,
      code_challenge_method: 'S256',
    });
    return `${this.base}/user_management/authorize?${query.toString()}`;
  }

  /** Throws {@link AuthKitError}. */
  byCode(code: string, codeVerifier: string): Promise<Authenticated> {
    return this.authenticate({ grant_type: 'authorization_code', code, code_verifier: codeVerifier });
  }

  /** The refresh token is worth nothing afterwards. Throws {@link AuthKitError}. */
  byRefreshToken(refreshToken: string): Promise<Authenticated> {
    return this.authenticate({ grant_type: 'refresh_token', refresh_token: refreshToken });
  }

  /** Ends the session at WorkOS, which says so in a webhook. Throws {@link AuthKitError}. */
  async revokeSession(sessionId: string): Promise<void> {
    await this.post('/user_management/sessions/revoke', { session_id: sessionId });
  }

  private async authenticate(grant: Record<string, string>): Promise<Authenticated> {
    const { clientId, apiKey } = this.settings;
    const body = await this.post('/user_management/authenticate', {
      client_id: clientId,
      client_secret: apiKey,
      ...grant,
    });
    const parsed = authenticated.safeParse(body);
    if (!parsed.success) throw new AuthKitError('unavailable', 'answer_malformed');
    return parsed.data;
  }

  private async post(path: string, body: Record<string, string>): Promise<unknown> {
    const { apiKey, timeoutMs = 5_000 } = this.settings;
    const answer = await fetch(this.base + path, {
      method: 'POST',
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        authorization: `Bearer ${apiKey}`,
      },
      body: JSON.stringify(body),
    })
      .then(async (response) => ({ status: response.status, text: await response.text() }))
      .catch(() => {
        throw new AuthKitError('unavailable', 'no_answer');
      });
    const json = parse(answer.text);
    if (answer.status >= 200 && answer.status < 300) return json;
    const known = refusal.safeParse(json);
    const code = (known.success && (known.data.error ?? known.data.code)) || `status_${answer.status}`;
    const isFinal = answer.status >= 400 && answer.status < 500 && answer.status !== 408 && answer.status !== 429;
    throw new AuthKitError(isFinal ? 'refused' : 'unavailable', code);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
