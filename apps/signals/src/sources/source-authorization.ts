import { z } from 'zod';
import { checked } from '#contracts/checked.js';
import { type EncryptionKeys, unseal } from '#providers/sealing.js';
import { guardedFetch } from '#workos/guarded-fetch.js';
import { type Credentials, sourceSecretOwner } from './sources.sql.js';

const MAX_ANSWER_BYTES = 16 * 1024;
/** What a token's lifetime is taken for where it is not said. */
const LIFETIME_SECONDS = 300;

const tokenAnswer = z.object({
  access_token: z.string().regex(/^[\x21-\x7e]{1,8000}$/),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.coerce.number().positive().optional(),
});

/** No token was given, with the reason in words. */
export class NoToken extends Error {
  override readonly name = 'NoToken';
}

/** The `Authorization` header that one transmitter is shown: as it was given, or with a token that was got for the client's secret. */
export class SourceAuthorization {
  private token: { header: string; until: number } | undefined;

  constructor(
    private readonly sourceId: string,
    private readonly credentials: Credentials,
    private readonly encryption: EncryptionKeys,
    private readonly options: { allowLocalHosts: boolean; timeoutMs: number },
  ) {}

  /** Throws `FetchRefused`, {@link NoToken} and `CannotUnseal`. */
  async header(signal: AbortSignal): Promise<string> {
    const { token_url, client_id, scope } = this.credentials;
    const secret = unseal(this.credentials.secret, sourceSecretOwner(this.sourceId), this.encryption);
    if (token_url === null) return secret;
    if (!this.token || performance.now() >= this.token.until) {
      this.token = await this.fetchToken(token_url, client_id!, secret, scope, signal);
    }
    return this.token.header;
  }

  /** It was not taken: the next one is a new one. */
  forget(): void {
    this.token = undefined;
  }

  /** RFC 6749, sections 2.3.1 and 4.4.2. */
  private async fetchToken(
    url: string,
    clientId: string,
    secret: string,
    scope: string | null,
    signal: AbortSignal,
  ): Promise<{ header: string; until: number }> {
    const askedAt = performance.now();
    const client = [clientId, secret].map(formEncoded).join(':');
    const { status, body } = await guardedFetch(url, {
      ...this.options,
      maxBytes: MAX_ANSWER_BYTES,
      signal,
      send: {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          ...(scope === null ? {} : { scope }),
        }).toString(),
        headers: {
          authorization: `Basic ${Buffer.from(client).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
      },
    });
    if (status !== 200) throw new NoToken(`its token endpoint answered ${status}`);
    const parsed = checked(tokenAnswer, jsonOf(body));
    if (!parsed.success) throw new NoToken('its token endpoint answered no bearer token');
    const { access_token, expires_in = LIFETIME_SECONDS } = parsed.data;
    // Renewed while it is still good for a request that is held for long.
    return { header: `Bearer ${access_token}`, until: askedAt + expires_in * 750 };
  }
}

const formEncoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
