import { Chaos, type ChaosSettings } from './chaos.js';
import { type Clock, isoTime } from './clock.js';
import type { StoredEvent } from './event-log.js';
import { HttpPoster } from './http-post.js';
import { newId } from './ids.js';
import type { WebhookEndpoint } from './objects.js';
import type { DeliveryOptions } from './options.js';
import { signatureHeader } from './signature.js';

export interface Attempt {
  at: string;
  status_code: number | null;
  error: string | null;
  duration_ms: number;
  signature: string;
}

/** `failed`: all tries used up. `dropped`: chaos took it. `abandoned`: its endpoint is gone or disabled. */
export type DeliveryStatus = 'waiting' | 'sending' | 'retrying' | 'delivered' | 'failed' | 'dropped' | 'abandoned';

export interface Delivery {
  id: string;
  endpoint_id: string;
  event_id: string | null;
  event: string;
  status: DeliveryStatus;
  created_at: string;
  attempts: Attempt[];
}

interface Work {
  delivery: Delivery;
  endpoint: WebhookEndpoint;
  url: URL;
  body: Buffer;
  triesLeft: number;
  signature?: string;
}

const isFinal = (status: DeliveryStatus) => ['delivered', 'failed', 'dropped', 'abandoned'].includes(status);

/** Sends events to webhook endpoints: signed, concurrently, again with growing pauses until one answer is 2xx. */
export class Deliveries {
  readonly #poster = new HttpPoster();
  readonly #log = new Map<string, Work>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #chaos = new Chaos();
  #paused = false;
  #closed = false;
  #sending = 0;
  #unfinished = 0;
  /** Ready to be sent, first come first. */
  #queue: Work[] = [];
  /** Together until there are enough to be shuffled. */
  #together: Work[] = [];
  #togetherTimer: NodeJS.Timeout | undefined;
  #whenSettled: (() => void)[] = [];

  constructor(
    private readonly clock: Clock,
    readonly options: DeliveryOptions,
    private readonly endpointOf: (id: string) => WebhookEndpoint | undefined,
  ) {}

  get chaos(): ChaosSettings {
    return this.#chaos.settings;
  }

