import fc from 'fast-check';
import { decodeWebhookActivity, mergeActivity, type WebhookActivity } from '../src/webhook-activity.js';

const moment = fc.integer({ min: 0, max: 9 }).map((ms) => new Date(Date.UTC(2026, 0, 1) + ms).toISOString());
const activity: fc.Arbitrary<WebhookActivity> = fc.record({
  provider_id: fc.constant('idp_1'),
  last_delivery_at: fc.option(moment),
  last_refused: fc.option(
    fc.record({
      at: moment,
      code: fc.constantFrom('signature_mismatch', 'signature_stale'),
      source: fc.constantFrom('192.0.2.1', '192.0.2.2'),
    }),
  ),
  secrets: fc.dictionary(fc.constantFrom('whs_1', 'whs_2'), moment, { noNullPrototype: true }),
});

test('any order, repetition and split of what the replicas saw ends in the same', () => {
  fc.assert(
    fc.property(activity, activity, activity, (a, b, c) => {
      expect(mergeActivity(a, b)).toEqual(mergeActivity(b, a));
      expect(mergeActivity(a, mergeActivity(b, c))).toEqual(mergeActivity(mergeActivity(a, b), c));
      expect(mergeActivity(a, a)).toEqual(a);
    }),
  );
});

test('what is no activity is rejected', () => {
  const event = (data: unknown): Buffer =>
    Buffer.from(
      JSON.stringify({
        specversion: '1.0',
        id: 'x',
        source: '/webhook-ingress',
        type: 'io.rescind.webhook-activity.v1',
        datacontenttype: 'application/json',
        data,
      }),
    );
  const good = { provider_id: 'idp_1', last_delivery_at: null, last_refused: null, secrets: {} };
  expect(decodeWebhookActivity(event(good))).toEqual(good);
  for (const bad of [null, {}, { ...good, last_delivery_at: 'yesterday' }, { ...good, secrets: { whs_1: 7 } }]) {
    expect(() => decodeWebhookActivity(event(bad))).toThrow(/record_malformed/);
  }
});
