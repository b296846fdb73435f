import { invalidParameters, notFound, refused } from './api-error.js';
import { type Clock, isoTime } from './clock.js';
import { Collection } from './collection.js';
import { SUBSCRIBABLE_EVENTS } from './event-types.js';
import { newId, randomText } from './ids.js';
import type { WebhookEndpoint } from './objects.js';

export interface EndpointChange {
  endpoint_url?: string | undefined;
  status?: 'enabled' | 'disabled' | undefined;
  events?: string[] | undefined;
}

/** Who is told about what. Two endpoints never share a URL; a secret is made here and cannot be rotated. */
export class WebhookEndpoints {
  readonly all = new Collection<WebhookEndpoint>();

  constructor(private readonly clock: Clock) {}

  create(url: string, events: string[]): WebhookEndpoint {
    this.#check({ endpoint_url: url, events });
    const now = isoTime(this.clock.now());
    const endpoint: WebhookEndpoint = {
      object: 'webhook_endpoint',
      id: newId('we'),
      endpoint_url: url,
      secret: `whsec_${randomText(26)}`,
      status: 'enabled',
      events,
      created_at: now,
      updated_at: now,
    };
    this.all.add(endpoint);
    return endpoint;
  }

  change(id: string, change: EndpointChange): WebhookEndpoint {
    const endpoint = this.require(id);
    this.#check(change, id);
    endpoint.endpoint_url = change.endpoint_url ?? endpoint.endpoint_url;
    endpoint.status = change.status ?? endpoint.status;
    endpoint.events = change.events ?? endpoint.events;
    endpoint.updated_at = isoTime(this.clock.after(endpoint.updated_at));
    return endpoint;
  }

  require(id: string): WebhookEndpoint {
    const endpoint = this.all.get(id);
    if (!endpoint) throw notFound('Webhook endpoint', id);
    return endpoint;
  }

  delete(id: string): void {
    this.require(id);
    this.all.delete(id);
  }

  *subscribedTo(event: string): Iterable<WebhookEndpoint> {
    for (const endpoint of this.enabled()) if (endpoint.events.includes(event)) yield endpoint;
  }

  *enabled(): Iterable<WebhookEndpoint> {
    for (const endpoint of this.all.values()) if (endpoint.status === 'enabled') yield endpoint;
  }

  #check({ endpoint_url: url, events }: EndpointChange, id?: string): void {
    if (url !== undefined) {
      const protocol = URL.parse(url)?.protocol;
      if (protocol !== 'http:' && protocol !== 'https:') {
        throw refused(422, 'invalid_url', 'The endpoint URL is not valid.');
      }
      for (const other of this.all.values()) {
        if (other.id !== id && other.endpoint_url === url) {
          throw refused(409, 'duplicate_endpoint', 'A webhook endpoint with this URL exists already.');
        }
      }
    }
    const unknown = (events ?? []).filter((event) => !SUBSCRIBABLE_EVENTS.has(event));
    if (unknown.length > 0) {
      throw invalidParameters(
        unknown.map((event) => ({ field: 'events', code: 'unknown_event_type', message: `Unknown event: ${event}` })),
      );
    }
  }
}
