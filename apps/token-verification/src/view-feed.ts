import { Rejected } from '#contracts/rejected.js';
import { decodeStateRecord } from '#contracts/revocation.js';
import { TOPICS } from '#contracts/topics.js';
import { decodeWorkOSRecord, type WorkOSEvent } from '#contracts/workos-event.js';
import type { KafkaClient } from '#kafka/client.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { type OnScanned, scanTopic } from '#kafka/topic-scan.js';
import type { Logger } from '#platform/logging.js';
import { untilDone } from '#platform/until-done.js';
import { effectsOf, type ScopeUpdate, type SuspensionRule } from '#revocation/effects.js';
import type { Heartbeats } from '#revocation/heartbeats.js';
import { readStateRecord, StateInBytes } from '#revocation/read-state-record.js';
import type { FirstRefusals } from './first-refusals.js';
import type { RevocationView } from './domain/revocation-view.js';

const MOST_KEPT = 10_000;

export interface ViewFeedParts {
  client: KafkaClient;
  view: RevocationView;
  heartbeats: Heartbeats;
  /** Undefined: nothing was heard of that provider yet. */
  providerOf(providerId: string): { suspension: SuspensionRule | undefined } | undefined;
  logger: Logger;
  onSkipped(topic: string): void;
  /** What is read again at a start belongs to no trace any more. */
  firstRefusals?: FirstRefusals;
}

/**
 * Fills the view: from the compacted topic of states, and directly from `workos.events`, which is the fastest way. At the
 * start the states are scanned, up to heartbeats that say from where on the events are not among them yet; then come the
 * events from there; and the states once more up to their end as of then, since the ones that a heartbeat speaks of may
 * stand in another partition. Both readers join their groups beside the scan and read nothing before it is over.
 */
export class ViewFeed {
  private states: TopicReader | undefined;
  private events: TopicReader | undefined;
  /** Provider → events whose meaning is in its settings, while these are not known. */
  private readonly waiting = new Map<string, WorkOSEvent[]>();
  private caughtUp = false;
  private readonly stopping = new AbortController();
  private readonly read = new StateInBytes();

  constructor(private readonly parts: ViewFeedParts) {}

  /**
   * Resolves once the view holds everything that the topics held when it began.
   * @param settings what a `user.updated` means depends on its provider: events are read once the providers are known
   */
  async start(settings: Promise<void> = Promise.resolve()): Promise<void> {
    const { client, view, heartbeats, logger } = this.parts;
    const scanned = scanTopic(client, TOPICS.revocationState, this.takeScanned, this.stopping.signal);
    const states = new TopicReader(client, {
      topics: [TOPICS.revocationState],
      startAt: async (_topic, partition) => (await scanned)[partition],
      onRecords: (records) => this.takeStates(records),
      logger,
    });
    const applied = states.caughtUp.then(async () => {
      await settings;
      return heartbeats.applied();
    });
    const events = new TopicReader(client, {
      topics: [TOPICS.workosEvents],
      startAt: async (_topic, partition) => (await applied)[partition],
      onRecords: (records) => this.takeEvents(records),
      onPosition: (_topic, partition, position) => heartbeats.eventsRead(partition, position),
      logger,
    });
    [this.states, this.events] = [states, events];
    await Promise.all([states.start(), events.start()]);
    if (this.stopping.signal.aborted) return;
    const reachStates = async (): Promise<void> =>
      states.reached(TOPICS.revocationState, await client.endOffsets(TOPICS.revocationState));
    await Promise.all([
      events.caughtUp,
      untilDone('find the end of the states', logger, this.stopping.signal, reachStates),
    ]);
    this.caughtUp = true;
    if (!this.stopping.signal.aborted) logger.info({ scopes: view.size }, 'the view has caught up');
  }

  /** Why the view may lack something; undefined where it does not. */
  problem(): string | undefined {
    if (!this.caughtUp) return 'the view has not caught up since the start';
    return undefined;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all([this.states?.close(), this.events?.close()]);
  }

  /** Of the scan: nearly all are as grants writes them, and of these no object is made. */
  private readonly takeScanned: OnScanned = (partition, bytes, start, end, first, delta) => {
    if (start < 0 || this.isUsual(bytes, start, end)) return;
    const place = { topic: TOPICS.revocationState, partition, offset: (first + BigInt(delta)).toString() };
    this.takeStates([{ ...place, key: null, value: bytes.subarray(start, end), headers: {}, timestamp: '0' }]);
  };

  /** Takes the state of a record that is written as grants writes it; the others have to be decoded. */
  private isUsual(bytes: Buffer, start: number, end: number): boolean {
    if (!readStateRecord(bytes, start, end, this.read)) return false;
    this.parts.view.takeRead(this.read);
    return true;
  }

  private takeStates(records: readonly ConsumedRecord[]): void {
    for (const record of records) {
      if (record.value === null) continue;
      this.orSkip(record, (value) => {
        if (value !== null && this.isUsual(value, 0, value.length)) return;
        const state = decodeStateRecord(value);
        if (state.kind === 'scope') this.parts.view.takeState(state.data);
        else this.parts.heartbeats.take(record.partition, state.data, performance.now());
      });
    }
  }

  private takeEvents(records: readonly ConsumedRecord[]): void {
    for (const record of records) {
      this.orSkip(record, (value) => {
        const { event } = decodeWorkOSRecord(value);
        const provider = this.parts.providerOf(event.providerId);
        const updates = effectsOf(event, provider?.suspension);
        this.parts.view.takeUpdates(updates);
        if (provider === undefined && event.type === 'user.updated') this.keep(event);
        return updates;
      });
    }
  }

  /** No token of a provider is accepted before it is known, so it is in time to apply them then. */
  private keep(event: WorkOSEvent): void {
    const kept = this.waiting.get(event.providerId) ?? [];
    // A provider that was removed will never be known; what grants makes of its events comes with the states.
    if (kept.length < MOST_KEPT) kept.push(event);
    this.waiting.set(event.providerId, kept);
  }

  /** To be called whenever a provider may have become known. */
  providerChanged(providerId: string): void {
    const provider = this.parts.providerOf(providerId);
    if (provider === undefined) return;
    for (const event of this.waiting.get(providerId) ?? []) {
      this.parts.view.takeUpdates(effectsOf(event, provider.suspension));
    }
    this.waiting.delete(providerId);
  }

  /** What cannot be read is set aside by grants, for a person to look at; here it is counted. */
  private orSkip(record: ConsumedRecord, take: (value: Buffer | null) => readonly ScopeUpdate[] | void): void {
    const { firstRefusals } = this.parts;
    try {
      if (this.caughtUp && firstRefusals) firstRefusals.taking(record, () => take(record.value));
      else take(record.value);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      const { topic, partition, offset } = record;
      this.parts.onSkipped(topic);
      this.parts.logger.warn({ topic, partition, offset, code: error.code, detail: error.detail }, 'record skipped');
    }
  }
}
