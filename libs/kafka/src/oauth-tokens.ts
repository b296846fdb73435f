import { BrokerUnavailable } from './errors.js';

/** How tokens for Kafka are had: OAuth 2.0 client credentials (RFC 6749, section 4.4), shown to brokers by RFC 7628. */
export interface OauthClient {
  /** https, or http on this machine. */
  tokenEndpoint: string;
  clientId: string;
  clientSecret: string;
  scope?: string;
  /** SASL extensions that some brokers ask for, such as `logicalCluster`. */
  extensions?: Readonly<Record<string, string>>;
}

export interface OauthToken {
  value: string;
  extensions?: Record<string, string>;
}

const TIMEOUT_MS = 5_000;
/** Of its lifetime; after that the next connection has another fetched, and the old one serves until that has come. */
const FRESH_SHARE = 0.8;
/**
 * What a token must have left for a connection to be opened with it where another can be had. kafkajs authenticates a connection anew in
 * the last 10 s of what it was opened with, and Kafka refuses that twice within a second: with less left, each request would be one.
 */
const LEAST_LEFT_MS = 20_000;
/** Where the endpoint does not say how long a token lives, seconds. */
const DEFAULT_LIFETIME_S = 60;

/** The tokens of one client: one serves all its connections, and is fetched anew before it ends. Nothing of it is ever logged. */
export class OauthTokens {
  private current: { token: OauthToken; freshUntil: number; goodUntil: number } | undefined;
  private fetching: Promise<OauthToken> | undefined;

  constructor(
    private readonly client: OauthClient,
    /** Monotonic, ms. */
    private readonly now: () => number = () => performance.now(),
  ) {}

  /**
   * While one is good for a while, nobody waits for the endpoint. Throws `BrokerUnavailable` where there is none and the endpoint gives
   * none, with what it answered, and never with what was sent.
   */
  readonly get = async (): Promise<OauthToken> => {
    const { current } = this;
    const left = current ? current.goodUntil - this.now() : 0;
    if (current && left > LEAST_LEFT_MS && this.now() < current.freshUntil) return current.token;
    this.fetching ??= this.fetch().finally(() => (this.fetching = undefined));
    if (current && left > LEAST_LEFT_MS) {
      this.fetching.catch(() => undefined); // asked again by the next
      return current.token;
    }
    try {
      return await this.fetching;
    } catch (error) {
      if (current && this.now() < current.goodUntil) return current.token;
      throw error;
    }
  };

  private async fetch(): Promise<OauthToken> {
    const { tokenEndpoint, clientId, clientSecret, scope, extensions } = this.client;
    const askedAt = this.now();
    const credentials = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`; // RFC 6749, section 2.3.1
    const response = await fetch(tokenEndpoint, {
      method: 'POST',
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}`, accept: 'application/json' },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope === undefined ? {} : { scope }) }),
    }).catch((error: unknown) => {
      throw new BrokerUnavailable('the token endpoint for Kafka does not answer', { cause: error });
    });
    const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    const { access_token: value, expires_in: expiresIn } = body;
    if (!response.ok || typeof value !== 'string' || value === '') {
      throw new BrokerUnavailable(`the token endpoint for Kafka gives no token: ${response.status} ${errorOf(body)}`);
    }
    const seconds = Number(expiresIn);
    const lifetimeMs = (seconds > 0 ? seconds : DEFAULT_LIFETIME_S) * 1_000;
    const token = { value, ...(extensions && { extensions: { ...extensions } }) };
    this.current = { token, freshUntil: askedAt + lifetimeMs * FRESH_SHARE, goodUntil: askedAt + lifetimeMs };
    return token;
  }
}

/** The code of RFC 6749, section 5.2, and nothing else of what it says. */
const errorOf = ({ error }: Record<string, unknown>): string =>
  typeof error === 'string' && /^[\w-]{1,40}$/.test(error) ? error : '';
