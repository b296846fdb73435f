import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { FeedEntry } from './feed-entries.js';
import { ask, type Upstream } from '../console/proxy.js';

const trips = z.object({
  data: z.array(
    z.looseObject({
      id: z.string(),
      provider_id: z.string(),
      status: z.string(),
      tripped_at: z.string(),
      decided_at: z.string().nullable(),
    }),
  ),
});

const EVERY_MS = 2_000;

/**
 * Asks grants for the trips of its guard while somebody follows the feed, and tells each that is new or was decided since the
 * last question. Trips are rare and not on Kafka; while grants is away there is nothing to tell.
 */
export class GuardWatch {
  /** Trip id → its status when it was told. */
  private known: Map<string, string> | undefined;

  constructor(
    private readonly grants: Upstream,
    private readonly tell: (entry: FeedEntry) => void,
    private readonly isFollowed: () => boolean,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!this.isFollowed()) this.known = undefined;
      else if (this.grants.url !== undefined) await this.look().catch(() => undefined);
      await delay(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async look(): Promise<void> {
    const { status, body } = await ask(this.grants, { method: 'GET', target: '/v1/guard-trips', actor: 'portal' });
    if (status !== 200) return;
    const { data } = trips.parse(JSON.parse(body.toString('utf8')));
    const before = this.known;
    this.known = new Map(data.map(({ id, status }) => [id, status]));
    // The first time there is nothing to compare with; whoever opens the page asks for the trips anyway.
    if (!before) return;
    for (const trip of data.filter(({ id, status }) => before.get(id) !== status).reverse()) {
      const { id, provider_id, status, tripped_at, decided_at } = trip;
      this.tell({
        event: 'guard',
        data: { at: decided_at ?? tripped_at, type: `guard_${status}`, provider_id, guard_trip_id: id },
      });
    }
  }
}
