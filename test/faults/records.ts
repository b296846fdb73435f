import { TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { untilAnswer } from '../journey/client.js';
import type { ScopeRecord } from './check.js';

/** A subscriber of both topics that tell of revocations; it keeps what it saw, in the order of each scope. */
export class Records {
  private readonly revocations: ScopeRecord[] = [];
  private readonly states: ScopeRecord[] = [];
  private readonly client: KafkaClient;
  private readonly readers: TopicReader[];

  constructor(brokers: string) {
    this.client = new KafkaClient({ brokers: brokers.split(','), clientId: 'faults', topicPrefix: '' });
    this.readers = [
      this.reader(TOPICS.revocations, this.revocations),
      this.reader(TOPICS.revocationState, this.states),
    ];
  }

  async start(): Promise<void> {
    for (const reader of this.readers) await reader.start();
  }

  async stop(): Promise<void> {
    for (const reader of this.readers) await reader.close();
    await this.client.close();
  }

  revocationsOf(providerId: string): ScopeRecord[] {
    return this.revocations.filter(({ scope }) => scope.startsWith(`${providerId}/`));
  }

  /** Once everything that is in the topics by now has come in. */
  async statesOf(providerId: string): Promise<ScopeRecord[]> {
    for (const [reader, topic] of [
      [this.readers[0]!, TOPICS.revocations],
      [this.readers[1]!, TOPICS.revocationState],
    ] as const) {
      // Kafka may be on its way back from the last fault.
      const ends = await untilAnswer(
        () => this.client.endOffsets(topic),
        () => true,
        180_000,
      );
      await reader.reached(topic, ends);
    }
    return this.states.filter(({ scope }) => scope.startsWith(`${providerId}/`));
  }

  private reader(topic: typeof TOPICS.revocations | typeof TOPICS.revocationState, into: ScopeRecord[]): TopicReader {
    return new TopicReader(this.client, {
      topics: [topic],
      onRecords: (records) => {
        for (const { value } of records) {
          const { data } = JSON.parse(String(value)) as { data: Partial<ScopeRecord> };
          if (data.scope !== undefined) into.push(data as ScopeRecord);
        }
      },
    });
  }
}
