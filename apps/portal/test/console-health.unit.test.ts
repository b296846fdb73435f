import { type Reading, Readings, readingOf, sumOf } from '../src/console/console-health.js';

const TEXT = `# HELP rescind_webhook_deliveries_total Webhook deliveries by outcome.
# TYPE rescind_webhook_deliveries_total counter
rescind_webhook_deliveries_total{outcome="stored",service="webhook-ingress"} 40
rescind_webhook_deliveries_total{service="webhook-ingress",outcome="signature_stale"} 2
rescind_webhook_deliveries_total{outcome="signature_mismatch"} 1
rescind_view_age_seconds 0.25
nodejs_heap_size_total_bytes 1000
`;

test('metrics are summed over their labels', () => {
  expect(sumOf(TEXT, 'rescind_webhook_deliveries_total')).toBe(43);
  expect(sumOf(TEXT, 'rescind_view_age_seconds')).toBe(0.25);
  expect(sumOf(TEXT, 'rescind_view_age')).toBeUndefined();
});

test('what was taken is told from what was refused, and a service that is away from one that did nothing', () => {
  const reading = readingOf({ ingress: TEXT, grants: undefined, verification: '' });
  expect(reading).toMatchObject({ webhooks: 40, webhooks_refused: 3, tokens_active: 0, grants_marked: undefined });
});

const reading = (changes: Partial<Reading>): Reading => ({
  ...readingOf({ ingress: '', grants: '', verification: '' }),
  ...changes,
});

test('counters become how many each minute, sums and counts a mean', () => {
  const readings = new Readings(10);
  readings.add(0, reading({ webhooks: 10, applied_count: 5, applied_seconds: 1 }));
  readings.add(30_000, reading({ webhooks: 25, applied_count: 9, applied_seconds: 1.1, view_age_seconds: 0.4 }));
  expect(readings.series()).toMatchObject({
    at: [30_000],
    values: { webhooks: [30], applied_latency_ms: [25], view_age_seconds: [0.4] },
  });
});

test('a counter that began anew, a service that was away, and no event at all are not known, rather than a number', () => {
  const readings = new Readings(10);
  readings.add(0, reading({ webhooks: 10 }));
  readings.add(10_000, reading({ webhooks: 2 }));
  readings.add(20_000, reading({ webhooks: undefined }));
  readings.add(30_000, reading({ webhooks: 4 }));
  const { values } = readings.series();
  expect(values['webhooks']).toEqual([null, null, null]);
  expect(values['applied_latency_ms']).toEqual([null, null, null]);
});

test('only the last ones are kept', () => {
  const readings = new Readings(3);
  for (let at = 0; at < 9; at++) readings.add(at * 1_000, reading({}));
  expect(readings.series().at).toEqual([7_000, 8_000]);
});
