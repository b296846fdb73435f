import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** One request for SETs (RFC 8936, section 2.4), as it came. */
export interface PollRequest {
  authorization: string | undefined;
  contentLanguage: string | undefined;
  body: {
    maxEvents?: number;
    returnImmediately?: boolean;
    ack?: string[];
    setErrs?: Record<string, { err: string; description: string }>;
  };
}

/** What it does with a request in place of what it should. */
export type Misbehaviour = (request: PollRequest, response: ServerResponse) => void;

export type Answer = (status: number, value: object, headers?: Record<string, string>) => void;

type SigningKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

/**
 * A transmitter that is polled, written from RFC 8936, RFC 8417, RFC 6749 and SSF 1.0 alone: it shares no line with what polls it. It
 * remembers what it was asked, says a SET until it is acknowledged or refused, and misbehaves as it is told.
 */
export class PollTransmitter {
  readonly audience = 'https://receiver.example.com';
  readonly requests: PollRequest[] = [];
  readonly acknowledged = new Set<string>();
  readonly refused = new Map<string, string>();
  /** Each answers one request, in order; when there is none left, it behaves. */
  readonly misbehaviours: Misbehaviour[] = [];
  /** Requests for tokens and key sets. */
  tokens = 0;
  keySets = 0;
  keysAreAway = false;
  authorization = 'Bearer of-the-stream';
  /** Of requests that are held: now. */
  open = 0;
  private readonly waiting = new Map<string, unknown>();
  private wake: () => void = () => undefined;
  private keys: { kid: string; key: SigningKey; jwk: JWK }[] = [];

  protected constructor(private readonly server: Server) {}

  static async start(): Promise<PollTransmitter> {
    return new PollTransmitter(createServer()).listen();
  }

  protected async listen(): Promise<this> {
    this.server.on('request', (request, response) => {
      this.answer(request, response).catch(() => response.destroy());
    });
    await this.rotate();
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Signs with another key from now on, and publishes it alone. */
  async rotate(): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair('RS256');
    const kid = `k${this.keys.length + 1}`;
    this.keys.push({ kid, key: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256' } });
  }

  sign(jti: string, claims: object, { key = this.keys.at(-1)!.key, ...header }: { key?: SigningKey } = {}) {
    const payload = { iss: this.issuer, aud: this.audience, jti, iat: Math.floor(Date.now() / 1000), ...claims };
    return new SignJWT(payload)
      .setProtectedHeader({ alg: 'RS256', kid: this.keys.at(-1)!.kid, typ: 'secevent+jwt', ...header })
      .sign(key);
  }

  /** Says a SET until it is settled. */
  say(jti: string, set: unknown): void {
    this.waiting.set(jti, set);
    this.wake();
  }

  isSettled(jti: string): boolean {
    return !this.waiting.has(jti);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const json: Answer = (status, value, headers = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
    };
    switch (request.url ?? '') {
      case '/.well-known/ssf-configuration':
        return json(200, { issuer: this.issuer, jwks_uri: `${this.issuer}/jwks`, ...this.configuration() });
      case '/jwks':
        this.keySets++;
        return this.keysAreAway ? json(503, {}) : json(200, { keys: [this.keys.at(-1)!.jwk] });
      case '/token':
        return this.giveToken(request.headers.authorization, body, json);
      case '/poll':
        return this.poll(request, body, response, json);
      default:
        return this.answerOthers(request, body, json);
    }
  }

  /** What more its configuration says. */
  protected configuration(): object {
    return {};
  }

  protected answerOthers(_request: IncomingMessage, _body: string, json: Answer): void | Promise<void> {
    json(404, {});
  }

  /** Each token is good until the next one. */
  private giveToken(authorization = '', body: string, json: Answer): void {
    const client = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString();
    if (client !== 'rescind:s%3Acret' || new URLSearchParams(body).get('grant_type') !== 'client_credentials') {
      return json(401, { error: 'invalid_client' });
    }
    this.authorization = `Bearer token-${++this.tokens}`;
    json(200, { access_token: `token-${this.tokens}`, token_type: 'Bearer', expires_in: 3_600 });
  }

  private async poll(
    { headers }: IncomingMessage,
    text: string,
    response: ServerResponse,
    json: Answer,
  ): Promise<void> {
    const body = JSON.parse(text) as PollRequest['body'];
    const request = { authorization: headers.authorization, contentLanguage: headers['content-language'], body };
    this.requests.push(request);
    const misbehaviour = this.misbehaviours.shift();
    if (misbehaviour) return misbehaviour(request, response);
    if (request.authorization !== this.authorization) return json(401, {});
    for (const jti of body.ack ?? []) {
      this.waiting.delete(jti);
      this.acknowledged.add(jti);
    }
    for (const [jti, { err }] of Object.entries(body.setErrs ?? {})) {
      this.waiting.delete(jti);
      this.refused.set(jti, err);
    }
    if (this.waiting.size === 0 && body.returnImmediately === false) await this.until(response);
    const sets = [...this.waiting].slice(0, body.maxEvents ?? 10);
    json(200, { sets: Object.fromEntries(sets), ...(this.waiting.size > sets.length ? { moreAvailable: true } : {}) });
  }

  /** Something is to be said, or nobody waits for it any more. */
  private async until(response: ServerResponse): Promise<void> {
    this.open++;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      response.once('close', resolve);
    });
    this.open--;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
