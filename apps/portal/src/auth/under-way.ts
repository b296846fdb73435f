import { randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { sha256 } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';
import { seal, unseal } from '#providers/sealing.js';
import { clearCookie, cookieOf, isSecure, setCookie } from './cookies.js';
import { challengeOf, newVerifier, type ProviderSignIn } from './auth-kit.js';
import type { PortalConfig } from '../config.js';

/** A sign-in that is under way, in a sealed cookie of the browser that set out: nobody else can finish it. */
const underWay = z.object({
  providerId: z.string(),
  state: z.string(),
  verifier: z.string(),
  /** Where the page goes on. */
  returnTo: z.string(),
  /** Of the tool that waits for it. */
  deviceId: z.string().optional(),
  at: z.number(),
});
export type UnderWay = z.infer<typeof underWay>;

const COOKIE_OWNER = 'portal/sign-in';
const MAX_AGE_SECONDS = 600;

/** From the redirect to AuthKit to the return from there. */
export class SignInsUnderWay {
  constructor(
    private readonly config: Pick<PortalConfig, 'publicUrl' | 'encryptionKeys'>,
    private readonly signIn: ProviderSignIn,
  ) {}

  /** Sends the browser to AuthKit. Throws what `kitOf` and {@link redirectUriOf} throw. */
  async setOut(
    reply: FastifyReply,
    providerId: string,
    purpose: Pick<UnderWay, 'returnTo' | 'deviceId'>,
  ): Promise<void> {
    const kit = await this.signIn.kitOf(providerId);
    const way = { providerId, state: randomBytes(24).toString('base64url'), verifier: newVerifier(), at: Date.now() };
    const redirectUri = redirectUriOf(this.config, providerId, purpose.deviceId === undefined ? 'page' : 'device');
    const sealed = seal(JSON.stringify({ ...way, ...purpose }), COOKIE_OWNER, this.config.encryptionKeys);
    setCookie(reply, cookieName(way.state), sealed, this.cookie(MAX_AGE_SECONDS));
    const url = kit.authorizeUrl({ redirectUri, state: way.state, codeChallenge: challengeOf(way.verifier) });
    void reply.redirect(url, 303);
  }

  /** Of a browser that comes back; it cannot come back once more. Throws 400 `state_mismatch`. */
  returned(
    request: FastifyRequest,
    reply: FastifyReply,
    { providerId, state, isDevice }: { providerId: string; state: string | undefined; isDevice: boolean },
  ): UnderWay {
    const way = state === undefined ? undefined : this.open(cookieOf(request, cookieName(state)));
    const fits =
      way?.state === state &&
      way?.providerId === providerId &&
      (way.deviceId !== undefined) === isDevice &&
      Date.now() - way.at < MAX_AGE_SECONDS * 1_000;
    if (!way || !fits) {
      throw new Problem(400, 'state_mismatch', 'This was not begun in this browser, or too long ago. Begin again.');
    }
    clearCookie(reply, cookieName(way.state), this.cookie());
    return way;
  }

  private open(sealed: string | undefined): UnderWay | undefined {
    if (sealed === undefined) return undefined;
    try {
      return underWay.parse(JSON.parse(unseal(sealed, COOKIE_OWNER, this.config.encryptionKeys)));
    } catch {
      return undefined; // not of ours
    }
  }

  private cookie(maxAgeSeconds?: number) {
    const secure = isSecure(this.config.publicUrl);
    return { secure, path: '/auth', ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }) };
  }
}

/** One for each, so that two tabs do not disturb one another. */
const cookieName = (state: string): string => `rescind_login_${sha256(state).slice(0, 16)}`;

/** The redirect URIs that have to be entered in WorkOS: one for the page, one for tools. Throws 503 `public_url_missing`. */
export function redirectUriOf(
  { publicUrl }: Pick<PortalConfig, 'publicUrl'>,
  providerId: string,
  of: 'page' | 'device',
): string {
  if (publicUrl === undefined) {
    throw new Problem(503, 'public_url_missing', 'The portal was not told its PUBLIC_URL, so that nobody can sign in.');
  }
  return `${publicUrl}/auth/${providerId}/${of === 'page' ? 'callback' : 'device/callback'}`;
}
