import { type SigningKey, signJws } from './keys/signing-key.js';

/** RFC 9701, section 5: both the media type of the answer and, without `application/`, its `typ`. */
export const SIGNED_ANSWER = 'application/token-introspection+jwt';

/** Signs introspection answers (RFC 9701), and says with which keys. */
export class AnswerSigner {
  /** @param keys the first one signs; none: {@link sign} must not be called */
  constructor(
    private readonly issuer: string,
    private readonly keys: readonly SigningKey[],
  ) {}

  get algorithms(): string[] {
    return this.keys.slice(0, 1).map(({ algorithm }) => algorithm);
  }

  /** A JWK Set (RFC 7517) of public keys. */
  get jwks(): object {
    return { keys: this.keys.map(({ publicJwk }) => publicJwk) };
  }

  /**
   * The answer in a JWT for this client alone. It has no `sub` and no `exp`, and a `typ` of its own, so that nobody takes it
   * for an access token (RFC 9701, sections 5 and 8.1).
   * @param now ms since the epoch
   */
  async sign(answer: object, clientId: string, now: number): Promise<string> {
    const claims = { iss: this.issuer, aud: clientId, iat: Math.floor(now / 1_000), token_introspection: answer };
    return signJws(this.keys[0]!, SIGNED_ANSWER.replace('application/', ''), claims);
  }
}

const NAMES_SIGNED = /token-introspection\+jwt/i;

/**
 * Whether a client would rather have a signed answer than JSON (RFC 9110, section 12.5.1): it names the type, and does not
 * rank JSON above it. `required`: it takes nothing else.
 */
export function wantsSignedAnswer(accept: string | undefined): 'no' | 'preferred' | 'required' {
  // Nearly nobody names it, and it takes long to read a list of types.
  if (accept === undefined || !NAMES_SIGNED.test(accept)) return 'no';
  const ranks = new Map<string, number>();
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const rank = quality === undefined ? 1 : Number(quality);
    ranks.set(type, rank >= 0 && rank <= 1 ? rank : 0);
  }
  const signed = ranks.get(SIGNED_ANSWER) ?? 0;
  const json = ranks.get('application/json') ?? ranks.get('application/*') ?? ranks.get('*/*') ?? 0;
  if (signed === 0 || (ranks.get('application/json') ?? 0) > signed) return 'no';
  return json > 0 ? 'preferred' : 'required';
}
