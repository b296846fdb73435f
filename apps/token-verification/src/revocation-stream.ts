import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type BeforeApplicationShutdown, Controller, Get, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Gauge, type Registry } from 'prom-client';
import { momentToWire, NEVER } from '#contracts/moment.js';
import { type Authentication, isPermitted, type Permission, Permits } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';
import type { ScopeKey } from '#revocation/scope.js';
import { isHarmless, type ScopeState } from '#revocation/scope-state.js';
import type { RevocationView } from './domain/revocation-view.js';

export interface RevocationStreamParts {
  view: RevocationView;
  /** Why nobody may rely on the view now; undefined where they may. */
  problem(): string | undefined;
  /** The moment up to which the view is proved, RFC 3339; null while it is proved of none. */
  asOf(): string | null;
  ageMs(): number;
  /** What a subscriber needs to check tokens, of each provider: the same list until one of them changes. */
  providers(): readonly object[];
  /** Who is calling is asked again with each heartbeat: a key that was revoked ends its streams. */
  authentication: Authentication;
  registry: Registry;
  heartbeatMs?: number;
  /** Who has taken nothing for this long is cut off. */
  patienceMs?: number;
  maxSubscribers?: number;
}

/** States in one event, so that what a subscriber has not taken yet is about 100 kB at most. */
const BATCH = 500;
const HEARTBEAT_MS = 1_000;
const PATIENCE_MS = 10_000;
const MAX_SUBSCRIBERS = 1_000;
const PERMITS: readonly Permission[] = ['auditor', 'verify'];
const RETRY = { 'retry-after': '1' };

/**
 * `GET /v1/revocations/stream`: the view as server-sent events, for whoever judges tokens by themselves. First the providers and
 * everything that is known (or, with `Last-Event-ID`, what has changed since), then `ready`, then each change as it comes in, and
 * a heartbeat each second while the view is fresh. Without heartbeats a client knows nothing. docs/events.md has the exact form.
 *
 * Of a subscriber only a place in the view and one in its changes are kept, and what the socket has not taken: one batch at
 * most. Who does not read is cut off, and so is who falls further behind than the changes that are remembered.
 */
export class RevocationStream implements BeforeApplicationShutdown {
  /** Numbers of changes mean something in this process alone. */
  private readonly epoch = randomBytes(6).toString('hex');
  private readonly subscribers = new Set<Subscriber>();
  private readonly stopListening: () => void;
  private readonly timer: NodeJS.Timeout;
  private readonly maxSubscribers: number;
  private scheduled = false;
  private stopped = false;

  constructor(private readonly parts: RevocationStreamParts) {
    this.maxSubscribers = parts.maxSubscribers ?? MAX_SUBSCRIBERS;
    this.stopListening = parts.view.changes.onChange(() => this.schedule());
    this.timer = setInterval(() => this.beat(), parts.heartbeatMs ?? HEARTBEAT_MS).unref();
    const { subscribers } = this;
    new Gauge({
      name: 'rescind_stream_subscribers',
      help: 'Open streams of revocations.',
      registers: [parts.registry],
      collect() {
        this.set(subscribers.size);
      },
    });
  }

  get size(): number {
    return this.subscribers.size;
  }

  /** Answers with the stream; throws 503 `view_stale` or `streams_full`. */
  open(request: FastifyRequest, reply: FastifyReply): void {
    const problem = this.stopped ? 'this replica is about to stop' : this.parts.problem();
    if (problem !== undefined) {
      throw new Problem(503, 'view_stale', `Nothing is known here now: ${problem}.`, { headers: RETRY });
    }
    if (this.size >= this.maxSubscribers) {
      throw new Problem(503, 'streams_full', 'Ask another replica, or later: STREAMS_MAX.', { headers: RETRY });
    }
    reply.hijack();
    reply.raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // nginx would hold back heartbeats.
      'x-accel-buffering': 'no',
    });
    if (request.method === 'HEAD') reply.raw.end();
    else this.subscribe(reply.raw, request.headers['last-event-id'], () => this.mayStay(request, reply));
  }

  /** @param lastEventId of an event that this subscriber has had before */
  subscribe(
    response: ServerResponse,
    lastEventId: string | string[] | undefined,
    mayStay: () => Promise<boolean>,
  ): void {
    const resumedFrom = this.placeOf(lastEventId);
    const subscriber = new Subscriber(response, { ...this.parts, epoch: this.epoch, resumedFrom, mayStay });
    this.subscribers.add(subscriber);
    response.once('close', () => this.subscribers.delete(subscriber));
    response.on('error', () => response.destroy());
    // A reader as quick as we are must not keep everybody else waiting for a whole snapshot.
    response.on('drain', () => setImmediate(() => subscriber.resume()));
    subscriber.pump();
  }

  /** A provider was added, changed or removed. */
  providersChanged(): void {
    this.schedule();
  }

  /** They connect again, elsewhere. */
  beforeApplicationShutdown(): void {
    this.stopped = true;
    clearInterval(this.timer);
    this.stopListening();
    for (const subscriber of this.subscribers) subscriber.end();
  }

  /** The change to go on from; undefined: begin anew, since it is another process's, or longer ago than is remembered. */
  private placeOf(lastEventId: string | string[] | undefined): number | undefined {
    const [, epoch, change] = /^([0-9a-f]{12})\.(\d{1,15})$/.exec(String(lastEventId ?? '')) ?? [];
    if (epoch !== this.epoch) return undefined;
    return this.parts.view.changes.reaches(Number(change)) ? Number(change) : undefined;
  }

  private beat(): void {
    const problem = this.parts.problem();
    for (const subscriber of this.subscribers) {
      if (subscriber.blockedMs() > (this.parts.patienceMs ?? PATIENCE_MS)) subscriber.cutOff();
      else if (problem !== undefined) subscriber.send('stale', { problem });
      else subscriber.heartbeat();
      void subscriber.endUnlessItMayStay();
    }
  }

  private async mayStay(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    const principal = await this.parts.authentication.principalOf(request, reply);
    return principal !== undefined && isPermitted(principal, 'GET', PERMITS);
  }

  /** What comes in together goes out together. */
  private schedule(): void {
    if (this.scheduled || this.subscribers.size === 0) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      for (const subscriber of this.subscribers) subscriber.pump();
    });
  }
}

