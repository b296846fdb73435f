import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import type { KafkaConfig } from '#kafka/settings.js';
import { pino } from 'pino';
import { Heartbeats } from '#revocation/heartbeats.js';
import { RevocationView } from '../apps/token-verification/src/domain/revocation-view.js';
import { ViewFeed } from '../apps/token-verification/src/view-feed.js';

export interface ViewReport {
  ms: number;
  scopes: number;
  /** More than before, once what is not needed any more was collected. */
  megabytes: number;
}

const [config] = (await once(process, 'message')) as [KafkaConfig];
const client = new KafkaClient(config);
const before = memory();
const started = performance.now();
const view = new RevocationView();
if (process.argv[2] === 'view') await readView();
else await readBarely();
const ms = performance.now() - started;
await delay(500); // what the last fetch left behind is let go
process.send!({ ms, scopes: view.size, megabytes: (memory() - before) / 1_048_576 } satisfies ViewReport);

async function readView(): Promise<void> {
  const feed = new ViewFeed({
    client,
    view,
    heartbeats: new Heartbeats(),
    providerOf: () => undefined,
    logger: pino({ level: 'silent' }),
    onSkipped: (topic) => {
      throw new Error(`a record of ${topic} was skipped`);
    },
  });
  await feed.start();
}

async function readBarely(): Promise<void> {
  const ends = await client.endOffsets(TOPICS.revocationState);
  let missing = Object.values(ends).reduce((sum, end) => sum + Number(end), 0);
  const consumer = new kafkajs.Kafka({ brokers: config.brokers, logLevel: kafkajs.logLevel.NOTHING }).consumer({
    groupId: `${config.topicPrefix}floor-${process.pid}`,
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [client.topic(TOPICS.revocationState)], fromBeginning: true });
  await new Promise<void>((resolve) => {
    void consumer.run({
      eachBatch: async ({ batch }) => {
        missing -= batch.messages.length;
        if (missing <= 0) resolve();
      },
    });
  });
}

/** Bytes in use, heap and buffers. */
function memory(): number {
  gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
