import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeCloudEvent } from '#contracts/cloud-event.js';
import { TOPICS } from '#contracts/topics.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { eventually } from '#testing/eventually.js';
import { kafkaJars } from '#testing/kafka-jars.js';
import { LocalKafka } from '#testing/local-kafka.js';
import { expectProblem, type Ingress, signatureOf, startIngress, userDeleted } from './ingress.js';

let dir: string;
let kafka: LocalKafka;
let ingress: Ingress;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rescind-kafka-'));
  kafka = await LocalKafka.create({ jars: await kafkaJars(join(process.cwd(), '.local/cache')), dir });
  await kafka.start();
  ingress = await startIngress({ KAFKA_BROKERS: kafka.brokers, DELIVERY_TIMEOUT_MS: '1500' });
});
afterAll(async () => {
  await ingress.close();
  await kafka.kill();
  await rm(dir, { recursive: true, force: true });
});

const deliver = (body: string): Promise<Response> =>
  fetch(`${ingress.base}/webhooks/workos/${ingress.token}`, {
    method: 'POST',
    headers: { 'workos-signature': signatureOf(body) },
    body,
  });
const idOf = (body: string): string => (JSON.parse(body) as { id: string }).id;

test('while Kafka is away each delivery is sent back in time; afterwards all that was answered with 200 is there', async () => {
  const stored: string[] = [];
  const before = userDeleted();
  expect((await deliver(before)).status).toBe(200);
  stored.push(idOf(before));

  await kafka.kill();
  const answers = await Promise.all(Array.from({ length: 20 }, () => deliver(userDeleted())));
  for (const answer of answers) {
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    await expectProblem(answer, 503, 'broker_unavailable');
  }
  const ready = await fetch(`${ingress.base}/health/ready`);
  expect([ready.status, Object.keys(((await ready.json()) as { missing: object }).missing)]).toEqual([503, ['kafka']]);
  expect((await fetch(`${ingress.base}/health/live`)).status).toBe(200);
  // What is refused for itself is refused all the same.
  await expectProblem(
    await fetch(`${ingress.base}/webhooks/workos/${ingress.token}`, { method: 'POST', body: '{}' }),
    401,
    'signature_missing',
  );

  await kafka.start();
  await eventually(async () => (await fetch(`${ingress.base}/health/ready`)).status === 200);
  const again = userDeleted();
  await eventually(async () => (await deliver(again)).status === 200);
  stored.push(idOf(again));

  const found: string[] = [];
  const reader = new TopicReader(ingress.client, {
    topics: [TOPICS.workosEvents],
    onRecords: (records) => void found.push(...records.map(({ value }) => decodeCloudEvent(value).id)),
  });
  await reader.start();
  await reader.caughtUp;
  await reader.close();
  for (const id of stored) expect(found).toContain(id);
}, 300_000);
