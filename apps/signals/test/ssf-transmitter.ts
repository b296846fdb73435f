import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { type Answer, PollTransmitter } from './poll-transmitter.js';

const PUSH = 'urn:ietf:rfc:8935';
const POLL = 'urn:ietf:rfc:8936';
const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification';

/** A stream as SSF 1.0 (section 8.1.1) has it. */
export interface Stream {
  stream_id: string;
  iss: string;
  aud: string | string[];
  delivery: { method: string; endpoint_url: string; authorization_header?: string };
  events_requested?: string[];
  events_delivered?: string[];
  min_verification_interval?: number;
  description?: string;
}

export interface Pushed {
  status: number;
  body: string;
}

export interface ManagementRequest {
  method: string;
  path: string;
  streamId: string | null;
  authorization: string | undefined;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever was sent
  body: any;
}

/**
 * A transmitter at which receivers make their streams, written from SSF 1.0 (sections 7 and 8), RFC 8935, RFC 9728 and RFC 8414
 * alone: it shares no line with the receiver.
 */
export class SsfTransmitter extends PollTransmitter {
  readonly managed: ManagementRequest[] = [];
  readonly streams = new Map<string, Stream>();
  /** What its configuration says otherwise, or (undefined) not at all. */
  says: Record<string, unknown> = {};
  /** What it says of a stream otherwise. */
  saysOfStreams: Record<string, unknown> = {};
  /** Answers requests to its management API in place of itself. */
  manages: ((request: ManagementRequest, answer: Answer) => boolean | Promise<boolean>) | undefined;
  allowsMany = true;
  eventsSupported = ['session-revoked', 'credential-change'].map(
    (name) => `https://schemas.openid.net/secevent/caep/event-type/${name}`,
  );
  /** What came back from pushes. */
  readonly pushed: Pushed[] = [];

  static override async start(): Promise<SsfTransmitter> {
    return new SsfTransmitter(createServer()).listen();
  }

  protected override configuration(): object {
    return {
      spec_version: '1_0',
      delivery_methods_supported: [PUSH, POLL],
      configuration_endpoint: `${this.issuer}/streams`,
      status_endpoint: `${this.issuer}/status`,
      verification_endpoint: `${this.issuer}/verify`,
      authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
      default_subjects: 'ALL',
      ...this.says,
    };
  }

  protected override async answerOthers(incoming: IncomingMessage, text: string, answer: Answer): Promise<void> {
    const url = new URL(incoming.url!, this.issuer);
    if (url.pathname === '/.well-known/oauth-protected-resource') {
      return answer(200, {
        resource: this.issuer,
        authorization_servers: [this.issuer],
        scopes_supported: ['ssf.read', 'ssf.manage', 'profile'],
      });
    }
    if (url.pathname === '/.well-known/oauth-authorization-server') {
      return answer(200, { issuer: this.issuer, token_endpoint: `${this.issuer}/token` });
    }
    const request: ManagementRequest = {
      method: incoming.method!,
      path: url.pathname,
      streamId: url.searchParams.get('stream_id'),
      authorization: incoming.headers.authorization,
      body: text === '' ? undefined : JSON.parse(text),
    };
    this.managed.push(request);
    if (await this.manages?.(request, answer)) return;
    if (request.authorization !== this.authorization) return answer(401, {});
    switch (`${request.method} ${request.path}`) {
      case 'POST /streams':
        return this.create(request, answer);
      case 'GET /streams':
        return this.read(request, answer);
      case 'PATCH /streams':
        return this.update(request, answer);
      case 'DELETE /streams':
        return this.streams.delete(request.streamId!) ? answer(204, {}) : answer(404, {});
      case 'GET /status':
        return this.streams.has(request.streamId!)
          ? answer(200, { stream_id: request.streamId, status: 'paused', reason: 'Maintenance' })
          : answer(404, {});
      case 'POST /verify':
        if (!this.streams.has(request.body.stream_id)) return answer(404, {});
        // The event may well be faster than this answer.
        await this.sayVerified(request.body.stream_id, request.body.state);
        return answer(204, {});
      default:
        return answer(404, {});
    }
  }

  private create({ body }: ManagementRequest, answer: Answer): void {
    if (!this.allowsMany && this.streams.size > 0) return answer(409, {});
    const id = randomBytes(8).toString('hex');
    const stream = this.described(id, body);
    this.streams.set(id, { ...stream, delivery: { ...stream.delivery, ...body.delivery } });
    answer(201, stream);
  }

  private update({ body }: ManagementRequest, answer: Answer): void {
    if (!this.streams.has(body.stream_id)) return answer(404, {});
    const stream = this.described(body.stream_id, body);
    this.streams.set(body.stream_id, { ...stream, delivery: { ...stream.delivery, ...body.delivery } });
    answer(200, stream);
  }

  private described(id: string, body: Partial<Stream>): Stream {
    const { delivery = { method: POLL }, events_requested = [], description } = body as Stream;
    return {
      stream_id: id,
      iss: this.issuer,
      aud: this.audience,
      delivery:
        delivery.method === PUSH
          ? { method: PUSH, endpoint_url: (delivery as Stream['delivery']).endpoint_url }
          : { method: POLL, endpoint_url: `${this.issuer}/poll` },
      events_requested,
      events_delivered: events_requested.filter((type) => this.eventsSupported.includes(type)),
      ...(description === undefined ? {} : { description }),
      ...this.saysOfStreams,
    };
  }

  private read({ streamId }: ManagementRequest, answer: Answer): void {
    if (streamId === null) return answer(200, [...this.streams.values()]);
    const stream = this.streams.get(streamId);
    answer(stream ? 200 : 404, stream ?? {});
  }

  sayVerified(streamId: string, state?: string): Promise<Pushed | undefined> {
    return this.sayOver(streamId, `verification ${randomBytes(8).toString('hex')}`, {
      sub_id: { format: 'opaque', id: streamId },
      events: { [VERIFICATION]: state === undefined ? {} : { state } },
    });
  }

  /** Over the stream, as it was asked for: pushed, and what came back; or kept until it is polled. */
  async sayOver(streamId: string, jti: string, claims: object): Promise<Pushed | undefined> {
    const { delivery } = this.streams.get(streamId)!;
    const set = await this.sign(jti, claims);
    if (delivery.method === PUSH) return this.push(delivery, set);
    this.say(jti, set);
    return undefined;
  }

  async push({ endpoint_url, authorization_header }: Stream['delivery'], set: string): Promise<Pushed> {
    const response = await fetch(endpoint_url, {
      method: 'POST',
      headers: {
        'content-type': 'application/secevent+jwt',
        accept: 'application/json',
        ...(authorization_header === undefined ? {} : { authorization: authorization_header }),
      },
      body: set,
    });
    const pushed = { status: response.status, body: await response.text() };
    this.pushed.push(pushed);
    return pushed;
  }

  askedTo(method: string, path: string): ManagementRequest[] {
    return this.managed.filter((request) => request.method === method && request.path === path);
  }
}
