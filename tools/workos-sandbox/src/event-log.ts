import { refused } from './api-error.js';
import type { Clock } from './clock.js';
import type { EventEnvelope } from './objects.js';

const DAY_MS = 86_400_000;
const KEPT_MS = 90 * DAY_MS;
const RANGE_MS = 30 * DAY_MS;

export interface StoredEvent {
  id: string;
  type: string;
  /** null for `user.*`, which belongs to no organization. */
  organizationId: string | null;
  createdAtMs: number;
  /** By the machine's clock, which cannot be moved. */
  appendedAtMs: number;
  /** The event's JSON: the same bytes over the API and in webhooks. */
  body: string;
}

export interface EventQuery {
  types: readonly string[];
  limit: number;
  after?: string | undefined;
  before?: string | undefined;
  rangeStartMs?: number | undefined;
  rangeEndMs?: number | undefined;
  organizationId?: string | undefined;
}

/** Everything that has happened, in the order in which it did. */
export class EventLog {
  readonly #events: StoredEvent[] = [];
  readonly #positions = new Map<string, number>();

  constructor(
    private readonly clock: Clock,
    public holdBackMs: number,
  ) {}

  get size(): number {
    return this.#events.length;
  }

  get(id: string): StoredEvent | undefined {
    const position = this.#positions.get(id);
    return position === undefined ? undefined : this.#events[position];
  }

  /** Also what is held back. */
  all(): readonly StoredEvent[] {
    return this.#events;
  }

  append(envelope: EventEnvelope): StoredEvent {
    const event: StoredEvent = {
      id: envelope.id,
      type: envelope.event,
      organizationId: organizationOf(envelope),
      createdAtMs: Date.parse(envelope.created_at),
      appendedAtMs: Date.now(),
      body: JSON.stringify(envelope),
    };
    this.#positions.set(event.id, this.#events.length);
    this.#events.push(event);
    return event;
  }

  /** Oldest first, always. `after` is null once there is nothing newer to be shown. 400 for a cursor that is not kept. */
  list(query: EventQuery): { data: StoredEvent[]; after: string | null } {
    const now = this.clock.now();
    const from = Math.max(query.rangeStartMs ?? (query.after ? -Infinity : now - RANGE_MS), now - KEPT_MS);
    const to = query.rangeEndMs ?? (query.rangeStartMs === undefined ? Infinity : query.rangeStartMs + RANGE_MS);
    const start = query.after === undefined ? 0 : this.#positionOf(query.after, now) + 1;
    const end = query.before === undefined ? this.#events.length : this.#positionOf(query.before, now);
    const visibleUntil = Date.now() - this.holdBackMs;

    const data: StoredEvent[] = [];
    for (let at = start; at < end; at += 1) {
      const event = this.#events[at]!;
      if (this.holdBackMs > 0 && event.appendedAtMs > visibleUntil) break;
      if (event.createdAtMs < from || event.createdAtMs > to) continue;
      if (query.types.length > 0 && !query.types.includes(event.type)) continue;
      if (query.organizationId !== undefined && event.organizationId !== query.organizationId) continue;
      if (data.length === query.limit) return { data, after: data.at(-1)!.id };
      data.push(event);
    }
    return { data, after: null };
  }

  #positionOf(cursor: string, now: number): number {
    const position = this.#positions.get(cursor);
    if (position === undefined || this.#events[position]!.createdAtMs < now - KEPT_MS) {
      throw refused(400, 'invalid_cursor', `The cursor '${cursor}' is not recognised or has expired.`);
    }
    return position;
  }
}

function organizationOf(envelope: EventEnvelope): string | null {
  const data = envelope.data as {
    id?: unknown;
    organization_id?: unknown;
    user?: { organization_id?: unknown };
  } | null;
  if (/^organization\.[a-z]+$/.test(envelope.event) && typeof data?.id === 'string') return data.id;
  const id = data?.organization_id ?? data?.user?.organization_id;
  return typeof id === 'string' ? id : null;
}
