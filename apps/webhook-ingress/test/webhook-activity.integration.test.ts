import { TOPICS } from '#contracts/topics.js';
import { decodeWebhookActivity, type WebhookActivity } from '#contracts/webhook-activity.js';
import { CompactedView } from '#kafka/compacted-view.js';
import { eventually } from '#testing/eventually.js';
import { WebhookActivityReport } from '../src/webhook-activity.js';
import { deliver, type Ingress, PREVIOUS, signatureOf, startIngress, userDeleted } from './ingress.js';

let ingress: Ingress;
let view: CompactedView<WebhookActivity>;
beforeAll(async () => {
  ingress = await startIngress({ KAFKA_BROKERS: process.env['KAFKA_BROKERS'], WEBHOOK_ACTIVITY_INTERVAL_MS: '100' });
  view = new CompactedView(ingress.client, { topic: TOPICS.webhookActivity, decode: decodeWebhookActivity });
  await view.start();
});
afterAll(async () => {
  await view.close();
  await ingress.close();
});

const told = (isIt: (activity: WebhookActivity) => unknown): Promise<WebhookActivity> =>
  eventually(() => {
    const activity = view.get('idp_open');
    return activity && isIt(activity) ? activity : undefined;
  });
const bySecret = (body: string, secret: string) => ({ body, signature: signatureOf(body, { secret }) });

test('what several replicas saw is one record, which outlives each of them', async () => {
  const other = await ingress.another();
  expect((await deliver(other.base, ingress.token, bySecret(userDeleted(), PREVIOUS))).status).toBe(200);
  expect((await deliver(ingress.base, ingress.token, { signature: signatureOf('other') })).status).toBe(401);
  const both = await told((a) => a.last_refused && a.secrets['previous']);
  expect(both.last_refused).toMatchObject({ code: 'signature_mismatch', source: '127.0.0.1' });
  expect(both.last_delivery_at).toBe(both.secrets['previous']);
  expect(both.secrets['current']).toBeUndefined();
  await other.close();

  const newcomer = await ingress.another();
  expect((await deliver(newcomer.base, ingress.token)).status).toBe(200);
  const after = await told((a) => a.secrets['current']);
  expect(after).toMatchObject({
    secrets: both.secrets,
    last_refused: both.last_refused,
    last_delivery_at: after.secrets['current'],
  });
  await newcomer.close();
});

test('the last notes of a replica are told as it stops', async () => {
  const replica = await ingress.another({ WEBHOOK_ACTIVITY_INTERVAL_MS: '3600000' });
  await replica.app.get(WebhookActivityReport).ready;
  const before = view.get('idp_open')?.last_delivery_at ?? '';
  expect((await deliver(replica.base, ingress.token)).status).toBe(200);
  await replica.close();
  await told((a) => (a.last_delivery_at ?? '') > before);
});

test('where nothing can be told, deliveries are stored all the same', async () => {
  await ingress.client.withAdmin((admin) =>
    admin.deleteTopics({ topics: [ingress.client.topic(TOPICS.webhookActivity)] }),
  );
  const failed = async (): Promise<boolean> => {
    expect((await deliver(ingress.base, ingress.token)).status).toBe(200);
    const metrics = await (await fetch(`${ingress.base}/metrics`)).text();
    return /rescind_webhook_activity_reports_total\{outcome="failed"[^}]*\} [1-9]/.test(metrics);
  };
  await eventually(failed, { everyMs: 200 });
  expect((await fetch(`${ingress.base}/health/ready`)).status).toBe(200);
});
