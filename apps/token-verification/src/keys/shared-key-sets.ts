import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { encodeCloudEvent } from '#contracts/cloud-event.js';
import { decodeKeySet, KEY_SET_TYPE, type KeySetData } from '#contracts/key-set.js';
import { TOPICS } from '#contracts/topics.js';
import { within } from '#kafka/backoff.js';
import type { KafkaClient } from '#kafka/client.js';
import { CompactedView } from '#kafka/compacted-view.js';
import type { KafkaLogger } from '#kafka/logger.js';
import type { BatchPublisher } from '#kafka/publisher.js';

/** Whoever has nothing else waits so long at its start for what others were told; then the source is asked. */
const READING_MS = 2_000;
/** The same keys are shared again after this, so that their age is known to the minute. */
const AGAIN_MS = 60_000;

/** The keys of one address, with the moment at which the source said so, ms. */
export interface FetchedKeys {
  fetchedAt: number;
  keys: KeySetData['keys'];
}

/**
 * What any verifier of this installation was last told, by address, on a compacted topic: one that is new, or that cannot reach
 * the source itself, goes on with it (docs/adr/0028). It holds nothing up, and without it each verifier knows what it asks for.
 */
export class SharedKeySets {
  private readonly view: CompactedView<KeySetData>;

  constructor(
    client: KafkaClient,
    private readonly publisher: Pick<BatchPublisher, 'publish'>,
    private readonly logger: KafkaLogger,
  ) {
    this.view = new CompactedView(client, { topic: TOPICS.keySets, decode: decodeKeySet, logger });
  }

  /** Resolves once reading has begun; until Kafka can be reached it goes on trying. */
  start(): Promise<void> {
    return this.view.start();
  }

  /** Waits for the reading at the start, at most two seconds. Never rejects. */
  async of(url: string): Promise<FetchedKeys | undefined> {
    await within(READING_MS, this.view.ready);
    const shared = this.view.get(url);
    return shared && { fetchedAt: Date.parse(shared.fetched_at), keys: shared.keys };
  }

  /** Called with the address whenever others were told the keys there. */
  onTold(listener: (url: string) => void): void {
    this.view.onChange(listener);
  }

  /** Tells the others, unless they know it. */
  share(url: string, { fetchedAt, keys }: FetchedKeys): void {
    const known = this.view.get(url);
    const isYoung = known && fetchedAt - Date.parse(known.fetched_at) < AGAIN_MS;
    if (isYoung && isDeepStrictEqual(known.keys, keys)) return;
    const fetched_at = new Date(fetchedAt).toISOString();
    const event = encodeCloudEvent<KeySetData>({
      id: randomUUID(),
      source: '/token-verification',
      type: KEY_SET_TYPE,
      subject: url,
      time: fetched_at,
      data: { jwks_uri: url, fetched_at, keys },
    });
    this.publisher
      .publish(TOPICS.keySets, { key: url, ...event })
      .catch((error: unknown) => this.logger.warn({ err: error, jwks_uri: url }, 'keys not shared'));
  }

  close(): Promise<void> {
    return this.view.close();
  }
}