interface SubscriberParts extends Pick<RevocationStreamParts, 'view' | 'asOf' | 'ageMs' | 'providers'> {
  epoch: string;
  resumedFrom: number | undefined;
  mayStay(): Promise<boolean>;
}

class Subscriber {
  /** What is left of the snapshot; changes that overtake it are sent after it, so that neither can hide the other. */
  private snapshot: Iterator<[ScopeKey, ScopeState]> | undefined;
  /** The next change to be sent. */
  private cursor: number;
  private isReady = false;
  /** The providers that it was told. */
  private told: readonly object[] | undefined;
  private blockedAt: number | undefined;

  constructor(
    private readonly response: ServerResponse,
    private readonly parts: SubscriberParts,
  ) {
    const { view, resumedFrom } = parts;
    this.snapshot = resumedFrom === undefined ? view.entries() : undefined;
    this.cursor = resumedFrom ?? view.changes.end;
  }

  /** Sends what there is, until the socket has enough. */
  pump(): void {
    const { changes } = this.parts.view;
    while (this.blockedAt === undefined && !this.response.destroyed) {
      if (!changes.reaches(this.cursor)) return this.cutOff();
      if (this.told !== this.parts.providers()) this.sendProviders();
      else if (this.snapshot) this.sendSnapshot(this.snapshot);
      else if (this.cursor < changes.end) this.sendChanges();
      else if (!this.isReady) {
        this.isReady = true;
        this.send('ready', { ...this.proof(), resumed: this.parts.resumedFrom !== undefined });
      } else return;
    }
  }

  resume(): void {
    this.blockedAt = undefined;
    this.pump();
  }

  /** Says that everything up to then has been sent: after `pump` it has, or the socket has enough and is sent nothing. */
  heartbeat(): void {
    this.pump();
    this.send('heartbeat', this.proof());
  }

  /** Nothing is sent to who has not taken what came before. */
  send(event: string, data: object): void {
    if (this.blockedAt !== undefined || this.response.writableEnded || this.response.destroyed) return;
    // Nobody can go on from within a snapshot: what has been passed may have changed since.
    const goOn = this.isReady || this.parts.resumedFrom !== undefined;
    const id = goOn ? `id: ${this.parts.epoch}.${this.cursor}\n` : '';
    const taken = this.response.write(`event: ${event}\n${id}data: ${JSON.stringify(data)}\n\n`);
    if (!taken) this.blockedAt = performance.now();
  }

  blockedMs(): number {
    return this.blockedAt === undefined ? 0 : performance.now() - this.blockedAt;
  }

  /** Where it is not known who is calling, they are not served either. */
  async endUnlessItMayStay(): Promise<void> {
    if (!(await this.parts.mayStay().catch(() => false))) this.end();
  }

  cutOff(): void {
    this.response.destroy();
  }

  end(): void {
    this.response.end();
  }

  private proof(): { as_of: string | null; age_ms: number | null } {
    const ageMs = this.parts.ageMs();
    return { as_of: this.parts.asOf(), age_ms: Number.isFinite(ageMs) ? Math.round(ageMs) : null };
  }

  private sendProviders(): void {
    this.told = this.parts.providers();
    this.send('providers', { providers: this.told });
  }

  private sendSnapshot(snapshot: Iterator<[ScopeKey, ScopeState]>): void {
    const states: object[] = [];
    while (states.length < BATCH) {
      const { done, value } = snapshot.next();
      if (done) {
        this.snapshot = undefined;
        break;
      }
      if (!isHarmless(value[1])) states.push(stateEvent(...value));
    }
    if (states.length > 0) this.send('states', { states });
  }

  private sendChanges(): void {
    const { view } = this.parts;
    const until = Math.min(view.changes.end, this.cursor + BATCH);
    const states: object[] = [];
    for (const number of view.changes.between(this.cursor, until)) {
      const [scope, state] = view.at(number);
      if (!isHarmless(state)) states.push(stateEvent(scope, state));
    }
    this.cursor = until;
    if (states.length > 0) this.send('states', { states });
  }
}

/** One state, as `data` of a record of `access.revocation-state` has it. */
function stateEvent(scope: ScopeKey, { closedAt, openedAt, tokensBefore, closing }: ScopeState): object {
  return {
    scope,
    closed_at: momentToWire(closedAt),
    opened_at: momentToWire(openedAt),
    tokens_before: momentToWire(tokensBefore),
    reason: closing?.reason ?? null,
    source_event_id: closing?.sourceEventId ?? null,
    occurred_at: momentToWire(closing?.occurredAt ?? NEVER),
  };
}

@Controller('v1/revocations')
export class RevocationStreamController {
  constructor(private readonly stream: RevocationStream) {}

  @Permits(...PERMITS)
  @Get('stream')
  open(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.stream.open(request, reply);
  }
}
