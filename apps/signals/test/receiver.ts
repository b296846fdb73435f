import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  createLocalJWKSet,
  decodeJwt,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
  type ProtectedHeaderParameters,
} from 'jose';

/**
 * A receiver that somebody else might have written: from RFC 8417, 8935, 8936, 6749 and SSF 1.0 alone, with jose and Node's own
 * HTTP. It shares no line with the transmitter, and refuses what the standards refuse.
 */

export interface ReceivedSet {
  header: ProtectedHeaderParameters;
  claims: JWTPayload & Record<string, unknown>;
  jti: string;
  type: string;
  event: Record<string, unknown>;
}

export interface Metadata {
  spec_version: string;
  issuer: string;
  jwks_uri: string;
  delivery_methods_supported: string[];
  configuration_endpoint: string;
  status_endpoint: string;
  add_subject_endpoint: string;
  remove_subject_endpoint: string;
  verification_endpoint: string;
  authorization_schemes: { spec_urn: string }[];
  default_subjects: string;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the transmitter says
export type Json = any;
export interface Answer {
  status: number;
  headers: Headers;
  body: Json;
}

/** How the push endpoint behaves. */
export type Behaviour = 'takes' | 'away' | 'cuts' | { status: number; body?: object };

export class Receiver {
  metadata!: Metadata;
  behaviour: Behaviour = 'takes';
  /** Each SET once, by its jti, in the order in which they came first. */
  readonly received: ReceivedSet[] = [];
  /** How often each came. */
  readonly times = new Map<string, number>();
  /** Requests to the push endpoint. */
  readonly requests: { contentType: string | undefined; authorization: string | undefined }[] = [];
  private server: Server | undefined;
  private keys: JWTVerifyGetKey | undefined;

  /**
   * @param issuer as it was told by hand
   * @param base where the issuer's host is reached in this test, in place of DNS and TLS
   */
  constructor(
    readonly issuer: string,
    private base: string,
    readonly audience: string,
    private readonly credential: string,
  ) {}

  /** The transmitter has moved. */
  follow(base: string): void {
    this.base = base;
  }

  /** SSF 1.0, section 7.2. */
  async discover(): Promise<Metadata> {
    const { body } = await this.http('GET', `${this.issuer}/.well-known/ssf-configuration`);
    if (body.issuer !== this.issuer) throw new Error('the configuration is of another issuer');
    this.metadata = body;
    return this.metadata;
  }

  createStream(stream: object): Promise<Answer> {
    return this.http('POST', this.metadata.configuration_endpoint, stream);
  }

  async status(streamId: string, status?: 'enabled' | 'paused' | 'disabled'): Promise<Answer> {
    const { status_endpoint: endpoint } = this.metadata;
    if (status === undefined) return this.http('GET', `${endpoint}?stream_id=${streamId}`);
    return this.http('POST', endpoint, { stream_id: streamId, status });
  }

  verify(streamId: string, state?: string): Promise<Answer> {
    return this.http('POST', this.metadata.verification_endpoint, { stream_id: streamId, ...(state ? { state } : {}) });
  }

  /** RFC 8936, section 2.4; what comes is kept as what was pushed is. */
  async poll(endpoint: string, body: object = {}): Promise<{ jtis: string[]; moreAvailable: boolean }> {
    const answer = await this.http('POST', endpoint, { returnImmediately: true, ...body });
    if (answer.status !== 200) throw new Error(`the poll was answered with ${answer.status}`);
    const jtis: string[] = [];
    for (const [jti, set] of Object.entries(answer.body.sets as Record<string, string>)) {
      const received = await this.take(set);
      if (received.jti !== jti) throw new Error('a SET under another jti than its own');
      jtis.push(jti);
    }
    return { jtis, moreAvailable: answer.body.moreAvailable };
  }

  /** RFC 8935, section 2: the endpoint that SETs are pushed to. */
  async listen(): Promise<string> {
    this.server = createServer((request, response) => {
      void this.pushed(request).then(
        ({ status, body }) => {
          if (status === 0) return request.socket.destroy();
          response.writeHead(status, body ? { 'content-type': 'application/json' } : {});
          response.end(body ? JSON.stringify(body) : undefined);
        },
        () => request.socket.destroy(),
      );
    }).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/events`;
  }

  async close(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => (this.server ? this.server.close(resolve) : resolve(undefined)));
  }

  /** A request to the transmitter. */
  async http(method: string, url: string, body?: object, credential = this.credential): Promise<Answer> {
    const response = await fetch(url.replace(this.issuer, this.base), {
      method,
      headers: {
        ...(credential === '' ? {} : { authorization: `Bearer ${credential}` }),
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
  }

  private async pushed(request: IncomingMessage): Promise<{ status: number; body?: object }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { 'content-type': contentType, authorization } = request.headers;
    this.requests.push({ contentType, authorization });
    if (this.behaviour === 'away') return { status: 503 };
    if (typeof this.behaviour === 'object') return this.behaviour;
    if (request.method !== 'POST' || contentType !== 'application/secevent+jwt') return { status: 400 };
    try {
      await this.take(Buffer.concat(chunks).toString('utf8'));
    } catch (error) {
      return { status: 400, body: { err: 'invalid_request', description: (error as Error).message } };
    }
    // Taken, but the transmitter never hears of it.
    return this.behaviour === 'cuts' ? { status: 0 } : { status: 202 };
  }

  /** Checks a SET as RFC 8417, SSF 1.0 (section 4) and the interoperability profile (2.6, 2.8) ask, and keeps it. */
  private async take(set: string): Promise<ReceivedSet> {
    const { iss } = decodeJwt(set);
    if (iss !== this.issuer) throw new Error('iss');
    this.keys ??= createLocalJWKSet((await this.http('GET', this.metadata.jwks_uri)).body);
    const { payload, protectedHeader } = await jwtVerify(set, this.keys, {
      issuer: this.issuer,
      audience: this.audience,
      typ: 'secevent+jwt',
      algorithms: ['RS256'],
      requiredClaims: ['iat', 'jti', 'events', 'sub_id'],
    });
    if ('sub' in payload || 'exp' in payload) throw new Error('sub and exp must not be there');
    const events = Object.entries(payload['events'] as Record<string, Record<string, unknown>>);
    if (events.length !== 1) throw new Error('exactly one event');
    const [[type, event]] = events as [[string, Record<string, unknown>]];
    const jti = payload.jti!;
    const received = { header: protectedHeader, claims: payload, jti, type, event };
    if (!this.times.has(jti)) this.received.push(received);
    this.times.set(jti, (this.times.get(jti) ?? 0) + 1);
    return received;
  }
}
