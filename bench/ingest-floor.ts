import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs';

// The floor of durable ingest, a process of its own: takes any POST, produces its bytes in batches with acks=all, answers
// 200 once Kafka has them. No signature, no endpoint, no validation, no log, no metrics.
const kafka = new Kafka({ brokers: process.env['KAFKA_BROKERS']!.split(','), logLevel: logLevel.NOTHING });
const producer = kafka.producer({
  idempotent: true,
  maxInFlightRequests: 1,
  createPartitioner: Partitioners.DefaultPartitioner,
});
const topic = 'bench.ingest';
const admin = kafka.admin();
await admin.connect();
const { topics } = await admin.fetchTopicMetadata({ topics: [process.env['LIKE_TOPIC']!] });
await admin.createTopics({ topics: [{ topic, numPartitions: topics[0]!.partitions.length }], waitForLeaders: true });
await admin.disconnect();
await producer.connect();

const waiting: { value: Buffer; done(): void }[] = [];
let busy = false;
async function flush(): Promise<void> {
  if (busy || waiting.length === 0) return;
  busy = true;
  const batch = waiting.splice(0, 1_000);
  await producer.send({
    topic,
    acks: -1,
    compression: CompressionTypes.None,
    messages: batch.map(({ value }, index) => ({ key: String(index), value })),
  });
  busy = false;
  for (const { done } of batch) done();
  void flush();
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    waiting.push({
      value: Buffer.concat(chunks),
      done: () => response.writeHead(200, { 'content-length': 2 }).end('{}'),
    });
    setImmediate(() => void flush());
  });
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`));