  set chaos(settings: ChaosSettings) {
    this.#releaseTogether();
    this.#chaos = new Chaos(settings);
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Starts sending before it returns, unless something was set to hold it. */
  deliver(event: StoredEvent, endpoints: Iterable<WebhookEndpoint>): void {
    const body = Buffer.from(event.body);
    for (const endpoint of endpoints) this.deliverBytes(body, event, endpoint);
  }

  /** Sends bytes as they are, whatever they are. */
  deliverBytes(body: Buffer, event: { id: string | null; type: string }, endpoint: WebhookEndpoint): void {
    const work = this.#record(body, event, endpoint);
    if (this.#chaos.drops(event.type)) return this.#finish(work, 'dropped');
    this.#route(work);
    if (this.#chaos.duplicates()) this.#route(this.#record(body, event, endpoint));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#pump();
  }

  /** Lets go what is kept together for reordering. */
  flush(): void {
    this.#releaseTogether();
  }

  /** Sends one again as a new set of tries; true where it is known. */
  redeliver(id: string): boolean {
    const work = this.#log.get(id);
    if (!work || this.#closed) return false;
    if (isFinal(work.delivery.status)) {
      this.#unfinished += 1;
      work.triesLeft = this.options.tries;
      this.#enqueue(work);
    }
    return true;
  }

  /** Sends again all whose tries were used up, or that chaos dropped; says how many. */
  redeliverFailed(): number {
    const missed = this.list().filter(({ status }) => status === 'failed' || status === 'dropped');
    for (const { id } of missed) this.redeliver(id);
    return missed.length;
  }

  /** The log, oldest first. */
  list(keep: (delivery: Delivery) => boolean = () => true): Delivery[] {
    return [...this.#log.values()].map(({ delivery }) => delivery).filter(keep);
  }

  get(id: string): Delivery | undefined {
    return this.#log.get(id)?.delivery;
  }

  clearLog(): void {
    for (const [id, { delivery }] of this.#log) if (isFinal(delivery.status)) this.#log.delete(id);
  }

  /** Resolves once nothing is under way, waiting or to be tried again. */
  settled(): Promise<void> {
    if (this.#unfinished === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenSettled.push(resolve));
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    clearTimeout(this.#togetherTimer);
    this.#poster.close();
    this.#whenSettled.forEach((resolve) => resolve());
  }

  #record(body: Buffer, event: { id: string | null; type: string }, endpoint: WebhookEndpoint): Work {
    const delivery: Delivery = {
      id: newId('delivery'),
      endpoint_id: endpoint.id,
      event_id: event.id,
      event: event.type,
      status: 'waiting',
      created_at: isoTime(this.clock.now()),
      attempts: [],
    };
    const url = new URL(endpoint.endpoint_url);
    const work: Work = { delivery, endpoint, url, body, triesLeft: this.options.tries };
    this.#unfinished += 1;
    this.#log.set(delivery.id, work);
    if (this.#log.size > this.options.logSize) this.#log.delete(this.#log.keys().next().value!);
    return work;
  }

  #route(work: Work): void {
    const { window, hold_ms } = this.#chaos.settings.reorder;
    if (window < 2) return this.#later(this.#chaos.delayMs(), work);
    this.#together.push(work);
    if (this.#together.length >= window) this.#releaseTogether();
    else this.#togetherTimer ??= setTimeout(() => this.#releaseTogether(), hold_ms);
  }

  #releaseTogether(): void {
    clearTimeout(this.#togetherTimer);
    this.#togetherTimer = undefined;
    const works = this.#chaos.shuffled(this.#together);
    this.#together = [];
    for (const work of works) this.#later(this.#chaos.delayMs(), work);
  }

  #later(ms: number, work: Work): void {
    if (ms <= 0) return this.#enqueue(work);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#enqueue(work);
    }, ms);
    this.#timers.add(timer);
  }

  #enqueue(work: Work): void {
    if (this.#closed) return;
    this.#queue.push(work);
    this.#pump();
  }

  #pump(): void {
    if (this.#paused || this.#closed) return;
    let taken = 0;
    while (taken < this.#queue.length && this.#sending < this.options.concurrency) {
      this.#sending += 1;
      void this.#attempt(this.#queue[taken++]!);
    }
    if (taken > 0) this.#queue.splice(0, taken);
  }

  async #attempt(work: Work): Promise<void> {
    const { delivery, body } = work;
    const endpoint = this.endpointOf(work.endpoint.id);
    if (endpoint?.status !== 'enabled') {
      this.#sending -= 1;
      this.#finish(work, 'abandoned');
      return this.#pump();
    }
    delivery.status = 'sending';
    const at = this.clock.now();
    if (this.options.resign || !work.signature) work.signature = signatureHeader(at, body, endpoint.secret);
    const { signature } = work;
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'WorkOS Webhooks (sandbox)',
      'workos-signature': signature,
    };
    const result = await this.#poster.post(work.url, headers, body, this.options.timeoutMs);
    this.#sending -= 1;
    if (this.#closed) return;
    const { status, error, durationMs } = result;
    delivery.attempts.push({ at: isoTime(at), status_code: status, error, duration_ms: durationMs, signature });
    work.triesLeft -= 1;
    if (status !== null && status >= 200 && status < 300) this.#finish(work, 'delivered');
    else if (work.triesLeft <= 0) this.#finish(work, 'failed');
    else {
      delivery.status = 'retrying';
      this.#later(this.options.retryBaseMs * 2 ** (this.options.tries - work.triesLeft - 1) || 1, work);
    }
    this.#pump();
  }

  #finish(work: Work, status: DeliveryStatus): void {
    work.delivery.status = status;
    this.#unfinished -= 1;
    if (this.#unfinished > 0) return;
    const waiting = this.#whenSettled;
    this.#whenSettled = [];
    waiting.forEach((resolve) => resolve());
  }
}
